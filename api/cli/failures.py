"""What people see when a command fails, and the exit code for scripts."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any

import click

from ...runtime.foundation import errors
from ...runtime.foundation.setting_table import UnknownSetting
from ...runtime.foundation.standard_streams import GONE, say
from .lazy import ReaderLeft


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1  # also when the run that a command followed did not complete
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    SERVER = 5
    UNREACHABLE = 7
    PARKED = 75  # a run's server is gone; its unsent records are kept, and the run can be resumed
    INTERRUPTED = 130


EXIT_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.MissingFlow, Exit.NOT_FOUND),
    (errors.ParameterMismatch, Exit.USAGE),
    (errors.BadSetting, Exit.USAGE),
    (errors.BadDeployment, Exit.USAGE),
    (errors.BadSchedule, Exit.USAGE),
    (errors.RequestRefused, Exit.USAGE),
    (errors.NotAllowed, Exit.AUTH),
    (errors.ServerFailed, Exit.SERVER),
    (errors.ServerGone, Exit.PARKED),
    (errors.Unavailable, Exit.UNREACHABLE),
    (errors.HeliostatError, Exit.FAILED),
)
"""The first match wins; an error that is not listed exits with 1."""


def guarded(command: Callable[[], Any], args: Sequence[str], program: str) -> int:
    """Run `command`, report what it raises on stderr, and return the exit code."""
    debug = "--debug" in args[: args.index("--") if "--" in args else None]
    where = " ".join([program, *_words(args)])
    try:
        with _settings_warnings_in_one_line():
            outcome = command()
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]  (it was closed at the start)
            sys.stdout.flush()
        return outcome if isinstance(outcome, int) else Exit.OK
    except (BrokenPipeError, ReaderLeft):
        return _reader_left()
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt, errors.CancelRun):
        report("Interrupted.", where)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        _trace(debug)
        if isinstance(error, click.NoSuchOption):
            error = _with_near_options(error)
        report(error.format_message(), _where(error, where), _usage_hint(error))
        return error.exit_code
    except errors.HeliostatError as error:
        _trace(debug)
        report(_text_of(error), where, error.hint)
        return exit_code_of(error)
    except Exception as error:
        _trace(debug)
        report(f"{type(error).__name__}: {_text_of(error)}", where, None if debug else "see all: --debug")
        return Exit.FAILED


def exit_code_of(error: BaseException) -> Exit:
    """The exit code for an error; for a group of mistakes the code that they share."""
    if isinstance(error, errors.BadDeployments):
        common = {exit_code_of(each) for each in error.mistakes}
        return common.pop() if len(common) == 1 else Exit.USAGE
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), Exit.FAILED)


def report(what: str, where: str | None = None, hint: str | None = None) -> None:
    """Three lines on stderr: what went wrong, where, and what to type next."""
    with suppress(*GONE):  # without stderr the exit code has to do
        click.echo(_styled(what, fg="red"), err=True)
        if where:
            click.echo(_styled(f"where: {where}", dim=True), err=True)
        if hint:
            click.echo(f"hint: {hint}", err=True)


def _reader_left() -> int:
    """The reader of stdout (`| head`) has left, which is no failure; drop what would be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return Exit.OK


@contextmanager
def _settings_warnings_in_one_line() -> Generator[None, None, None]:
    """Show warnings of unknown settings in one line, without the place in the code; others as usual."""
    shown_before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, UnknownSetting):
            say(str(message))
        else:
            shown_before(message, category, *place, **more)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown_before


def _styled(text: str, **style: Any) -> str:
    """Styled text; click removes the style when stderr is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _text_of(error: BaseException) -> str:
    """The error's message up to its first empty line."""
    text = str(error).strip() or type(error).__doc__ or type(error).__name__
    return text.split("\n\n")[0]


def _words(args: Sequence[str]) -> list[str]:
    """The noun and verb of a command line: the words before the first option or value."""
    words: list[str] = []
    for word in args:
        if word.startswith("-") and not words:
            continue
        if not word.replace("-", "").isalpha() or word.startswith("-") or len(words) == 3:
            break
        words.append(word)
    return words


def _where(error: click.ClickException, where: str) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if isinstance(context, click.Context) else where


def _with_near_options(error: click.NoSuchOption) -> click.NoSuchOption:
    """The error with the nearest options only, since click also offers distant ones."""
    from ...runtime.foundation.near_names import nearest  # imported only for mistakes

    near = nearest(error.option_name, error.possibilities or ())
    return click.NoSuchOption(error.option_name, None, [] if near is None else [near], error.ctx)


def _usage_hint(error: click.ClickException) -> str | None:
    hint = getattr(error, "hint", None)
    if hint:
        return str(hint)
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if isinstance(context, click.Context) else None
