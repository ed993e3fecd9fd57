"""The arguments of a fan-out's calls: row by row (`submit`) or column by column (`map`).

Columns are sliced only when a pack is made, so a map over a sequence copies nothing. Values from an iterator
are released once their call has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ..authoring.futures import AllowFailure, TaskFutureList, Unmapped
from ..foundation.errors import ParameterMismatch

Row = tuple[tuple[Any, ...], dict[str, Any]]
Column = Sequence[Any]


@dataclass(slots=True)
class Rows:
    """Calls whose arguments are given one by one."""

    rows: list[Any]  # Row, or what stands for one (Own, Lent); None: let go

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, position: int) -> Any:
        """The arguments of a call, or what stands for them."""
        row = self.rows[position]
        assert row is not None, "asked for the arguments of a call that has ended"
        return row

    def searchable(self, position: int) -> Row:
        """The arguments of a call as far as futures may be in them."""
        row = self.row(position)
        return cast("Row", row) if type(row) is tuple else ((), {})

    def let_go(self) -> None:
        """Release everything, as all calls have ended."""

    def release(self, start: int, stop: int) -> None:
        """Release arguments that are no longer needed."""
        for position in range(start, stop):
            self.rows[position] = None


@dataclass(slots=True)
class Columns:
    """Calls that differ in some arguments: each positional or keyword argument is a column or a constant."""

    positional: list[tuple[bool, Any]]  # (spread over the calls, column or constant)
    keywords: dict[str, tuple[bool, Any]]
    size: int
    owned: bool = False  # the columns were filled from iterators, and may be emptied
    _held: list[Column] = field(default_factory=list[Column])
    _taken: bool = False  # columns and constants are as they were when the map was called

    def __post_init__(self) -> None:
        self._held = [column for spread, column in self._all() if spread]

    def __len__(self) -> int:
        return self.size

    def entries(self) -> list[tuple[bool, Any]]:
        """(spread over the calls, column or constant) of each argument."""
        return list(self._all())

    def replace(self, how: Callable[[bool, Any], Any]) -> None:
        """Put `how(spread, entry)` in place of each column and constant."""
        self.positional = [(spread, how(spread, entry)) for spread, entry in self.positional]
        keywords = self.keywords.items()
        self.keywords = {name: (spread, how(spread, entry)) for name, (spread, entry) in keywords}
        self._held = [column for spread, column in self._all() if spread]
        self._taken = True

    def let_go(self) -> None:
        """Release values in the object store, as all calls have ended."""
        if self._taken:
            self.positional, self.keywords, self._held = [], {}, []

    def searchable(self, position: int) -> Row:
        """The arguments of a call as far as futures may be in them."""
        return self.row(position)

    def row(self, position: int) -> Row:
        """The arguments of a call; some of them may be stood for (Own, Lent)."""
        args = tuple(entry[position] if spread else entry for spread, entry in self.positional)
        return args, {
            name: entry[position] if spread else entry for name, (spread, entry) in self.keywords.items()
        }

    def slice(self, start: int, stop: int) -> SlicedColumns:
        """The same columns for some consecutive calls."""

        def cut(spread: bool, entry: Any) -> tuple[bool, Any]:
            return spread, list(entry[start:stop]) if spread else entry

        return SlicedColumns(
            [cut(*entry) for entry in self.positional],
            {name: cut(*entry) for name, entry in self.keywords.items()},
            stop - start,
        )

    def constants(self) -> Generator[Any]:
        return (entry for spread, entry in self._all() if not spread)

    def columns(self) -> list[Column]:
        return self._held

    def append(self, values: Iterable[tuple[Any, ...]]) -> int:
        """Add calls (one tuple of column entries each) and return how many there are now."""
        for value in values:
            for column, entry in zip(self._held, value, strict=True):
                cast("list[Any]", column).append(entry)
            self.size += 1
        return self.size

    def release(self, start: int, stop: int) -> None:
        if self.owned:
            for column in self._held:
                cast("list[Any]", column)[start:stop] = [None] * (stop - start)

    def _all(self) -> Generator[tuple[bool, Any]]:
        yield from self.positional
        yield from self.keywords.values()


@dataclass(slots=True)
class SlicedColumns:
    """The part of the columns that goes into one pack."""

    positional: list[tuple[bool, Any]]
    keywords: dict[str, tuple[bool, Any]]
    size: int

    def rows(self) -> list[Row]:
        """One (args, kwargs) a call."""
        count = self.size
        args: list[tuple[Any, ...]] = [()] * count
        if self.positional:
            spread = [entry if is_column else [entry] * count for is_column, entry in self.positional]
            args = list(zip(*spread, strict=True))
        if not self.keywords:
            return [(row, {}) for row in args]
        names = list(self.keywords)
        entries = [entry if is_column else [entry] * count for is_column, entry in self.keywords.values()]
        return [
            (row, dict(zip(names, values, strict=True)))
            for row, values in zip(args, zip(*entries, strict=True), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class MapArguments:
    """The arguments of a `map`, sorted: sized columns, or iterators that are read as the calls go out."""

    columns: Columns
    iterators: list[Any] | None  # one per column, when at least one column has no length


def sort_map_arguments(task_name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MapArguments:
    """Sort the arguments of `map`: lists and other iterables are columns; text, bytes, dicts and `unmapped`
    values are constants. Columns of different lengths, or none at all, raise ParameterMismatch."""
    positional = [_column_or_constant(value) for value in args]
    keywords = {name: _column_or_constant(value) for name, value in kwargs.items()}
    entries = [*positional, *keywords.values()]
    columns = [entry for spread, entry in entries if spread]
    if not columns:
        raise ParameterMismatch(
            f"{task_name}.map needs at least one argument to spread",
            hint="Pass a list, a range, an iterator or futures, or call submit for a single call.",
        )
    sized = [column for column in columns if hasattr(column, "__len__") and hasattr(column, "__getitem__")]
    sizes = {len(column) for column in sized}
    if len(sizes) > 1:
        raise ParameterMismatch(
            f"{task_name}.map got arguments of different lengths: {sorted(sizes)}",
            hint="Make them equally long, or wrap a value that every call gets whole in unmapped(...).",
        )
    if len(sized) == len(columns):
        return MapArguments(Columns(positional, keywords, sizes.pop()), None)
    iterators = [iter(column) for column in columns]
    fresh = [(spread, cast("Any", []) if spread else entry) for spread, entry in positional]
    fresh_keywords = {
        name: (spread, cast("Any", []) if spread else entry) for name, (spread, entry) in keywords.items()
    }
    return MapArguments(Columns(fresh, fresh_keywords, 0, owned=True), iterators)


def _column_or_constant(value: Any) -> tuple[bool, Any]:
    if isinstance(value, Unmapped):
        return False, value.value
    if isinstance(value, AllowFailure):
        spread, inner = _column_or_constant(value.value)
        return spread, [AllowFailure(entry) for entry in inner] if spread else AllowFailure(inner)
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        return False, cast("Any", value)
    if isinstance(value, (range, tuple, TaskFutureList)) or not hasattr(value, "__len__"):
        return True, cast("Any", value)
    # A copy, since the author may change the list before packs are sliced.
    return True, list(value)
