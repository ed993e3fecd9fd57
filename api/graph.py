"""Graphs of flow runs in the standard's two forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from ..runtime.store.database.rows import TaskRunRow
from ..runtime.store.run_graph import GraphArtifactRow, GraphTask, RunGraph
from ..runtime.store.task_runs import states_of
from . import wire

_ENCAPSULATING = "__parents__"


def graph(found: RunGraph) -> dict[str, Any]:
    """Graph: nodes with their edges; a sub-flow run takes the place of the task run that tracks it."""
    shown_as = {task.id: task.child.id if task.child else task.id for task in found.tasks}
    of_task: dict[UUID | None, list[dict[str, Any]]] = {}
    for row in found.artifacts:
        of_task.setdefault(row.task_run_id, []).append(_artifact(row))
    parents = {task.id: _known(task.task_inputs, shown_as, without=_ENCAPSULATING) for task in found.tasks}
    children: dict[UUID, list[UUID]] = {}
    for task in found.tasks:
        for parent in parents[task.id]:
            children.setdefault(parent, []).append(shown_as[task.id])
    nodes: list[tuple[UUID, dict[str, Any]]] = []
    roots: list[UUID] = []
    for task in found.tasks:
        around = _known({_ENCAPSULATING: task.task_inputs.get(_ENCAPSULATING)}, shown_as)
        node = _node(task, shown_as[task.id])
        node |= {
            "parents": _edges(parents[task.id]),
            "children": _edges(children.get(shown_as[task.id], [])),
            "encapsulating": _edges(around),
            "artifacts": of_task.get(task.id, []),
        }
        nodes.append((shown_as[task.id], node))
        if not parents[task.id]:
            roots.append(shown_as[task.id])
    return {
        "start_time": found.start_time,
        "end_time": found.end_time,
        "root_node_ids": roots,
        "nodes": nodes,
        "artifacts": of_task.get(None, []),
        "states": [
            {"id": state.id, "timestamp": state.timestamp, "type": state.type, "name": state.name}
            for state in found.states
        ],
    }


def dependencies(rows: list[TaskRunRow]) -> list[dict[str, Any]]:
    """The older flat form: each task run with the task runs that it depends on."""
    return [
        {
            "id": row.id,
            "name": row.name,
            "upstream_dependencies": [
                {"input_type": "task_run", "id": each} for each in _upstream(row.task_inputs)
            ],
            "state": run["state"],
            "expected_start_time": row.expected_start_time,
            "start_time": row.start_time,
            "end_time": row.end_time,
            "total_run_time": run["total_run_time"],
            "estimated_run_time": run["estimated_run_time"],
            "untrackable_result": bool(run["state"] and run["state"]["state_details"]["untrackable_result"]),
        }
        for row in rows
        for run in (wire.task_run(row, states_of(row)),)
    ]


def _node(task: GraphTask, id: UUID) -> dict[str, Any]:
    shown = task.child or task
    return {
        "kind": "flow-run" if task.child else "task-run",
        "id": id,
        "label": shown.label,
        "state_type": shown.state_type,
        "start_time": shown.start_time,
        "end_time": shown.end_time,
    }


def _artifact(row: GraphArtifactRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "created": row.created,
        "key": row.key,
        "type": row.type,
        "is_latest": row.is_latest,
        "data": row.data,
    }


def _known(inputs: Mapping[str, Any], shown_as: Mapping[UUID, UUID], without: str = "") -> list[UUID]:
    """The nodes that stand for the task runs in these inputs, each once."""
    kept = {name: each for name, each in inputs.items() if name != without}
    return list(dict.fromkeys(shown_as[each] for each in _upstream(kept) if each in shown_as))


def _upstream(inputs: Mapping[str, Any]) -> Iterator[UUID]:
    for each in inputs.values():
        for item in each or ():
            if item.get("input_type") == "task_run":
                yield UUID(str(item["id"]))


def _edges(ids: list[UUID]) -> list[dict[str, UUID]]:
    return [{"id": each} for each in ids]
