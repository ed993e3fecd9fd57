"""Arguments made ready: futures inside them replaced by values, or by slots for what stays in the object
store.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

from ..futures import TaskFuture
from . import payload
from .calls import Columns, Row
from .execution import Call
from .fanout import Fanout
from .nested_futures import has_futures, replace_futures
from .outcomes import InStore, Stored
from .pack_group import Pack, ReadySpan
from .payload import RefSlot, StoredSlot


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
    return next(_rows(ReadySpan(fanout, position, position + 1), _value_here))


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
        held = future.fanout.held[future.position]
        if isinstance(held, InStore):
            return self.slot_of(held.ref, held.position)
        if isinstance(held, Stored):
            return StoredSlot(held.url, held.key, held.serializer)
        return _value_here(future, failure_allowed)

    def rows(self, span: ReadySpan) -> list[Row]:
        """The arguments of a span with stand-ins for what does not ride along."""
        return list(_rows(span, self.stand_in))


def carries_futures(fanout: Fanout) -> bool:
    """Whether any argument of a fan-out may hold futures."""
    calls = fanout.calls
    if not isinstance(calls, Columns):
        return True
    return any(map(has_futures, calls.columns())) or has_futures(list(calls.constants()))


def _rows(span: ReadySpan, replacement: Callable[[TaskFuture[Any], bool], Any]) -> Generator[Row]:
    calls = span.fanout.calls
    for position in range(span.start, span.stop):
        row = args, kwargs = calls.row(position)
        others = [entry for entry in (*args, *kwargs.values()) if not payload.is_plain(entry)]
        if not others:
            yield row
        elif len(args) == len(others) == 1 and type(args[0]) is TaskFuture:
            yield (replacement(cast("TaskFuture[Any]", args[0]), False),), kwargs
        else:
            yield replace_futures(row, replacement)


def _value_here(future: TaskFuture[Any], failure_allowed: bool) -> Any:
    return future.fanout.value_of(future.position, raise_on_failure=not failure_allowed)
