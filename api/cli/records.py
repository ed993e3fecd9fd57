"""What the verbs that read the database share: opening it, which run is meant, and pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from ...runtime.foundation.settings import current_settings

if TYPE_CHECKING:
    from ...runtime.store.database.database import Database
    from ...runtime.store.database.rows import LogRow

T = TypeVar("T")

PAGE_ROWS = 1_000


def with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database of the active profile, do `act` with it, close it."""

    async def run() -> T:
        from ...runtime.store.database.database import Database

        database = await Database.open(current_settings().database_url)
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _state_types(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_state_type(word.strip()) for word in words)


def _state_type(word: str) -> str:
    """A state type in any case: FAILED, failed, Failed."""
    from ...runtime.states import STATE_NAMES, StateType

    if word.upper() in StateType.__members__:
        return word.upper()
    for name, state_type in STATE_NAMES.items():
        if name.lower() == word.lower():
            raise click.BadParameter(f"{name} is the name of a state; its type is {state_type.value}.")
    raise click.BadParameter(f"{word!r} is no state type; one of {', '.join(StateType.__members__)}.")


state_option = click.option(
    "--state",
    "state_types",
    metavar="TYPE",
    multiple=True,
    callback=_state_types,
    help="Only this state type, e.g. FAILED; repeatable.",
)


def limit_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--limit`."""
    return click.option(
        "--limit", type=click.IntRange(0), default=default, show_default=True, help="At most so many."
    )


offset_option = click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many first.")


def head_tail_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--head [N]`, `--tail [N]`, `--reverse`, `--level`: which lines of a log, in which order."""
    for option in (
        click.option("--level", default="DEBUG", show_default=True, help="Least severe level to show."),
        click.option("--reverse", is_flag=True, help="Newest first."),
        click.option(
            "--tail", type=click.IntRange(0), is_flag=False, flag_value=20, help="The last N lines (20)."
        ),
        click.option(
            "--head", type=click.IntRange(0), is_flag=False, flag_value=20, help="The first N lines (20)."
        ),
    ):
        command = option(command)
    return command


def level_number(level: str) -> int:
    """A level's number from its name in any case, or from digits."""
    import logging

    number = logging.getLevelNamesMapping().get(level.strip().upper())
    if number is None and level.strip().isdigit():
        number = int(level)
    if number is None:
        raise click.BadParameter(
            f"{level!r} is no level; use DEBUG, INFO, WARNING, ERROR, CRITICAL or a number."
        )
    return number


async def log_pages(
    db: Database,
    *,
    flow_run_id: UUID | None = None,
    task_run_id: UUID | None = None,
    head: int | None = None,
    tail: int | None = None,
    reverse: bool = False,
    level_min: int = 0,
) -> AsyncIterator[list[LogRow]]:
    """The lines asked for, a page at a time, in the order in which they are to be shown."""
    from ...runtime.store import logs

    if head is not None or tail is not None:
        rows = await logs.read(
            db,
            flow_run_id=flow_run_id,
            task_run_id=task_run_id,
            level_min=level_min,
            limit=(head if head is not None else tail) or 0,
            order="asc" if head is not None else "desc",
        )
        yield sorted(rows, key=lambda row: row.id, reverse=reverse)
        return
    offset, after_id = 0, None
    while True:
        rows = await logs.read(
            db,
            flow_run_id=flow_run_id,
            task_run_id=task_run_id,
            level_min=level_min,
            limit=PAGE_ROWS,
            offset=offset if reverse else 0,
            order="desc" if reverse else "asc",
            after_id=after_id,
        )
        yield rows
        if len(rows) < PAGE_ROWS:
            return
        offset, after_id = offset + len(rows), (None if reverse else rows[-1].id)


class TaskRunNames:
    """Names of task runs by id, fetched a stretch at a time: the ids of one call site follow each other."""

    def __init__(self, db: Database, flow_run_id: UUID) -> None:
        self._db = db
        self._flow_run_id = flow_run_id
        self._names: dict[UUID, str] = {}

    async def learn(self, ids: set[UUID]) -> None:
        """Look up those that are not known yet; one that is gone is called by its id."""
        from ...runtime.store import task_runs

        unknown = sorted(ids - self._names.keys())
        for task_run_id in unknown:
            if task_run_id in self._names:
                continue
            before = UUID(int=task_run_id.int - 1)
            rows = await task_runs.list(self._db, self._flow_run_id, after_id=before, limit=PAGE_ROWS)
            self._names.update((row.id, row.name) for row in rows)
            self._names.setdefault(task_run_id, str(task_run_id))

    def __getitem__(self, task_run_id: UUID) -> str:
        return self._names[task_run_id]
