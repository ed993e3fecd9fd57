"""Shared by reading verbs: opening this machine's database, and options that choose what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

from ...runtime.foundation.settings import current_settings
from .run_source import RunChoice

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


class StateOptions(TypedDict):
    """What `state_options` give."""

    states: tuple[tuple[str, bool], ...]
    state_types: tuple[str, ...]


def state_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--state`, `--state-type`."""
    for option in (
        click.option(
            "--state-type",
            "state_types",
            metavar="TYPE",
            multiple=True,
            callback=_state_types,
            help="Only this type of state, e.g. FAILED; repeatable.",
        ),
        click.option(
            "--state",
            "states",
            metavar="STATE",
            multiple=True,
            callback=_states,
            help="Only this state: a name (Late) or a type (failed); repeatable.",
        ),
    ):
        command = option(command)
    return command


def chosen_runs(flow_names: Sequence[str], name: str | None, **states: Unpack[StateOptions]) -> RunChoice:
    """The runs that the options choose."""
    types = [word for word, is_type in states["states"] if is_type]
    names = tuple(word for word, is_type in states["states"] if not is_type)
    return RunChoice((*types, *states["state_types"]), names, flow_names, name)


def _state_types(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    from ...runtime.states import StateType

    for word in words:
        if word.strip().upper() not in StateType.__members__:
            raise click.BadParameter(
                f"{word!r} is not a type of state; use one of {', '.join(StateType.__members__)}."
            )
    return tuple(word.strip().upper() for word in words)


def _states(
    _ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]
) -> tuple[tuple[str, bool], ...]:
    return tuple(_state(word.strip()) for word in words)


def _state(word: str) -> tuple[str, bool]:
    """A state as its name, or as its type with True. `Failed` is a name; FAILED and failed are the type."""
    from ...runtime.states import STATE_NAMES, StateType

    if word in STATE_NAMES:
        return word, False
    if word.upper() in StateType.__members__:
        return word.upper(), True
    for name in STATE_NAMES:
        if name.lower() == word.lower():
            return name, False
    raise click.BadParameter(f"{word!r} is not a state; use one of {', '.join(STATE_NAMES)}.")


def limit_option(default: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--limit`."""
    return click.option(
        "--limit", type=click.IntRange(0), default=default, show_default=True, help="The most to show."
    )


offset_option = click.option("--offset", type=click.IntRange(0), default=0, help="Skip this many.")


def head_tail_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--head [N]`, `--tail [N]`, `--num-logs N`, `--reverse`, `--level`: which lines, in which order."""
    for option in (
        click.option("--level", default="DEBUG", show_default=True, help="Least severe level to show."),
        click.option("--reverse", "-r", is_flag=True, help="Newest first."),
        click.option(
            "--num-logs",
            "-n",
            type=click.IntRange(0),
            expose_value=False,
            is_eager=True,
            callback=_keep_number,
            help="How many --head or --tail show.",
        ),
        _end_option("--tail", "-t", "The last N lines (20)."),
        _end_option("--head", "-h", "The first N lines (20)."),
    ):
        command = option(command)
    return command


_NUMBER = "heliostat.num_logs"
_LINES = 20


def _end_option(name: str, short: str, text: str) -> Callable[..., Any]:
    def number(ctx: click.Context, _param: click.Parameter, given: int | None) -> int | None:
        return ctx.meta.get(_NUMBER, _LINES) if given == -1 else given

    return click.option(
        name,
        short,
        metavar="[N]",
        type=click.IntRange(-1),
        is_flag=False,
        flag_value=-1,
        callback=number,
        help=text,
    )


def _keep_number(ctx: click.Context, _param: click.Parameter, number: int | None) -> None:
    if number is not None:
        ctx.meta[_NUMBER] = number


def number_without_an_end(head: int | None, tail: int | None) -> None:
    """Refuse --num-logs that says nothing of which end of the log it counts from."""
    ctx = click.get_current_context(silent=True)
    if head is None and tail is None and ctx is not None and _NUMBER in ctx.meta:
        raise click.UsageError("--num-logs goes with --head or --tail.")


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
