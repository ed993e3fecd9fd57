"""Batches of task runs as columns of one INSERT: a list where rows differ, else a single value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from ...records import TaskRunBatch
from ..database.wire_text import json_text, plain_json, plain_text
from .commit_plan import NumberedBatch

# Name and kind of each column, in the order in which `columns_of` fills them.
COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "uuid"),
    ("flow_run_id", "uuid"),
    ("expected_start_time", "time"),
    ("start_time", "time"),
    ("end_time", "time"),
    ("epoch", "bigint"),
    ("seq", "bigint"),
    ("run_count", "int"),
    ("pid", "int"),
    ("task_key", "text"),
    ("dynamic_key", "text"),
    ("task_name", "text"),
    ("name", "text"),
    ("state_type", "text"),
    ("state_name", "text"),
    ("message", "text"),
    ("tags", "json"),
    ("policy", "json"),
    ("task_version", "text"),
    ("node", "text"),
    ("task_inputs", "json"),
    ("input_hash", "bytes"),
    ("cache_key", "text"),
    ("cache_expiration", "time"),
    ("timeline", "json"),
    ("error", "json"),
    ("result_kind", "text"),
    ("result", "bytes"),
)
# Set once and never changed: an update leaves them alone.
FIXED = frozenset(
    {"id", "flow_run_id", "task_key", "dynamic_key", "task_name", "tags", "policy", "task_version"}
)
# Set at some time: an update without them keeps the recorded values.
KEPT = frozenset({"name", "node", "pid", "task_inputs", "input_hash", "cache_key", "cache_expiration"})

DURABLE_RESULTS = frozenset({"none", "inline", "stored"})
_LARGE = 64  # a batch of this size is worth a separate statement

Column = Any  # a list (one entry a row) or a scalar (all rows alike)
Block = tuple[int, list[Column]]  # number of rows, columns
IdEncoder = Callable[[bytes], Any]


def blocks_of(batches: Sequence[NumberedBatch], encode_id: IdEncoder) -> Iterable[Block]:
    """Group batches into blocks, one statement each. A block has each task run once, because a statement
    cannot change one row twice; later blocks have later states.
    """
    small: list[NumberedBatch] = []
    seen: set[int] = set()
    for numbered in batches:
        batch = numbered.batch
        if not len(batch):
            continue
        base = batch.site.base
        ids = {base + index for index in batch.indexes}
        if len(ids) != len(batch):
            raise ValueError(f"a batch of {batch.site.task_key} names one task run twice")
        if len(batch) >= _LARGE or not seen.isdisjoint(ids):
            if small:
                yield _merged(small, encode_id)
                small, seen = [], set()
        if len(batch) >= _LARGE:
            yield len(batch), columns_of(numbered, encode_id)
        else:
            small.append(numbered)
            seen |= ids
    if small:
        yield _merged(small, encode_id)


def columns_of(numbered: NumberedBatch, encode_id: IdEncoder) -> list[Column]:
    """The columns of one batch, in the order of COLUMNS."""
    batch = numbered.batch
    site = batch.site
    base, scope, indexes = site.base, site.scope, batch.indexes
    return [
        [encode_id((base + index).to_bytes(16, "big")) for index in indexes],
        encode_id(site.flow_run_id.bytes),
        _column(batch.expected),
        _column(batch.starts),
        _column(batch.ends),
        numbered.epoch,
        list(range(numbered.first_seq, numbered.first_seq + len(indexes))),
        _column(batch.run_counts),
        batch.pid,
        site.task_key,
        [f"{scope}{index}" for index in indexes] if scope else list(map(str, indexes)),
        plain_text(site.task_name),
        _each(plain_text, batch.names),
        _column(batch.state_types),
        _column(batch.state_names),
        _each(plain_text, batch.messages),
        json_text(site.tags) if site.tags else None,
        json_text(site.policy) if site.policy else None,
        site.task_version,
        batch.node,
        _each(plain_json, batch.task_inputs),
        _column(batch.input_hashes),
        _each(plain_text, batch.cache_keys),
        _column(batch.cache_expirations),
        _each(plain_json, batch.timelines),
        _each(plain_json, batch.errors),
        _column(batch.result_kinds),
        _column(batch.results),
    ]


def _column(values: Any) -> Column:
    """A sequence as a list, unless all its entries are None; a scalar as it is."""
    if values is None or isinstance(values, str | int | float):
        return values
    column: list[Any] = cast("list[Any]", values) if type(values) is list else list(values)
    return None if column[0] is None and column.count(None) == len(column) else column


def _each(clean: Callable[[str], str], values: Sequence[str | None] | None) -> Column:
    column = _column(values)
    if column is None:
        return None
    return [None if value is None else clean(value) for value in column]


def _merged(batches: list[NumberedBatch], encode_id: IdEncoder) -> Block:
    """Several small batches as one block."""
    sizes = [len(numbered.batch) for numbered in batches]
    rows = sum(sizes)
    if len(batches) == 1:
        return rows, columns_of(batches[0], encode_id)
    parts = zip(*(columns_of(numbered, encode_id) for numbered in batches), strict=True)
    return rows, [_joined(list(part), sizes) for part in parts]


def _joined(parts: list[Column], sizes: list[int]) -> Column:
    first = parts[0]
    if not isinstance(first, list) and all(not isinstance(part, list) and part == first for part in parts):
        return first
    column: list[Any] = []
    for part, size in zip(parts, sizes, strict=True):
        if isinstance(part, list):
            column.extend(part)  # pyright: ignore[reportUnknownArgumentType]
        else:
            column.extend([part] * size)
    return column


def cache_entries(
    batches: Iterable[NumberedBatch],
) -> list[tuple[str, str, bytes | None, float, float | None]]:
    """`(key, result_kind, result, created, expires)` of completed task runs with a cache key. The last entry
    of a key wins.
    """
    entries: dict[str, tuple[str, str, bytes | None, float, float | None]] = {}
    for numbered in batches:
        if numbered.batch.cache_keys is not None:
            for entry in _cache_entries_of(numbered.batch):
                entries[entry[0]] = entry
    return list(entries.values())


def _cache_entries_of(batch: TaskRunBatch) -> Iterable[tuple[str, str, bytes | None, float, float | None]]:
    for row, key in enumerate(batch.cache_keys or ()):
        kind = _at(batch.result_kinds, row)
        # A result from the cache (state name Cached) does not change the age of its entry.
        if key is None or kind not in DURABLE_RESULTS or _at(batch.state_types, row) != "COMPLETED":
            continue
        if _at(batch.state_names, row) == "Cached":
            continue
        created = _at(batch.ends, row) or _at(batch.expected, row)
        yield plain_text(key), kind, _at(batch.results, row), created, _at(batch.cache_expirations, row)


def _at(values: Any, row: int) -> Any:
    return values if values is None or isinstance(values, str | int | float) else values[row]
