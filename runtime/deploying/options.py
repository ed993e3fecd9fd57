"""The options of a deployment, which `to_deployment` and `deploy` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict

from ..foundation.errors import BadDeployment
from ..scheduling.schedules import Schedule

CollisionStrategy = Literal["ENQUEUE", "CANCEL_NEW"]


@dataclass(frozen=True, slots=True)
class ConcurrencyLimit:
    """At most `limit` runs of a deployment at once; more wait (ENQUEUE) or are cancelled (CANCEL_NEW).

    `grace_period_seconds` is kept for clients that read it. It has no effect here: a run has its place from
    Pending to its end, and a process that does not come up ends its run.
    """

    limit: int
    collision_strategy: CollisionStrategy = "ENQUEUE"
    grace_period_seconds: int | None = None


class DeploymentOptions(TypedDict, total=False):
    """Keyword arguments of `to_deployment` and `deploy`; each has its standard meaning.

    cron, interval, rrule: when it runs, one or several; an interval is seconds or a timedelta. timezone: of
    cron and rrule. schedules: Schedule objects or the standard's dicts, for other options. parameters: the
    defaults of its runs; checked against the flow's signature. job_variables: override the work pool's base
    job template, e.g. {"num_cpus": 2, "env": {"STAGE": "prod"}}. concurrency_limit: how many runs at once; a
    ConcurrencyLimit also decides about further runs. project: the folder that is sent along; by default the
    nearest one around the flow's file with a heliostat.yaml, prefect.yaml, pyproject.toml or .git, else the
    file's own folder.
    """

    cron: str | Sequence[str] | None
    interval: float | timedelta | Sequence[float | timedelta] | None
    anchor_date: datetime | None
    rrule: str | Sequence[str] | None
    timezone: str | None
    schedules: Sequence[Schedule | Mapping[str, Any]] | None
    paused: bool | None
    parameters: Mapping[str, Any] | None
    tags: Sequence[str] | None
    description: str | None
    version: str | None
    enforce_parameter_schema: bool
    job_variables: Mapping[str, Any] | None
    concurrency_limit: int | ConcurrencyLimit | Mapping[str, Any] | None
    work_queue_name: str | None
    entrypoint: str | None
    project: str | Path | None


def concurrency_fields(limit: int | ConcurrencyLimit | Mapping[str, Any] | None) -> dict[str, Any]:
    """The standard's fields for a concurrency limit. Raises BadDeployment."""
    if limit is None:
        return {}
    if isinstance(limit, Mapping):
        limit = _limit_of(limit)
    if not isinstance(limit, ConcurrencyLimit):
        limit = ConcurrencyLimit(limit)
    if isinstance(limit.limit, bool) or not isinstance(limit.limit, int) or limit.limit < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadDeployment(
            f"concurrency_limit: {limit.limit!r} is not a number of runs.",
            hint="Give a whole number above 0.",
        )
    if limit.collision_strategy not in ("ENQUEUE", "CANCEL_NEW"):
        raise BadDeployment(
            f"collision_strategy: {limit.collision_strategy!r} is unknown.",
            hint="ENQUEUE lets further runs wait, CANCEL_NEW cancels them.",
        )
    options: dict[str, Any] = {"collision_strategy": limit.collision_strategy}
    if limit.grace_period_seconds is not None:
        options["grace_period_seconds"] = limit.grace_period_seconds
    return {"concurrency_limit": limit.limit, "concurrency_options": options}


def _limit_of(given: Mapping[str, Any]) -> ConcurrencyLimit:
    try:
        return ConcurrencyLimit(**dict(given))
    except TypeError:
        raise BadDeployment(
            f"concurrency_limit: {dict(given)!r} cannot be read.",
            hint='Write {"limit": 3, "collision_strategy": "ENQUEUE"}.',
        ) from None
