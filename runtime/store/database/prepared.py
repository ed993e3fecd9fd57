"""Statements that are built once for each kind of database: building one takes longer than running it.

Values that differ between executions are bound by name (`bindparam`), or computed when the statement is
executed, like `Database.now`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam

from .database import Database

P = ParamSpec("P")
S = TypeVar("S")


def prepared(build: Callable[Concatenate[Database, P], S]) -> Callable[Concatenate[Database, P], S]:
    """Decorator that makes a function build its statement only once for each choice of arguments."""
    built: dict[tuple[Hashable, ...], S] = {}

    @wraps(build)
    def statement(db: Database, *args: P.args, **kwargs: P.kwargs) -> S:
        key = (db.dialect, *args, *kwargs.items())
        found = built.get(key)
        if found is None:
            found = built[key] = build(db, *args, **kwargs)
        return found

    return statement


def is_one_of(db: Database, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition that a column has a value of the list bound by `name`; on Postgres one statement serves
    lists of any length.
    """
    if db.is_sqlite:
        return column.in_(bindparam(name, expanding=True))
    return column == any_(bindparam(name, type_=ARRAY(column.type)))
