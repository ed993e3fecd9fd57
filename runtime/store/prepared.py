"""Statements that are built once for each kind of database: building one takes longer than running it.

What differs from one execution to the next is bound by name (`bindparam`), or asked for when the statement is
executed, as `Database.now` is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from .database import Database

S = TypeVar("S")


def prepared(build: Callable[[Database], S]) -> Callable[[Database], S]:
    """A function that builds a statement, made to build it once."""
    built: dict[str, S] = {}

    @wraps(build)
    def statement(db: Database) -> S:
        found = built.get(db.dialect)
        if found is None:
            found = built[db.dialect] = build(db)
        return found

    return statement
