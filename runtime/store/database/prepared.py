"""Statements that are built once for each kind of database: building one takes longer than running it.

What differs from one execution to the next is bound by name (`bindparam`), or asked for when the statement is
executed, as `Database.now` is.
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
    """A function that builds a statement, made to build it once for each choice of its other arguments."""
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
    """That a column has one of the values of a list that is bound by `name`; one statement for every length
    where the database can.
    """
    if db.is_sqlite:
        return column.in_(bindparam(name, expanding=True))
    return column == any_(bindparam(name, type_=ARRAY(column.type)))
