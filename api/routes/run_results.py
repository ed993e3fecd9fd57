"""Beyond the standard: what a run returned, for clients in other processes than the run's own."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from ...runtime.foundation.errors import ResultLost, StorageUnavailable
from ...runtime.foundation.settings import current_settings
from ...runtime.store import flow_runs, task_runs
from ...runtime.store.database.rows import FlowRunRow, TaskRunRow
from ...runtime.values import previews
from ...runtime.values.result_places import ResultPlace, place_of
from ...runtime.values.storage import local_folder
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found

_UNREACHED = "The result cannot be read by this server."
_TOLD = ("url", "key", "serializer", "host")  # the fields that clients of every version know

router = APIRouter(prefix="/heliostat", tags=["Heliostat"])


@router.get("/flow_runs/{id:uuid}/result", response_model=dict[str, Any])
async def read_flow_run_result(id: UUID, db: Db) -> JsonAnswer:
    """Where a flow run's value is: `kind` none, inline (`data`: its pickle as base64), stored (`place`) or
    memory; null when no value is known.
    """
    return _told(await found(flow_runs.read(db, id), "Flow run"))


@router.get("/flow_runs/{id:uuid}/result/content", response_class=Response)
async def read_flow_run_result_content(id: UUID, db: Db) -> Response:
    """The bytes of a stored result; 404 when this server cannot reach its storage."""
    return await _content(await found(flow_runs.read(db, id), "Flow run"))


@router.get("/task_runs/{id:uuid}/result", response_model=dict[str, Any])
async def read_task_run_result(id: UUID, db: Db) -> JsonAnswer:
    """Where a task run's value is, in the form that flow runs have."""
    return _told(await found(task_runs.read(db, id), "Task run"))


@router.get("/task_runs/{id:uuid}/result/content", response_class=Response)
async def read_task_run_result_content(id: UUID, db: Db) -> Response:
    """The bytes of a stored result; 404 when this server cannot reach its storage."""
    return await _content(await found(task_runs.read(db, id), "Task run"))


@router.get("/flow_runs/{id:uuid}/result/preview", response_model=dict[str, Any])
async def preview_flow_run_result(id: UUID, db: Db) -> JsonAnswer:
    """What a flow run returned, as JSON for people: `kind`, `size`, and `value` with its `type`, cut where it
    is long. Nothing in the value is executed: objects of classes are shown by their names and contents.
    """
    return await _preview(await found(flow_runs.read(db, id), "Flow run"))


@router.get("/task_runs/{id:uuid}/result/preview", response_model=dict[str, Any])
async def preview_task_run_result(id: UUID, db: Db) -> JsonAnswer:
    """What a task run returned, in the form that flow runs have."""
    return await _preview(await found(task_runs.read(db, id), "Task run"))


async def _preview(run: FlowRunRow | TaskRunRow) -> JsonAnswer:
    if run.result_kind == "inline" and run.result is not None:
        return _previewed(run, run.result, "pickle")
    place = _place(run)
    if place is None:
        return JsonAnswer(
            {"kind": run.result_kind, "value": None, "type": None, "problem": None, "size": None}
        )
    if place.size is not None and place.size > previews.MOST_BYTES:
        return _previewed(run, None, place.serializer, f"it is stored and has {place.size} bytes", place.size)
    try:
        content = await _stored(place)
    except HTTPException as error:
        return _previewed(run, None, place.serializer, str(error.detail), place.size)
    return _previewed(run, content, place.serializer)


def _previewed(
    run: FlowRunRow | TaskRunRow,
    data: bytes | None,
    serializer: str,
    problem: str | None = None,
    size: int | None = None,
) -> JsonAnswer:
    if data is None:
        told = {"value": None, "type": None, "cut": False, "problem": problem}
    else:
        told = previews.preview(data, serializer)
    return JsonAnswer(
        {
            "kind": run.result_kind,
            "serializer": serializer,
            "size": size if data is None else len(data),
            **told,
        }
    )


def _told(run: FlowRunRow | TaskRunRow) -> JsonAnswer:
    inline = run.result_kind == "inline" and run.result is not None
    place = _place(run)
    return JsonAnswer(
        {
            "kind": run.result_kind,
            "data": base64.b64encode(run.result).decode() if inline and run.result is not None else None,
            "place": None if place is None else {name: getattr(place, name) for name in _TOLD},
        }
    )


def _place(run: FlowRunRow | TaskRunRow) -> ResultPlace | None:
    if run.result_kind != "stored" or run.result is None:
        return None
    return place_of(run.result, current_settings().result_storage_url, "pickle")


async def _content(run: FlowRunRow | TaskRunRow) -> Response:
    place = _place(run)
    if place is None:
        raise HTTPException(404, _UNREACHED)
    return Response(await _stored(place), media_type="application/octet-stream")


async def _stored(place: ResultPlace) -> bytes:
    own = current_settings().result_storage_url
    # The place comes from the run's process: it must not make the server read other files or ask other hosts.
    if not place.is_a_results() or (local_folder(place.url) is None and place.url != own):
        raise HTTPException(404, _UNREACHED)
    try:
        return await asyncio.to_thread(place.read)
    except (ResultLost, StorageUnavailable) as error:
        raise HTTPException(404, str(error)) from error
