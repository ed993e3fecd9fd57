"""Appends as JSON for the way over a network: compact, and read with nothing taken on trust.

Columns are arrays (a scalar where all entries are alike, left out where all are None), bytes are base64. What
is read is checked in full before anything is done with it: whoever sends may send anything.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import orjson

from ..foundation.errors import UserError
from ..foundation.ids import task_run_base
from ..records import (
    Ack,
    CallSite,
    FlowRunTransition,
    LogBatch,
    LogLine,
    Record,
    RuleDecision,
    RunAppend,
    TaskRunBatch,
)
from ..states import StateType
from ..store.database.wire_text import plain_json, plain_text, with_plain_texts

_LAST_S = 253_402_300_799.0  # the end of the year 9999
_RESULT_KINDS = frozenset({"none", "inline", "stored", "memory"})
_OUTCOMES = frozenset({"ACCEPT", "REJECT", "WAIT", "ABORT"})
_STATE_TYPES = frozenset(str(each) for each in StateType)
_BIG, _SMALL = 2**63 - 1, 2**31 - 1
_MOST_INDEX = 2**61 - 1


class BadAppend(UserError):
    """What was sent is no append."""


Reader = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of task runs: how an entry is read, and whether a scalar or nulls may stand there."""

    read: Reader
    scalar: bool = False
    nulls: bool = True
    required: bool = False


def dump_appends(appends: Sequence[RunAppend]) -> bytes:
    """Appends as a JSON document."""
    document = {"appends": [_append_out(each) for each in appends]}
    try:
        return orjson.dumps(document, default=_in_json)
    except TypeError:  # half of a surrogate pair in a name, a message or a log line
        return orjson.dumps(with_plain_texts(document), default=_in_json)


def load_appends(document: bytes) -> list[RunAppend]:
    """What `dump_appends` gave. Raises BadAppend with the place at fault."""
    found = _object(_parsed(document), "body", {"appends"})
    return [_append_in(each, f"appends[{i}]") for i, each in enumerate(_list(found["appends"], "appends"))]


def dump_acks(acks: Sequence[Ack]) -> bytes:
    """Acks as a JSON document."""
    return orjson.dumps({"acks": [[ack.run_id, ack.seq, ack.fenced] for ack in acks]})


def load_acks(document: bytes) -> list[Ack]:
    """What `dump_acks` gave."""
    return [Ack(UUID(run), seq, fenced) for run, seq, fenced in orjson.loads(document)["acks"]]


def load_leases(document: bytes) -> list[tuple[UUID, int, UUID]]:
    """`(run id, epoch, owner id)` of each lease to be renewed. Raises BadAppend."""
    found = _object(_parsed(document), "body", {"leases"})
    leases: list[tuple[UUID, int, UUID]] = []
    for i, each in enumerate(_list(found["leases"], "leases")):
        parts = _list(each, f"leases[{i}]")
        if len(parts) != 3:
            raise BadAppend(f"leases[{i}] is not run, epoch and owner")
        leases.append((_id(parts[0], "run"), _whole(parts[1], "epoch"), _id(parts[2], "owner")))
    return leases


# Out.


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
            return {"kind": "state", **{name: getattr(record, name) for name in _STATE_FIELDS}}
        case RuleDecision():
            return {"kind": "decision", **{name: getattr(record, name) for name in _DECISION_FIELDS}}
        case LogBatch():
            lines = [
                [line.at, line.level, line.logger, line.message, line.task_run_id] for line in record.lines
            ]
            return {"kind": "logs", "lines": lines}


def _tasks_out(batch: TaskRunBatch) -> dict[str, Any]:
    site = batch.site
    columns = {name: getattr(batch, name) for name in _COLUMNS}
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
    return str(value)  # in the details of a state alone, which people look at; values travel as bytes


# In.


def _append_in(value: Any, where: str) -> RunAppend:
    found = _object(value, where, {"run", "epoch", "owner", "first", "records"})
    run_id = _id(found["run"], f"{where}.run")
    records = [
        _record_in(each, run_id, f"{where}.records[{i}]")
        for i, each in enumerate(_list(found["records"], f"{where}.records"))
    ]
    first_seq = _whole(found["first"], f"{where}.first")
    if first_seq < 1:
        raise BadAppend(f"{where}.first is below 1")
    epoch = _whole(found["epoch"], f"{where}.epoch")
    return RunAppend(run_id, epoch, _id(found["owner"], f"{where}.owner"), first_seq, records)


def _record_in(value: Any, run_id: UUID, where: str) -> Record:
    found = _object(value, where)
    kind = found.pop("kind", None)
    if kind == "tasks":
        return _tasks_in(found, run_id, where)
    if kind == "state":
        return FlowRunTransition(**_fields(found, _STATE_FIELDS, where))
    if kind == "decision":
        return RuleDecision(**_fields(found, _DECISION_FIELDS, where))
    if kind == "logs":
        lines = _list(_object(found, where, {"lines"})["lines"], f"{where}.lines")
        return LogBatch([_line_in(each, f"{where}.lines[{i}]") for i, each in enumerate(lines)])
    raise BadAppend(f"{where}.kind is none of tasks, state, decision, logs")


def _tasks_in(found: dict[str, Any], run_id: UUID, where: str) -> TaskRunBatch:
    site = _site_in(found.pop("site", None), run_id, f"{where}.site")
    indexes = [_index(each, f"{where}.indexes") for each in _list(found.pop("indexes", None), where)]
    if not indexes or len(set(indexes)) != len(indexes):
        raise BadAppend(f"{where}.indexes holds none, or one twice")
    node = _or_none(_name)(found.pop("node", None), f"{where}.node")
    pid = found.pop("pid", None)
    pid = None if pid is None else _small(pid, f"{where}.pid")
    columns: dict[str, Any] = {}
    for name, column in _COLUMNS.items():
        if name in found:
            columns[name] = _column_in(found.pop(name), column, len(indexes), f"{where}.{name}")
        elif column.required:
            # Left out by the sender because every entry is None.
            if not column.nulls:
                raise BadAppend(f"{where}.{name} is missing")
            columns[name] = [None] * len(indexes)
    if found:
        raise BadAppend(f"{where} has unknown fields: {', '.join(sorted(found))}")
    return TaskRunBatch(site=site, indexes=indexes, node=node, pid=pid, **columns)


def _site_in(value: Any, run_id: UUID, where: str) -> CallSite:
    names = {"scope", "task_key", "task_name", "tags", "policy", "task_version"}
    found = _object(value, where, names)
    scope, key = _name(found["scope"], f"{where}.scope"), _name(found["task_key"], f"{where}.task_key")
    return CallSite(
        run_id,
        scope,
        key,
        _text(found["task_name"], f"{where}.task_name"),
        task_run_base(run_id, scope, key),  # worked out, not taken: no one writes another run's rows
        tuple(_text(tag, f"{where}.tags") for tag in _list(found["tags"], f"{where}.tags")),
        _object(found["policy"], f"{where}.policy"),
        _or_none(_name)(found["task_version"], f"{where}.task_version"),
    )


def _column_in(value: Any, column: _Column, count: int, where: str) -> Any:
    if not isinstance(value, list):
        if not column.scalar:
            raise BadAppend(f"{where} is no array")
        return column.read(value, where)
    entries = cast("list[Any]", value)
    if len(entries) != count:
        raise BadAppend(f"{where} has {len(entries)} entries for {count} indexes")
    if not column.nulls and None in entries:
        raise BadAppend(f"{where} has an entry that is null")
    return [None if entry is None else column.read(entry, where) for entry in entries]


def _line_in(value: Any, where: str) -> LogLine:
    parts = _list(value, where)
    if len(parts) != 5:
        raise BadAppend(f"{where} is not at, level, logger, message and task run")
    task_run_id = None if parts[4] is None else _id(parts[4], where)
    return LogLine(
        _time(parts[0], where),
        _small(parts[1], where),
        _text(parts[2], where),
        _text(parts[3], where),
        task_run_id,
    )


def _fields(found: dict[str, Any], readers: dict[str, Reader], where: str) -> dict[str, Any]:
    known = _object(found, where, set(readers))
    return {name: read(known[name], f"{where}.{name}") for name, read in readers.items()}


# One value each.


def _parsed(document: bytes) -> Any:
    try:
        return orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise BadAppend(f"the body is no JSON: {error}") from error


def _object(value: Any, where: str, names: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAppend(f"{where} is no object")
    found = cast("dict[str, Any]", value)
    if names is not None and set(found) != names:
        raise BadAppend(f"{where} lacks or has too many of: {', '.join(sorted(set(found) ^ names))}")
    return found


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadAppend(f"{where} is no array")
    return cast("list[Any]", value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise BadAppend(f"{where} is no text")
    return value


def _name(value: Any, where: str) -> str:
    """A text that the store writes as it is, and by which rows are told apart."""
    if "\0" in (text := _text(value, where)):
        raise BadAppend(f"{where} holds a NUL")
    return text


def _state_name(value: Any, where: str) -> str:
    return plain_text(_text(value, where))  # authors give states names of their own


def _text_or_none(value: Any, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _json_text(value: Any, where: str) -> str:
    try:
        text = plain_json(_text(value, where))
        orjson.loads(text)
    except ValueError as error:
        raise BadAppend(f"{where} is no JSON: {error}") from error
    return text


def _json_text_or_none(value: Any, where: str) -> str | None:
    return None if value is None else _json_text(value, where)


def _timeline(value: Any, where: str) -> str:
    text = _json_text(value, where)
    for entry in _list(orjson.loads(text), where):
        parts = _list(entry, where)
        if len(parts) not in (4, 5):
            raise BadAppend(f"{where} has an entry that is not type, name, time and message")
        _state_type(parts[0], where)
        _text(parts[1], where)
        _time(parts[2], where)
        _text_or_none(parts[3], where)
    return text


def _bytes(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(_text(value, where), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAppend(f"{where} is no base64") from error


def _bytes_or_none(value: Any, where: str) -> bytes | None:
    return None if value is None else _bytes(value, where)


def _id(value: Any, where: str) -> UUID:
    try:
        return UUID(_text(value, where))
    except ValueError as error:
        raise BadAppend(f"{where} is no UUID") from error


def _id_or_none(value: Any, where: str) -> UUID | None:
    return None if value is None else _id(value, where)


def _whole(value: Any, where: str, most: int = _BIG) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadAppend(f"{where} is no whole number from 0 to {most}")
    return value


def _small(value: Any, where: str) -> int:
    return _whole(value, where, _SMALL)


def _index(value: Any, where: str) -> int:
    return _whole(value, where, _MOST_INDEX)


def _time(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LAST_S:
        raise BadAppend(f"{where} is no moment in seconds since 1970")
    return float(value)


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadAppend(f"{where} is neither true nor false")
    return value


def _one_of(words: frozenset[str]) -> Reader:
    def read(value: Any, where: str) -> str:
        if value not in words:
            raise BadAppend(f"{where} is none of {', '.join(sorted(words))}")
        return value

    return read


def _or_none(read: Reader) -> Reader:
    return lambda value, where: None if value is None else read(value, where)


_state_type = _one_of(_STATE_TYPES)
_result_kind = _one_of(_RESULT_KINDS)

_COLUMNS: dict[str, _Column] = {
    "state_types": _Column(_state_type, scalar=True, nulls=False, required=True),
    "state_names": _Column(_state_name, scalar=True, nulls=False, required=True),
    "expected": _Column(_time, scalar=True, nulls=False, required=True),
    "starts": _Column(_time, required=True),
    "ends": _Column(_time, required=True),
    "run_counts": _Column(_small, scalar=True, nulls=False),
    "messages": _Column(_text),
    "timelines": _Column(_timeline),
    "result_kinds": _Column(_result_kind, scalar=True),
    "results": _Column(_bytes),
    "input_hashes": _Column(_bytes),
    "cache_keys": _Column(_text),
    "cache_expirations": _Column(_time),
    "errors": _Column(_json_text),
    "names": _Column(_text),
    "task_inputs": _Column(_json_text),
}
_STATE_FIELDS: dict[str, Reader] = {
    "state_id": _id,
    "state_type": _state_type,
    "state_name": _state_name,
    "at": _time,
    "message": _text_or_none,
    "details": _object,
    "result_kind": _or_none(_result_kind),
    "result": _bytes_or_none,
    "error": _json_text_or_none,
    "release": _truth,
}
_DECISION_FIELDS: dict[str, Reader] = {
    "at": _time,
    "rule": _name,
    "outcome": _one_of(_OUTCOMES),
    "reason": _text,
    "from_type": _or_none(_state_type),
    "to_type": _state_type,
    "to_name": _state_name,
    "task_run_id": _id_or_none,
}
