"""What a person sees when a command fails, and which exit code a script gets."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import click

from ...runtime import errors


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    FAILED = 1  # also: a run that was waited for did not complete
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    SERVER = 5
    UNREACHABLE = 7
    INTERRUPTED = 130


EXIT_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.MissingFlow, Exit.NOT_FOUND),
    (errors.ParameterMismatch, Exit.USAGE),
    (errors.BadSetting, Exit.USAGE),
    (errors.Unavailable, Exit.UNREACHABLE),
    (errors.HeliostatError, Exit.FAILED),
)
"""First match wins; what is not here exits with 1."""


def guarded(command: Callable[[], Any], args: Sequence[str], program: str) -> int:
    """Run `command`, report what it raises on stderr, and return the exit code. Never raises."""
    debug = "--debug" in args[: args.index("--") if "--" in args else None]
    where = " ".join([program, *_words(args)])
    try:
        outcome = command()
        sys.stdout.flush()
        return outcome if isinstance(outcome, int) else Exit.OK
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt, errors.CancelRun):
        report("Interrupted.", where)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        _trace(debug)
        report(error.format_message(), _where(error, where), _usage_hint(error))
        return error.exit_code
    except errors.HeliostatError as error:
        _trace(debug)
        report(_first_line(error), where, error.hint)
        return exit_code_of(error)
    except Exception as error:
        _trace(debug)
        report(f"{type(error).__name__}: {_first_line(error)}", where, None if debug else "see all: --debug")
        return Exit.FAILED


def exit_code_of(error: BaseException) -> Exit:
    """The exit code for an error of ours."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), Exit.FAILED)


def report(what: str, where: str | None = None, hint: str | None = None) -> None:
    """Three lines on stderr: what went wrong, where, and what to type next."""
    click.echo(_styled(what, fg="red"), err=True)
    if where:
        click.echo(_styled(f"where: {where}", dim=True), err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _styled(text: str, **style: Any) -> str:
    """Colour for terminals; click itself takes it away where stderr is none."""
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)


def _trace(debug: bool) -> None:
    if debug:
        traceback.print_exc()


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__doc__ or type(error).__name__
    return " ".join(text.split("\n\n")[0].split())


def _words(args: Sequence[str]) -> list[str]:
    """The noun and verb of a command line: what stands before the first option or value."""
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


def _usage_hint(error: click.ClickException) -> str | None:
    hint = getattr(error, "hint", None)
    if hint:
        return str(hint)
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if isinstance(context, click.Context) else None
