"""The result of a flow: the state that it stands for, and where its value is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from ...authoring.futures import TaskFuture, TaskFutureList
from ...foundation.errors import CannotPickle
from ...foundation.settings import current_settings
from ...states import Completed, Failed, State, final_state_of
from ...values import serializers, tracebacks
from ...values.result_places import found_place, recorded
from ...values.storage import flow_result_key, storage_for
from .. import payload
from ..nested_futures import replace_futures, result_of

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition
    from ...store.database.rows import FlowRunRow


@dataclass(frozen=True, slots=True)
class Kept:
    """The value or error of a flow run as its record holds it."""

    kind: str | None = None
    data: bytes | None = None
    error: str | None = None


def state_of_returned(value: Any) -> State:
    """The final state that a returned value stands for.

    Futures count as the states that they ended in; futures deeper inside the value are replaced by their
    results.
    """
    if isinstance(value, TaskFuture):
        future = cast("TaskFuture[Any]", value)
        ended = future.wait()
        return ended if ended.is_final() else Failed(ended.message, data=ended.data)
    states = _states_of_futures(value)
    if states is not None:
        verdict = final_state_of(states)
        if not verdict.is_completed():
            return verdict
        return Completed(verdict.message, data=[state.result() for state in states])
    verdict = final_state_of(replace_futures(value, result_of))
    if verdict.is_final():
        return verdict
    return Failed(f"the flow returned the state {verdict.name}, which is not final")


def keep_result(state: State, flow: FlowDefinition[Any, Any], run_id: UUID) -> Kept:
    """Store a final state's value so that it can be read again, or describe its error."""
    if not state.is_completed():
        data = state.data
        if isinstance(data, BaseException):
            return Kept(error=json.dumps(tracebacks.capture(data)))
        return Kept()
    value = state.data
    if value is None:
        return Kept("none")
    if flow.persists_result:
        return _store(value, flow, run_id)
    settings = current_settings()
    limit = settings.inline_result_limit_bytes
    try:
        if not payload.surely_larger_than(value, limit):
            blob = payload.dump(value)
            if len(blob) <= limit:
                return Kept("inline", blob)
        if settings.persist_results and flow.persists_result is None:
            return _store(value, flow, run_id)
    except CannotPickle:
        pass  # the value lives as long as this process
    return Kept("memory")


def _store(value: Any, flow: FlowDefinition[Any, Any], run_id: UUID) -> Kept:
    data = serializers.dumps(value, flow.result_serializer, f"result of flow {flow.name}")
    key = flow_result_key(run_id)
    storage_for(flow.result_storage_url).write(key, data)
    return Kept("stored", recorded(flow.result_storage_url, key, flow.result_serializer, data))


def restore_result(run: FlowRunRow, flow: FlowDefinition[Any, Any]) -> State | None:
    """The completed state of an earlier execution with its value; None when the value is gone."""
    if run.result_kind == "none":
        return Completed(data=None)
    if run.result_kind == "inline" and run.result is not None:
        return Completed(data=payload.load(run.result))
    if run.result_kind == "stored" and run.result is not None:
        place = found_place(run.result, flow.result_storage_url, flow.result_serializer)
        if place is not None:
            return Completed(data=serializers.loads(place.read(), place.serializer))
    return None


def _states_of_futures(value: Any) -> list[State] | None:
    if isinstance(value, TaskFutureList):
        return list(cast("TaskFutureList[Any]", value).wait())
    if isinstance(value, (list, tuple)) and value:
        entries = cast("list[Any]", value)
        if all(isinstance(entry, TaskFuture) for entry in entries):
            return [entry.wait() for entry in entries]
    return None
