"""Futures inside of values: found, waited for, and replaced by what they stand for.

This is the one place that says what is looked into: lists, tuples, sets, dicts (keys too), deques and their
kinds, dataclasses, attrs classes, pydantic models and simple namespaces. Arguments of tasks and sub-flows,
`wait_for`, cache keys and returned values all come here. A value may hold itself and may be nested as deeply
as memory allows: nothing here recurses.
"""

from __future__ import annotations

import asyncio
import copy
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from ..authoring.futures import AllowFailure, TaskFuture, TaskFutureList
from ..foundation.errors import UpstreamFailed, UserError
from ..states import State, StateType
from .outcomes import CACHED, COMPLETED
from .payload import PLAIN, Lent, Own, is_plain

FUTURE_TYPES = (TaskFuture, TaskFutureList, AllowFailure)
_SEALED = PLAIN | {Own, Lent}
Replacement = Callable[[TaskFuture[Any], bool], Any]
"""Gives what to put in place of a future; the flag says whether its failure is allowed."""


def futures_in(value: Any) -> list[tuple[TaskFuture[Any], bool]]:
    """Every future inside a value, in order, with whether its failure is allowed."""
    if not _may_hold_futures(value):
        return []
    if isinstance(value, TaskFuture):
        return [(cast("TaskFuture[Any]", value), False)]
    found: list[tuple[TaskFuture[Any], bool]] = []
    for entry, allowed in _Search(value).leaves:
        found.extend((future, allowed) for future in _futures_of(entry))
    return found


def has_futures(column: Sequence[Any]) -> bool:
    """Whether any entry of a column may hold futures; cheap for plain data."""
    if isinstance(column, TaskFutureList):
        return True
    if isinstance(column, range) or _SEALED.issuperset(map(type, column)):
        return False
    return any(not is_plain(entry) and futures_in(entry) for entry in column)


def replace_futures(value: Any, replacement: Replacement) -> Any:
    """`value` with every future replaced.

    Containers without a future inside are returned as they are, not copied; those with one are copied once,
    so that what was the same object in two places is the same object afterwards.
    """
    if not _may_hold_futures(value):
        return value
    if isinstance(value, TaskFuture):
        return replacement(cast("TaskFuture[Any]", value), False)
    search = _Search(value)
    return _Rebuilding(search, replacement).of(value) if search.leaves else value


def wait_for_futures(value: Any) -> TaskFuture[Any] | None:
    """Block until the futures inside a value have ended; the first whose failure is not allowed, if any."""
    for future, allowed in futures_in(value):
        future.wait()
        if _stands_in_the_way(future, allowed):
            return future
    return None


async def wait_for_futures_async(value: Any) -> TaskFuture[Any] | None:
    """Wait for the futures inside a value without blocking the loop.

    Gives the first whose failure is not allowed, if any.
    """
    for future, allowed in futures_in(value):
        if not future.done():
            await asyncio.to_thread(future.wait)
        if _stands_in_the_way(future, allowed):
            return future
    return None


def not_started(flow_name: str, failed: TaskFuture[Any], return_state: bool) -> State:
    """What a sub-flow whose upstream failed gives in place of a run: its state, or UpstreamFailed raised."""
    message = failed.fanout.told_downstream(failed.position)
    error = UpstreamFailed(f"flow {flow_name!r} was not started: {message}")
    if not return_state:
        raise error
    return State(StateType.PENDING, name="NotReady", message=message, data=error)


def result_of(future: TaskFuture[Any], failure_allowed: bool) -> Any:
    """What a future stands for, waiting for it: a `Replacement`."""
    return future.result(raise_on_failure=not failure_allowed)


def checked_waits(wait_for: Any) -> tuple[Any, ...]:
    """What `wait_for` was given as a tuple: a future alone, or any collection or iterator of futures.

    Raises UserError when something else is in it.
    """
    waits: tuple[Any, ...] = (wait_for,)
    if not isinstance(wait_for, (*FUTURE_TYPES, dict)) and isinstance(wait_for, Iterable):
        waits = tuple(cast("Iterable[Any]", wait_for))
    pending, seen = list(waits), set[int]()
    while pending:
        entry = pending.pop()
        if isinstance(entry, (TaskFuture, TaskFutureList)) or id(entry) in seen:
            continue
        seen.add(id(entry))
        kind = _kind_of(entry)
        if kind is None:
            raise UserError(
                f"wait_for takes futures, not {entry!r:.100}",
                hint="Give what submit or map returned: one future, a list of them, or allow_failure(...) of "
                "these. A value is there already: nothing waits for it.",
            )
        pending.extend(entry.values() if kind is _DICT else kind.members(entry))
    return waits


def _futures_of(entry: TaskFuture[Any] | TaskFutureList[Any]) -> Iterable[TaskFuture[Any]]:
    return entry if isinstance(entry, TaskFutureList) else (entry,)


def _stands_in_the_way(future: TaskFuture[Any], allowed: bool) -> bool:
    return not allowed and future.fanout.status_of(future.position) not in (COMPLETED, CACHED)


def _may_hold_futures(value: Any) -> bool:
    kind = cast("type[Any]", type(value))
    if kind in PLAIN:
        return False
    if kind is list or kind is tuple or kind is set:
        return not PLAIN.issuperset(map(type, cast("list[Any]", value)))
    return True


class _Leaf(NamedTuple):
    entry: TaskFuture[Any] | TaskFutureList[Any]
    allowed: bool


@dataclass(slots=True)
class _Search:
    """One walk through a value: the futures found, and which containers they are in."""

    value: Any
    leaves: list[_Leaf] = field(default_factory=list[_Leaf])
    walked: list[Any] = field(default_factory=list[Any])  # containers, each after what it holds
    _holders: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def __post_init__(self) -> None:
        seen: dict[int, Any] = {}  # with the entries, so that no id is given to anything else meanwhile
        allowing: list[Any] = []
        self._walk([self.value], seen, allowing, False)
        # Last, since a future whose failure is allowed in one place and not in another one is not allowed to.
        self._walk(allowing, seen, allowing, True)

    def _walk(self, starts: list[Any], seen: dict[int, Any], allowing: list[Any], allowed: bool) -> None:
        path: list[tuple[Any, Iterator[Any]]] = [(None, iter(starts))]
        while path:
            holder, members = path[-1]
            for member in members:
                if type(member) in PLAIN:
                    continue
                is_future = isinstance(member, (TaskFuture, TaskFutureList))
                kind = None if is_future else _kind_of(member)
                if kind is None and not is_future:
                    continue
                if holder is not None:
                    self._holders.setdefault(id(member), []).append(id(holder))
                if id(member) in seen and not (allowed and holder is None):
                    continue
                seen[id(member)] = member
                if kind is None:
                    self.leaves.append(_Leaf(member, allowed))
                elif kind is _ALLOWED and not allowed:
                    allowing.append(member)
                else:
                    path.append((member, iter(kind.members(member))))
                    break
            else:
                path.pop()
                if holder is not None:
                    self.walked.append(holder)

    def ids_with_futures(self) -> set[int]:
        """The ids of the containers that hold a future, at whatever depth."""
        reached: set[int] = set()
        pending = [id(entry) for entry, _ in self.leaves]
        while pending:
            for holder in self._holders.get(pending.pop(), ()):
                if holder not in reached:
                    reached.add(holder)
                    pending.append(holder)
        return reached


class _Rebuilding:
    """Copies of the containers that hold futures, filled with what stands in their place."""

    def __init__(self, search: _Search, replacement: Replacement) -> None:
        self._made: dict[int, Any] = {}
        for entry, allowed in search.leaves:
            values = [replacement(future, allowed) for future in _futures_of(entry)]
            self._made[id(entry)] = values if isinstance(entry, TaskFutureList) else values[0]
        changed = search.ids_with_futures()
        containers = [entry for entry in search.walked if id(entry) in changed]
        kinds = [cast("_Kind", _kind_of(entry)) for entry in containers]
        for entry, kind in zip(containers, kinds, strict=True):
            if kind.shell is not None:
                self._made[id(entry)] = kind.shell(entry)
        self._changed = changed
        left = list(zip(containers, kinds, strict=True))
        while left:
            # Mostly one round. A tuple that holds itself by way of a list comes after that list.
            waiting: list[tuple[Any, _Kind]] = []
            for entry, kind in left:
                if all(map(self._is_made, kind.members(entry))):
                    self._fill(entry, kind)
                else:
                    waiting.append((entry, kind))
            assert len(waiting) < len(left), "a container that cannot change holds itself"
            left = waiting

    def of(self, entry: Any) -> Any:
        return self._made.get(id(entry), entry)

    def _is_made(self, entry: Any) -> bool:
        return id(entry) not in self._changed or id(entry) in self._made

    def _fill(self, entry: Any, kind: _Kind) -> None:
        try:
            filled = kind.fill(entry, self._made.get(id(entry)), self.of)
        except TypeError as error:
            raise UserError(
                f"the value of a future cannot be put into a {type(entry).__name__}: {error}",
                hint="Members of sets and keys of dicts must be hashable: pass the futures in a list.",
            ) from error
        self._made[id(entry)] = filled


class _Kind(NamedTuple):
    """A kind of container: what it holds, an empty copy (None: it cannot change), and how to fill that."""

    members: Callable[[Any], Iterable[Any]]
    shell: Callable[[Any], Any] | None
    fill: Callable[[Any, Any, Callable[[Any], Any]], Any]


def _fill_list(entry: Any, shell: Any, of: Callable[[Any], Any]) -> Any:
    shell.extend(map(of, entry))
    return shell


def _fill_set(entry: Any, shell: Any, of: Callable[[Any], Any]) -> Any:
    shell.update(map(of, entry))
    return shell


def _fill_dict(entry: Any, shell: Any, of: Callable[[Any], Any]) -> Any:
    for key, value in entry.items():
        shell[of(key)] = of(value)
    return shell


def _make_tuple(entry: Any, _shell: Any, of: Callable[[Any], Any]) -> Any:
    kind = cast("type[Any]", type(entry))
    made: Any = cast("Any", tuple).__new__(kind, map(of, entry))
    if kind is not tuple and hasattr(entry, "__dict__"):
        made.__dict__.update(entry.__dict__)
    return made


def _fill_record(entry: Any, shell: Any, of: Callable[[Any], Any]) -> Any:
    for name, value in _fields_of(entry):
        object.__setattr__(shell, name, of(value))
    for name, value in _extra_of(entry).items():
        shell.__pydantic_extra__[name] = of(value)
    return shell


def _extra_of(entry: Any) -> dict[str, Any]:
    """What a model was given beyond its fields, where it takes that."""
    return (entry.__pydantic_extra__ or {}) if _is_model(cast("type[Any]", type(entry))) else {}


def _emptied(entry: Any) -> Any:
    kind = cast("type[Any]", type(entry))
    if kind in (list, dict, set):
        return cast("Any", kind())
    shell = copy.copy(entry)
    shell.clear()
    return shell


def _fields_of(entry: Any) -> list[tuple[str, Any]]:
    """The attributes of a record, those of slots among them."""
    found = list(getattr(entry, "__dict__", {}).items())
    for kind in type(entry).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and not name.startswith("__") and hasattr(entry, name):
                found.append((name, getattr(entry, name)))
    return found


def _members_of_record(entry: Any) -> list[Any]:
    return [value for _, value in _fields_of(entry)] + list(_extra_of(entry).values())


def _members_of_dict(entry: Any) -> list[Any]:
    return [member for pair in entry.items() for member in pair]


def _is_model(kind: type[Any]) -> bool:
    pydantic: Any = sys.modules.get("pydantic")  # a model cannot exist before its import
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


def _is_record(kind: type[Any]) -> bool:
    return (
        hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "__attrs_attrs__")
        or issubclass(kind, SimpleNamespace)
        or _is_model(kind)
    )


def _itself(entry: Any) -> Any:
    return entry


def _make_frozenset(entry: Any, _shell: Any, of: Callable[[Any], Any]) -> Any:
    return cast("Any", type(entry))(map(of, entry))


def _what_is_allowed(entry: Any) -> Any:
    return (entry.value,)


def _make_allowed(entry: Any, _shell: Any, of: Callable[[Any], Any]) -> Any:
    return of(entry.value)


_LIST = _Kind(_itself, _emptied, _fill_list)
_SET = _Kind(_itself, _emptied, _fill_set)
_DICT = _Kind(_members_of_dict, _emptied, _fill_dict)
_TUPLE = _Kind(_itself, None, _make_tuple)
_FROZENSET = _Kind(_itself, None, _make_frozenset)
_RECORD = _Kind(_members_of_record, copy.copy, _fill_record)
_ALLOWED = _Kind(_what_is_allowed, None, _make_allowed)
_EXACT: dict[type[Any], _Kind] = {
    list: _LIST,
    tuple: _TUPLE,
    set: _SET,
    frozenset: _FROZENSET,
    dict: _DICT,
    deque: _LIST,
    AllowFailure: _ALLOWED,
}
_BASES: tuple[tuple[type[Any], _Kind], ...] = (
    (list, _LIST),
    (tuple, _TUPLE),
    (dict, _DICT),
    (set, _SET),
    (frozenset, _FROZENSET),
    (deque, _LIST),
)


def _kind_of(entry: Any) -> _Kind | None:
    """How to look into a value; None for one that is not looked into."""
    kind = cast("type[Any]", type(entry))
    exact = _EXACT.get(kind)
    if exact is not None:
        return exact
    for base, how in _BASES:
        if issubclass(kind, base):
            return how
    return _RECORD if _is_record(kind) else None
