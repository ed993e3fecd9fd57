"""Bodies of requests about work pools, their queues and workers."""

from __future__ import annotations

import string
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from ..pools.templates import check_declared
from ..runtime.foundation.errors import BadJobTemplate
from ..runtime.store.filters import WorkerFilter, WorkPoolFilter, WorkQueueFilter
from .schemas import MOST_ROWS, Fields, Limit, Moment, Numbered, OneModel, Paged


def _not_blank(name: Any) -> Any:
    if isinstance(name, str) and not name.strip(string.whitespace + "'\""):
        raise ValueError("name cannot be an empty string")
    return name


PlaceName = Annotated[str, Field(pattern=r"^[^/%&><]+$"), BeforeValidator(_not_blank)]
NamedPlace = Annotated[PlaceName | None, BeforeValidator(lambda name: None if name == "" else name)]
"""The name of a pool or queue in a request; an empty text names none."""

Slots = Annotated[int, Field(ge=0, lt=2**31)]
Priority = Annotated[int, Field(gt=0, lt=2**31 - 1_000_000)]  # leaves room for queues that move down


class StorageConfiguration(OneModel):
    bundle_upload_step: dict[str, Any] | None = None
    bundle_execution_step: dict[str, Any] | None = None
    default_result_storage_block_id: UUID | None = None


def _template(template: dict[str, Any]) -> dict[str, Any]:
    """Check that a template is empty, or has both of its parts and declares every variable that it uses."""
    if template and not (template.get("job_configuration") and template.get("variables")):
        raise ValueError(
            "The `base_job_template` must contain both a `job_configuration` key and a `variables` key."
        )
    try:
        check_declared(template)
    except BadJobTemplate as error:
        raise ValueError(f"{error} {error.hint or ''}".rstrip()) from error
    return template


JobTemplate = Annotated[dict[str, Any], AfterValidator(_template)]


class WorkPoolCreate(OneModel):
    name: PlaceName
    description: str | None = None
    type: str = "prefect-agent"
    base_job_template: JobTemplate = {}
    is_paused: bool = False
    concurrency_limit: Slots | None = None
    storage_configuration: StorageConfiguration = StorageConfiguration()


class WorkPoolUpdate(OneModel):
    description: str | None = None
    is_paused: bool | None = None
    base_job_template: JobTemplate | None = None
    concurrency_limit: Slots | None = None
    storage_configuration: StorageConfiguration | None = None


class WorkPoolSearch(Fields):
    work_pools: WorkPoolFilter | None = None


class WorkPoolPage(WorkPoolSearch, Paged):
    """Which pools are asked for."""


class PoolPoll(Fields):
    """What a worker asks for; without names of queues it asks for all."""

    work_queue_names: list[str] = []
    scheduled_before: Moment | None = None
    scheduled_after: Moment | None = None
    limit: Limit = MOST_ROWS


class QueueFilter(BaseModel):
    """The filter of queues in early versions of the standard; it is accepted and ignored."""

    tags: list[str] | None = None
    deployment_ids: list[UUID] | None = None


class WorkQueueCreate(OneModel):
    name: PlaceName
    description: str | None = ""
    is_paused: bool = False
    concurrency_limit: Slots | None = None
    priority: Priority | None = None
    filter: Annotated[QueueFilter | None, Field(deprecated=True)] = None


class WorkQueueUpdate(OneModel):
    name: PlaceName | None = None
    description: str | None = None
    is_paused: bool = False
    concurrency_limit: Slots | None = None
    priority: Priority | None = None
    last_polled: Moment | None = None
    filter: Annotated[QueueFilter | None, Field(deprecated=True)] = None


class WorkQueuePage(Paged):
    work_queues: WorkQueueFilter | None = None


class QueuePoll(Fields):
    scheduled_before: Moment | None = None
    limit: Limit = MOST_ROWS


class Heartbeat(Fields):
    name: Annotated[str, Field(min_length=1)]
    heartbeat_interval_seconds: Annotated[int, Field(gt=0, lt=2**31)] | None = None


class WorkerPage(Paged):
    workers: WorkerFilter | None = None


class SlotPage(Numbered):
    """A page of runs that hold slots."""


class PoolSlotPage(SlotPage):
    flow_run_limit: Annotated[int, Field(ge=0, le=MOST_ROWS)] = 10
