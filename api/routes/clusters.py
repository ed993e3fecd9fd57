"""Beyond the standard: the Ray cluster as the servers' keepers last saw it, and how busy it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ...runtime.foundation import clock
from ...runtime.store import clusters
from ...runtime.store.database.database import Database
from ..answers import JsonAnswer
from ..database_access import Db
from ..shared_answers import SharedAnswers

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])

_LONGEST = timedelta(days=8)


def _shared(request: Request) -> SharedAnswers:
    return cast(SharedAnswers, request.app.state.shared_answers)


@router.get("/cluster", response_model=dict[str, Any])
async def read_cluster(
    request: Request, db: Db, keeper: str | None = None, with_runs: bool = True
) -> JsonAnswer:
    """The cluster as a keeper last saw it: nodes, who uses them, control actors, supervisors, and news.

    Without `keeper` it is the one whose Ray answers. `picture` is null when no server has ever seen Ray.
    `with_runs=false` leaves out runs and losses, which costs little however many tasks there are.
    """
    asked = ("cluster", keeper, with_runs)
    return JsonAnswer(await _shared(request).get(asked, lambda: _cluster(db, keeper, with_runs)))


@router.get("/load", response_model=list[dict[str, Any]])
async def read_load(
    request: Request,
    db: Db,
    since: datetime | None = None,
    parts: Annotated[int, Query(ge=1, le=500)] = 180,
) -> JsonAnswer:
    """How busy the cluster was since then (by default for 6 hours): means of `parts` equal stretches.

    Stretches without a sample are left out: no server looked, or Ray was away.
    """
    now = await db.time()
    earliest = now - _LONGEST
    begin = now - timedelta(hours=6) if since is None else clock.calendar_utc(since)
    begin = min(max(begin, earliest), now - timedelta(seconds=1))
    begin = begin.replace(microsecond=0)  # pages that ask in the same second get the same answer
    asked = ("load", begin, parts)
    found = await _shared(request).get(asked, lambda: clusters.load(db, begin, parts))
    return JsonAnswer([asdict(each) for each in found])


async def _cluster(db: Database, keeper: str | None, with_runs: bool) -> dict[str, Any]:
    known = await clusters.pictures(db)
    chosen = next((each for each in known if keeper in (None, each.keeper) and each.picture), None)
    others = [
        {
            "keeper": each.keeper,
            "is_up": each.is_up,
            "seen": each.seen,
            "address": (each.picture or {}).get("address"),
        }
        for each in known
    ]
    if chosen is None or chosen.picture is None:
        problem = known[0].problem if known else None
        return {
            "picture": None,
            "is_up": False,
            "problem": problem,
            "keepers": others,
            "runs": [],
            "losses": [],
        }
    picture = chosen.picture
    named = {UUID(each) for supervisor in picture["supervisors"] for each in supervisor["run_ids"]}
    runs = await clusters.runs(db, named) if with_runs else []
    _say_who_works(picture, runs)
    return {
        "keeper": chosen.keeper,
        "is_up": chosen.is_up,
        "problem": chosen.problem,
        "at": chosen.at,
        "seen": chosen.seen,
        "picture": picture,
        "runs": [{**asdict(run), "workers": len(run.workers)} for run in runs],
        "losses": [asdict(each) for each in await clusters.lost(db)] if with_runs else [],
        "keepers": others,
    }


def _say_who_works(picture: Mapping[str, Any], runs: Sequence[clusters.RunOnCluster]) -> None:
    """Give each busy process of the picture the run whose call or flow it executes, where known."""
    at_work = {(worker.node, worker.pid): str(run.id) for run in runs for worker in run.workers}
    carriers = {
        (each["node_id"], each["pid"]): each["run_ids"][0]
        for each in picture["supervisors"]
        if each["run_ids"]
    }
    for node in picture["nodes"]:
        for worker in node["workers"]:
            pid = worker["pid"]
            worker["run_id"] = at_work.get((node["name"], pid)) or carriers.get((node["id"], pid))
