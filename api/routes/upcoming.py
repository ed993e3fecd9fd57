"""Beyond the standard: what schedules come to, what is going to start, and what ran lately."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request

from ...runtime.foundation import clock
from ...runtime.foundation.errors import BadSchedule, NotFound
from ...runtime.scheduling import previews
from ...runtime.scheduling.schedules import schedule_from_json
from ...runtime.scheduling.wall_clock import read_zone
from ...runtime.store import recent_runs, upcoming, versions_that_ran
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import with_hint
from ..models import upcoming as models
from ..shared_answers import SharedAnswers

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


def _shared(request: Request) -> SharedAnswers:
    """Answers that are being made. None is kept: whoever changed a schedule looks at once."""
    state = request.app.state
    if not hasattr(state, "upcoming"):
        state.upcoming = SharedAnswers(0.0)
    return cast(SharedAnswers, state.upcoming)


@router.post("/schedules/preview", response_model=dict[str, Any])
async def preview_schedule(body: models.ScheduleToPreview) -> JsonAnswer:
    """The next dates of a schedule, its week and what changes of the clocks do to it; or what is wrong with
    it, as `problem` with the field's name. Nothing is changed.
    """
    try:
        schedule = schedule_from_json(body.schedule)
        found = previews.preview(schedule, schedule.to_json()["timezone"], clock.now(), body.count)
    except BadSchedule as error:
        field = (error.where or "").removeprefix("schedule").removeprefix(".")
        text = with_hint(error).removeprefix("schedule.").removeprefix("schedule")
        return JsonAnswer({"problem": {"field": field, "text": text.removeprefix(f"{field}: ").lstrip(": ")}})
    return JsonAnswer({"problem": None, "definition": schedule.to_json(), **asdict(found)})


@router.post("/upcoming", response_model=dict[str, Any])
async def read_upcoming(body: models.UpcomingAsked, request: Request, db: Db) -> JsonAnswer:
    """What schedules start on some days, those of a deployment or pool if one is named, and the next dates.

    `planned` are single dates, with their runs where these were made ahead; `bands` are schedules with more
    than 20 dates on a day.
    """
    try:
        days = [_midnight(body.start, number, body.zone) for number in range(body.days + 1)]
    except (BadSchedule, OverflowError) as error:
        raise HTTPException(422, str(error)) from error
    asked = ("upcoming", *days, body.pool, body.deployment_id, body.next_count)

    async def make() -> upcoming.Upcoming:
        return await upcoming.read(
            db,
            days,
            pool=body.pool,
            deployment_id=body.deployment_id,
            next_count=body.next_count,
        )

    return JsonAnswer(asdict(await _shared(request).get(asked, make)))


@router.post("/upcoming/run", response_model=dict[str, UUID])
async def make_upcoming_run(body: models.DateOfSchedule, db: Db) -> JsonAnswer:
    """The run of one date of a schedule, made now unless it was: to move, skip or start it."""
    try:
        return JsonAnswer({"flow_run_id": await upcoming.make_run(db, body.schedule_id, body.at)})
    except NotFound as error:
        raise HTTPException(404, str(error)) from error


@router.post("/recent_runs", response_model=dict[UUID, dict[str, Any]])
async def read_recent_runs(body: models.RecentAsked, db: Db) -> JsonAnswer:
    """The newest runs of flows and deployments, the oldest first, and the next one that is planned."""
    found = {
        **await recent_runs.of_flows(db, dict.fromkeys(body.flow_ids), body.limit),
        **await recent_runs.of_deployments(db, dict.fromkeys(body.deployment_ids), body.limit),
    }
    return JsonAnswer({str(owner): asdict(recent) for owner, recent in found.items()})


@router.get("/flows/{id:uuid}/tasks", response_model=list[dict[str, Any]])
async def read_tasks_of_flow(id: UUID, db: Db) -> JsonAnswer:
    """How the tasks of a flow did in its newest 20 runs: how many calls, failures and retries."""
    return JsonAnswer([asdict(each) for each in await recent_runs.tasks_of_flow(db, id)])


@router.get("/flows/{id:uuid}/versions", response_model=list[dict[str, Any]])
async def read_versions_of_flow(id: UUID, db: Db) -> JsonAnswer:
    """The versions of its code that a flow's newest 2,000 runs ran, the newest first."""
    return JsonAnswer([asdict(each) for each in await versions_that_ran.of(db, flow_id=id)])


@router.get("/deployments/{id:uuid}/versions", response_model=list[dict[str, Any]])
async def read_versions_of_deployment(id: UUID, db: Db) -> JsonAnswer:
    """The versions of its code that a deployment's newest 2,000 runs ran, the newest first."""
    return JsonAnswer([asdict(each) for each in await versions_that_ran.of(db, deployment_id=id)])


def _midnight(day: date, later: int, zone: str) -> datetime:
    naive = datetime(day.year, day.month, day.day) + timedelta(days=later)
    return naive.replace(tzinfo=read_zone(zone, "zone")).astimezone(UTC)
