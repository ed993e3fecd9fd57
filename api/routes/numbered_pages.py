"""Lists of which a request asks for one page by its number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from ...runtime.store.database.database import Database
from ...runtime.store.filters import Search
from .. import wire
from ..answers import JsonAnswer

R = TypeVar("R")


class NumberedSearch(Protocol):
    """A body that says what fits, in which order, and which page of it is wanted."""

    @property
    def sort(self) -> Any: ...
    @property
    def limit(self) -> int: ...
    @property
    def page(self) -> int: ...
    def search(self) -> Search: ...


async def numbered_page(
    db: Database,
    body: NumberedSearch,
    find: Callable[..., Awaitable[Sequence[R]]],
    count: Callable[[Database, Search], Awaitable[int]],
    shown: Callable[[R], wire.Wire],
) -> JsonAnswer:
    """The objects of that page, and how many there are in all."""
    asked, offset = body.search(), (body.page - 1) * body.limit
    rows = await find(db, asked, sort=body.sort, limit=body.limit, offset=offset)
    number = await count(db, asked)
    return JsonAnswer(wire.page([shown(row) for row in rows], number, body.limit, body.page))
