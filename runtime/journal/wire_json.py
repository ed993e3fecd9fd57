"""Appends as JSON for the way over a network: compact. A server reads them by `sent_appends`.

Columns are arrays (a scalar where all entries are alike, left out where all are None), bytes are base64.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast
from uuid import UUID

import orjson

from ..foundation.errors import UserError
from ..records import (
    Ack,
    FlowRunTransition,
    LogBatch,
    Record,
    RuleDecision,
    RunAppend,
    TaskRunBatch,
)
from ..store.database.wire_text import with_plain_texts

_OF_TASKS = tuple(
    each.name for each in fields(TaskRunBatch) if each.name not in ("site", "indexes", "node", "pid")
)
_OF_STATE = tuple(each.name for each in fields(FlowRunTransition))
_OF_DECISION = tuple(each.name for each in fields(RuleDecision))


class BadAppend(UserError):
    """A document is not a list of appends."""


def dump_appends(appends: Sequence[RunAppend]) -> bytes:
    """Appends as a JSON document."""
    document = {"appends": [_append_out(each) for each in appends]}
    try:
        return orjson.dumps(document, default=_in_json)
    except TypeError:  # half of a surrogate pair in a name, a message or a log line
        return orjson.dumps(with_plain_texts(document), default=_in_json)


def dump_acks(acks: Sequence[Ack]) -> bytes:
    """Acks as a JSON document."""
    return orjson.dumps({"acks": [[ack.run_id, ack.seq, ack.fenced] for ack in acks]})


def load_acks(document: bytes) -> list[Ack]:
    """The acks in a document of `dump_acks`."""
    return [Ack(UUID(run), seq, fenced) for run, seq, fenced in orjson.loads(document)["acks"]]


def _append_out(append: RunAppend) -> dict[str, Any]:
    return {
        "run": append.run_id,
        "epoch": append.epoch,
        "owner": append.owner,
        "first": append.first_seq,
        "records": [_record_out(record) for record in append.records],
    }


def _record_out(record: Record) -> dict[str, Any]:
    match record:
        case TaskRunBatch():
            return {"kind": "tasks", **_tasks_out(record)}
        case FlowRunTransition():
            return {"kind": "state", **{name: getattr(record, name) for name in _OF_STATE}}
        case RuleDecision():
            return {"kind": "decision", **{name: getattr(record, name) for name in _OF_DECISION}}
        case LogBatch():
            lines = [
                [line.at, line.level, line.logger, line.message, line.task_run_id] for line in record.lines
            ]
            return {"kind": "logs", "lines": lines}


def _tasks_out(batch: TaskRunBatch) -> dict[str, Any]:
    site = batch.site
    columns = {name: getattr(batch, name) for name in _OF_TASKS}
    return {
        "site": {
            "scope": site.scope,
            "task_key": site.task_key,
            "task_name": site.task_name,
            "tags": site.tags,
            "policy": site.policy,
            "task_version": site.task_version,
        },
        "indexes": list(batch.indexes),
        **{name: values for name, values in columns.items() if values is not None},
        "node": batch.node,
        "pid": batch.pid,
    }


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Sequence | set | frozenset):
        return list(cast("Sequence[Any]", value))
    return str(value)  # only in the details of states, which are for people; values travel as bytes
