"""`run_deployment`: creates a run of a deployment, from a script or another flow, and waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from uuid import UUID

from ..authoring.context import current_tags, flow_run_info
from ..states import Scheduled
from ..values.caching import input_hash

if TYPE_CHECKING:
    from ..client.client import HeliostatClient
    from ..client.records import Deployment, FlowRun
    from ..engine.flow.tracking import Tracking


class RunOptions(TypedDict, total=False):
    """Keyword arguments of `run_deployment`.

    parameters, job_variables: override the deployment's. scheduled_time: when the run begins (default: now).
    flow_run_name, tags, work_queue_name, idempotency_key: of the run; calls with one key create one run.
    timeout: seconds to wait for its end; None (default) waits for ever, 0 not at all. poll_interval: seconds.
    as_subflow: in a flow, the run is shown as its child, and a replay finds it again (default True).
    """

    parameters: Mapping[str, Any] | None
    scheduled_time: datetime | None
    flow_run_name: str | None
    timeout: float | None
    poll_interval: float
    tags: list[str] | None
    idempotency_key: str | None
    work_queue_name: str | None
    as_subflow: bool
    job_variables: Mapping[str, Any] | None


def run_deployment(name: str | UUID, **options: Unpack[RunOptions]) -> FlowRun:
    """Create a run of the deployment "flow/name" (or of that id) and wait until it has ended.

    Returns the run as it is then, or when the timeout is over: check `run.state`. Raises NotFound,
    ParameterMismatch, ServerUnavailable.
    """
    from ..client.client import get_client

    call = _Call.of(name, options)
    with get_client(sync_client=True) as client:
        return client.wait(call.made(client.asynchronous))


async def arun_deployment(name: str | UUID, **options: Unpack[RunOptions]) -> FlowRun:
    """`run_deployment` for asynchronous code."""
    from ..client.client import get_client

    call = _Call.of(name, options)
    async with get_client() as client:
        return await call.made(client)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of `run_deployment`. It reads the caller's context at once: the client's loop has another
    context.
    """

    name: str | UUID
    options: RunOptions
    tags: tuple[str, ...]
    tracking: Tracking | None

    @classmethod
    def of(cls, name: str | UUID, options: RunOptions) -> _Call:
        unknown = set(options) - set(RunOptions.__annotations__)
        if unknown:
            raise TypeError(f"run_deployment() got an unexpected keyword argument {sorted(unknown)[0]!r}")
        tracking = _tracking(str(name), options) if options.get("as_subflow", True) else None
        return cls(name, options, (*current_tags.get(), *(options.get("tags") or ())), tracking)

    async def made(self, client: HeliostatClient) -> FlowRun:
        options, tracking = self.options, self.tracking
        deployment = await _found(client, self.name)
        scheduled = options.get("scheduled_time")
        run = await client.create_flow_run_from_deployment(
            deployment.id,
            parameters=options.get("parameters"),
            state=Scheduled(scheduled) if scheduled is not None else None,
            name=options.get("flow_run_name"),
            tags=sorted(set(self.tags)),
            idempotency_key=options.get("idempotency_key") or (str(tracking.child_id) if tracking else None),
            parent_task_run_id=tracking.task_run_id if tracking else None,
            work_queue_name=options.get("work_queue_name"),
            job_variables=options.get("job_variables"),
        )
        if tracking is not None:
            tracking.running()
        timeout = options.get("timeout")
        if timeout != 0:
            run = await client.wait_for_flow_run(run.id, timeout, options.get("poll_interval", 1.0))
        if tracking is not None and run.state is not None and run.state.is_final():
            tracking.ended(run.state)
        return run


def _tracking(name: str, options: RunOptions) -> Tracking | None:
    """The call that stands for the run in the flow run that calls it; None outside of flows."""
    if flow_run_info.get() is None:
        return None
    from ..engine.flow.tracking import Tracking
    from ..engine.session import flow_session

    session = flow_session.get()
    if session is None:
        return None
    return Tracking(
        session, name, input_hash((options.get("parameters") or {}, options.get("job_variables")), {})
    )


async def _found(client: HeliostatClient, name: str | UUID) -> Deployment:
    if isinstance(name, UUID):
        return await client.read_deployment(name)
    try:
        return await client.read_deployment(UUID(name))
    except ValueError:
        return await client.read_deployment_by_name(name)
