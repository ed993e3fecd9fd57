"""Group commit: what is asked of the database while a transaction is under way rides in the next one.

The first who asks is served at once, alone. A transaction costs about the same for one as for many, so a
process that is asked a lot is not kept busy by beginning and committing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from ..errors import DatabaseUnavailable
from .database import Database

Item = TypeVar("Item")
Result = TypeVar("Result")
Together = Callable[[Database, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]

_AT_ONCE = 64  # bounds how long the first of a group waits for the last


def gathered(
    subjects: Callable[[Item], Iterable[Hashable]],
) -> Callable[[Together[Item, Result]], Callable[[Database, Item], Awaitable[Result]]]:
    """Make a verb that writes many items in one transaction into one that takes a single item.

    The verb gives for each item its result, or what is wrong with it alone. When it raises, nothing was
    written, and each item is tried in a transaction of its own. Two items that have one of their `subjects`
    in common never share one.
    """

    def decorate(together: Together[Item, Result]) -> Callable[[Database, Item], Awaitable[Result]]:
        gatherings: WeakKeyDictionary[Database, _Gathering[Item, Result]] = WeakKeyDictionary()

        @wraps(together)
        def one(db: Database, item: Item) -> Awaitable[Result]:
            gathering = gatherings.get(db)
            if gathering is None:
                gathering = gatherings[db] = _Gathering(together, subjects)
            return gathering.do(db, item)

        return one

    return decorate


class _Gathering(Generic[Item, Result]):
    # It must not hold the database: its place among the gatherings goes when nobody else has that.
    def __init__(
        self, together: Together[Item, Result], subjects: Callable[[Item], Iterable[Hashable]]
    ) -> None:
        self._together = together
        self._subjects = subjects
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._work: asyncio.Task[None] | None = None

    async def do(self, db: Database, item: Item) -> Result:
        """Who stops waiting leaves the item where it is: it may be written already."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._serve(db), name="group commit")
        return await future

    async def _serve(self, db: Database) -> None:
        while self._waiting:
            group = self._next_group()
            try:
                await self._write(db, group)
            except Exception as error:
                for _, future in group:
                    _settle(future, error)
            except BaseException:  # the loop ends
                for _, future in (*group, *self._waiting):
                    future.cancel()
                raise

    def _next_group(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        group: list[tuple[Item, asyncio.Future[Result]]] = []
        taken: set[Hashable] = set()
        while self._waiting and len(group) < _AT_ONCE:
            subjects = set(self._subjects(self._waiting[0][0]))
            if subjects & taken:
                break
            taken |= subjects
            group.append(self._waiting.popleft())
        return group

    async def _write(self, db: Database, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._together(db, [item for item, _ in group])
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(group) == 1:
                raise
            for each in group:
                await self._write_alone(db, each)
            return
        for (_, future), result in zip(group, results, strict=True):
            _settle(future, result)

    async def _write_alone(self, db: Database, each: tuple[Item, asyncio.Future[Result]]) -> None:
        item, future = each
        try:
            (result,) = await self._together(db, [item])
        except Exception as error:
            _settle(future, error)
        else:
            _settle(future, result)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():  # nobody waits any more
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
