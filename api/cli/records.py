"""Shared by reading verbs: opening this machine's database, and options that choose what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ...runtime.foundation.settings import current_settings

if TYPE_CHECKING:
    from ...runtime.store.database.database import Database

T = TypeVar("T")


def with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    """Open the database of the active profile, call `act` with it, and close it."""

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
    """A state type from text in any case: FAILED, failed, Failed."""
    from ...runtime.states import STATE_NAMES, StateType

    if word.upper() in StateType.__members__:
        return word.upper()
    for name, state_type in STATE_NAMES.items():
        if name.lower() == word.lower():
            raise click.BadParameter(f"{name} is the name of a state; its type is {state_type.value}.")
    raise click.BadParameter(f"{word!r} is not a state type; use one of {', '.join(StateType.__members__)}.")


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
        "--limit", type=click.IntRange(0), default=default, show_default=True, help="The most to show."
    )


offset_option = click.option("--offset", type=click.IntRange(0), default=0, help="Skip this many.")


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
            f"{level!r} is not a level; use DEBUG, INFO, WARNING, ERROR, CRITICAL or a number."
        )
    return number
