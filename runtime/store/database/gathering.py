"""Group commit: items that arrive during a transaction are written together in the next one.

The first item is written at once, alone. A transaction (or a request to another process) costs about as much
for one item as for many, so a busy process does not spend its time on beginning and committing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, ref

from ...foundation.errors import DatabaseUnavailable
from .database import Database

Item = TypeVar("Item")
Result = TypeVar("Result")
Together = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
TogetherIn = Callable[[Database, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
Subjects = Callable[[Item], Iterable[Hashable]]

_AT_ONCE = 64  # bounds how long the first item of a group waits for the last


def gathered(
    subjects: Subjects[Item],
) -> Callable[[TogetherIn[Item, Result]], Callable[[Database, Item], Awaitable[Result]]]:
    """Turn a verb that writes many items in one transaction into a verb of a single item, by `Gathering`."""

    def decorate(together: TogetherIn[Item, Result]) -> Callable[[Database, Item], Awaitable[Result]]:
        gatherings: WeakKeyDictionary[Database, Gathering[Item, Result]] = WeakKeyDictionary()

        def gathering_in(db: Database) -> Gathering[Item, Result]:
            known = ref(db)  # removed when the database is not used any more

            def together_here(items: Sequence[Item]) -> Awaitable[Sequence[Result | Exception]]:
                db = known()
                assert db is not None, "who waits for an item holds the database"
                return together(db, items)

            return Gathering(together_here, subjects)

        @wraps(together)
        def one(db: Database, item: Item) -> Awaitable[Result]:
            gathering = gatherings.get(db)
            if gathering is None:
                gathering = gatherings[db] = gathering_in(db)
            return gathering.do(item)

        return one

    return decorate


class Gathering(Generic[Item, Result]):
    """Executes items together; belongs to one event loop.

    `together` returns a result or an error for each item. When it raises DatabaseUnavailable, all items get
    that; when it raises another error, it must have changed nothing, and each item is tried alone. Two items
    with a common subject never go together; they keep their order.
    """

    def __init__(self, together: Together[Item, Result], subjects: Subjects[Item]) -> None:
        self._together = together
        self._subjects = subjects
        self._waiting: list[_Waiting[Item, Result]] = []
        self._work: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Add an item and wait for its result. An item is not withdrawn when its caller stops waiting."""
        waiting = _Waiting[Item, Result](item)
        self._waiting.append(waiting)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._serve(), name="group commit")
        return await waiting.served

    async def _serve(self) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                await self._carry_out(group)
            except Exception as error:
                for each in group:
                    each.settle(error)
            except BaseException:  # the loop ends
                for each in (*group, *self._waiting):
                    each.served.cancel()
                raise

    def _next_group(self) -> list[_Waiting[Item, Result]]:
        group: list[_Waiting[Item, Result]] = []
        later: list[_Waiting[Item, Result]] = []
        taken: set[Hashable] = set()
        for each in self._waiting:
            try:
                subjects = set(self._subjects(each.item))
            except Exception as error:
                each.settle(error)
                continue
            free = len(group) < _AT_ONCE and not subjects & taken
            (group if free else later).append(each)
            taken |= subjects
        self._waiting = later
        return group

    async def _carry_out(self, group: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._together([each.item for each in group])
        except DatabaseUnavailable:
            raise
        except Exception:  # one item may be the cause: try each alone
            if len(group) == 1:
                raise
            for each in group:
                await self._carry_out_alone(each)
            return
        for each, result in zip(group, results, strict=True):
            each.settle(result)

    async def _carry_out_alone(self, each: _Waiting[Item, Result]) -> None:
        try:
            (result,) = await self._together([each.item])
        except Exception as error:
            each.settle(error)
        else:
            each.settle(result)


class _Waiting(Generic[Item, Result]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.served: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def settle(self, result: Result | Exception) -> None:
        if self.served.done():  # the caller stopped waiting
            return
        if isinstance(result, Exception):
            self.served.set_exception(result)
        else:
            self.served.set_result(result)
