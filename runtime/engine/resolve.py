"""Prepares arguments: futures inside them become values, or slots for values in the object store."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

from ..authoring.futures import TaskFuture
from . import payload
from .calls import Columns, Row, SlicedColumns
from .execution import Call
from .fanout import Fanout, fanout_of
from .nested_futures import has_futures, replace_futures
from .outcomes import InStore, Stored
from .own_arguments import hashable_row, is_fixed, loaded_row, own
from .pack_group import Pack, ReadySpan
from .payload import Lent, Own, RefSlot, StoredSlot


def resolved_calls(pack: Pack) -> list[Call]:
    """The calls of a pack with every future replaced by its value: for lanes within this process."""
    calls: list[Call] = []
    for span in pack.spans:
        fanout = span.fanout
        for position, (args, kwargs) in zip(
            range(span.start, span.stop), _rows(span, _value_here), strict=True
        ):
            attempt, tries = fanout.attempt_of(position), fanout.tries_of(position)
            calls.append(Call(fanout.index_of(position), attempt, tries, args, kwargs))
    return calls


def row_here(fanout: Fanout, position: int) -> Row:
    """The arguments of one call with every future replaced by its value."""
    return loaded_row(next(_rows(ReadySpan(fanout, position, position + 1), _value_here)))


def hashable_row_here(fanout: Fanout, position: int) -> Row:
    """The arguments of one call for the hash of its inputs."""
    return hashable_row(next(_rows(ReadySpan(fanout, position, position + 1), _value_here)))


class References:
    """The values that travel beside a spec, each once."""

    def __init__(self) -> None:
        self.refs: list[Any] = []
        self._slots: dict[Any, int] = {}

    def slot_of(self, ref: Any, position: int) -> RefSlot:
        """Stand-in for entry `position` (-1: all) of what `ref` points to."""
        slot = self._slots.get(ref)
        if slot is None:
            slot = self._slots[ref] = len(self.refs)
            self.refs.append(ref)
        return RefSlot(slot, position)

    def stand_in(self, future: TaskFuture[Any], failure_allowed: bool) -> Any:
        """What to send for a settled upstream call."""
        held = fanout_of(future).held[future.position]
        if isinstance(held, InStore):
            return self.slot_of(held.ref, held.position)
        if isinstance(held, Stored):
            return StoredSlot(held.url, held.key, held.serializer)
        return _value_here(future, failure_allowed)

    def rows(self, span: ReadySpan) -> list[Any]:
        """The arguments of a span as they are sent: each call's own. Raises CannotPickle."""
        return [self._sent(row) for row in self.replaced(span)]

    def replaced(self, span: ReadySpan) -> Generator[Any]:
        """The arguments of a span with stand-ins for futures."""
        return _rows(span, self.stand_in)

    def columns(self, columns: SlicedColumns) -> SlicedColumns:
        """Columns without futures as they are sent."""

        def sent(spread: bool, entry: Any) -> tuple[bool, Any]:
            if not spread:
                return spread, self._entry(entry)
            return spread, list(map(self._entry, entry)) if Lent in set(map(type, entry)) else entry

        positional = [sent(*entry) for entry in columns.positional]
        return SlicedColumns(
            positional, {name: sent(*entry) for name, entry in columns.keywords.items()}, columns.size
        )

    def _sent(self, row: Any) -> Any:
        if type(row) is not tuple:
            return self._entry(row)
        args, kwargs = plain = cast("Row", row)
        if not all(map(_travels_as_it_is, args)) or not all(map(_travels_as_it_is, kwargs.values())):
            return own(self._entries(plain))
        return self._entries(plain) if any(type(e) is Lent for e in (*args, *kwargs.values())) else plain

    def _entries(self, row: Row) -> Row:
        args, kwargs = row
        return tuple(map(self._entry, args)), {name: self._entry(entry) for name, entry in kwargs.items()}

    def _entry(self, entry: Any) -> Any:
        return self.slot_of(entry.ref, -1) if type(entry) is Lent else entry


def carries_futures(fanout: Fanout) -> bool:
    """Whether any argument of a fan-out may hold futures."""
    calls = fanout.calls
    if not isinstance(calls, Columns):
        return True
    return any(map(has_futures, calls.columns())) or has_futures(list(calls.constants()))


def _rows(span: ReadySpan, replacement: Callable[[TaskFuture[Any], bool], Any]) -> Generator[Any]:
    calls = span.fanout.calls
    for position in range(span.start, span.stop):
        row = calls.row(position)
        if type(row) is not tuple:
            yield row
            continue
        args, kwargs = cast("Row", row)
        others = [entry for entry in (*args, *kwargs.values()) if not payload.is_plain(entry)]
        if not others:
            yield cast("Any", row)
        elif len(args) == len(others) == 1 and type(args[0]) is TaskFuture:
            yield (replacement(cast("TaskFuture[Any]", args[0]), False),), kwargs
        else:
            yield replace_futures(row, replacement)


def _travels_as_it_is(entry: Any) -> bool:
    return isinstance(entry, (Own, Lent)) or is_fixed(entry)


def _value_here(future: TaskFuture[Any], failure_allowed: bool) -> Any:
    return future.fanout.value_of(future.position, raise_on_failure=not failure_allowed)
