"""Errors sent between processes: the text that a person reads, and the exception itself.

A worker sends what the author's code raised; the receiver gets the author's own exception, with the worker's
traceback as its cause. Only the author's frames are shown, not those of Heliostat and Ray.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, cast

from ..foundation import errors
from ..foundation.ending import PARKED_EXIT
from ..foundation.errors import (
    RunCancelled,
    RunFailure,
    TaskCrashed,
    TaskFailed,
    TaskTimedOut,
    UpstreamFailed,
)
from ..foundation.standard_streams import say
from . import carried_errors
from .carried_errors import text_of, type_name

MAX_TEXT_LENGTH = 65_536
_RECORDED = "heliostat_recorded"
_INTERRUPTED_EXIT = 130  # the exit code of shells after SIGINT

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# In a checkout the package's root also holds examples and tests, whose frames count as an author's.
_OUR_ROOMS = tuple(os.path.join(_ROOT, room) + os.sep for room in ("runtime", "actors", "pools", "api"))
_OUR_FILES = tuple(os.path.join(_ROOT, name) for name in ("__init__.py", "__main__.py"))


class RemoteTraceback(Exception):
    """The traceback of another process, as text; set as the cause of the exception that came from there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return "\n" + self.text


def capture(error: BaseException, drop_frames_of: Sequence[str] = ()) -> dict[str, str | None]:
    """An error for people to read, as JSON data: `type`, `message`, `traceback` and `cause`.

    `traceback` holds the author's frames only (all frames when none is the author's), with the chain of
    causes. Frames of files below `drop_frames_of` are left out, too. `cause` is the kind of failure:
    "user-error", "timeout", "cancelled", "upstream", or the cause of a TaskCrashed ("worker-killed",
    "out-of-memory", ...).
    """
    story = traceback.TracebackException.from_exception(error, compact=True)
    _keep_users_frames(story, _dropped(drop_frames_of), set())
    return {
        "type": type_name(type(error)),
        "message": _text_of(error),
        "traceback": _cut("".join(story.format())),
        "cause": _cause(error),
    }


def headline(error: BaseException) -> str:
    """An error's class and message in short: "ValueError: no such file"."""
    text = _text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def rebuild(captured: Mapping[str, Any]) -> RunFailure:
    """An exception to raise for a captured error whose own exception is not available (read from a journal,
    say).
    """
    message, text, kind = captured.get("message") or "", captured.get("traceback"), captured.get("type") or ""
    found = getattr(errors, kind.rpartition(".")[2], None)
    ours = (
        kind.startswith(errors.__name__ + ".") and isinstance(found, type) and issubclass(found, RunFailure)
    )
    if ours:
        error = cast("type[RunFailure]", found)(message)
    else:
        error = TaskFailed(f"{kind}: {message}" if message else kind)
    if isinstance(error, TaskCrashed) and captured.get("cause"):
        error.cause = str(captured["cause"])
    if text:
        error.__cause__ = RemoteTraceback(text)
    return error


def ship(error: BaseException, drop_frames_of: Sequence[str] = ()) -> bytes:
    """An exception as bytes, with its traceback as text. Never fails, whatever the exception holds."""
    captured = capture(error, drop_frames_of)
    return pickle.dumps((carried_errors.pack(error), captured), protocol=5)


def unship(data: bytes) -> BaseException:
    """The exception that `ship` packed, with its causes; the remote traceback becomes the first cause.

    It is TaskFailed with the exception's text where the exception cannot be restored in this process.
    """
    packed, captured = cast("tuple[bytes | None, dict[str, Any]]", pickle.loads(data))
    error = carried_errors.unpack(packed) if packed else None
    if error is None:
        error = carried_errors.stand_in(captured["type"], captured["message"])
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    first.__cause__ = RemoteTraceback(captured["traceback"])
    return error


def drop_our_frames(error: BaseException) -> BaseException:
    """The given exception, with Heliostat's and Ray's frames removed from its tracebacks and its causes'.

    A traceback that has only such frames is not changed.
    """
    dropped = _dropped(())
    for each in _chain(error):
        _drop_frames(each, dropped)
    return error


def _drop_frames(error: BaseException, dropped: tuple[str, ...]) -> None:
    frames = _frames(error.__traceback__)
    kept = [frame for frame in frames if not frame.tb_frame.f_code.co_filename.startswith(dropped)]
    if not kept:
        return
    for frame, following in zip(kept, [*kept[1:], None], strict=True):
        frame.tb_next = following
    error.__traceback__ = kept[0]


def show_errors_our_way() -> None:
    """Show an error that ends the process without our frames and with its hint, unless an excepthook is
    set.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _show


def mark_recorded(interruption: BaseException) -> None:
    """Note that a flow run has ended by this Ctrl-C and was told to the user: no traceback is needed."""
    interruption.__dict__[_RECORDED] = True


def _show(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt) and any(_RECORDED in each.__dict__ for each in _chain(error)):
        say("Interrupted.")
        # Python forgets that it was a Ctrl-C when a library evaluates code while the process ends.
        raise SystemExit(_INTERRUPTED_EXIT)
    if isinstance(error, errors.ServerGone):
        say(f"{error}\nhint: {error.hint}" if error.hint else str(error))
        raise SystemExit(PARKED_EXIT)
    shown = drop_our_frames(error.with_traceback(at))
    sys.__excepthook__(kind, shown, shown.__traceback__)
    if isinstance(error, errors.HeliostatError) and error.hint:
        say(f"hint: {error.hint}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, its causes and contexts, each once."""
    seen, pending = set[int](), [error]
    while pending:
        each = pending.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            pending.extend(other for other in (each.__cause__, each.__context__) if other is not None)


def _frames(first: TracebackType | None) -> Iterator[TracebackType]:
    while first is not None:
        yield first
        first = first.tb_next


def _dropped(more: Sequence[str]) -> tuple[str, ...]:
    """Prefixes of files whose frames are not the author's. Ray is looked up, never imported."""
    ray = getattr(sys.modules.get("ray"), "__file__", None)
    folders = [os.path.dirname(ray), *more] if ray else more
    return (*_OUR_ROOMS, *_OUR_FILES, *(folder.rstrip(os.sep) + os.sep for folder in folders))


def _keep_users_frames(story: traceback.TracebackException, dropped: tuple[str, ...], seen: set[int]) -> None:
    if id(story) in seen:
        return
    seen.add(id(story))
    if story.exc_type is RemoteTraceback:
        _tell_as_text(story)
    else:
        kept = [frame for frame in story.stack if not frame.filename.startswith(dropped)]
        story.stack[:] = kept or list(story.stack)
    for other in (story.__cause__, story.__context__, *(story.exceptions or ())):
        if other is not None:
            _keep_users_frames(other, dropped, seen)


def _tell_as_text(story: traceback.TracebackException) -> None:
    """Show a remote traceback as the plain text that it is, not as an exception with a text inside."""
    text = str(story).lstrip("\n").rstrip("\n") + "\n"
    open_story = cast("Any", story)
    open_story.stack = None  # no "Traceback ..." line: the text has one

    def only_the_text(**_: Any) -> Iterator[str]:  # later Pythons pass options
        return iter([text])

    open_story.format_exception_only = only_the_text


def _text_of(error: BaseException) -> str:
    return _cut(text_of(error))


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT_LENGTH:
        return text
    half = MAX_TEXT_LENGTH // 2 - 40
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _cause(error: BaseException) -> str:
    if isinstance(error, TaskCrashed):
        return error.cause
    if isinstance(error, TaskTimedOut):
        return "timeout"
    if isinstance(error, errors.CancelRun | RunCancelled):
        return "cancelled"
    return "upstream" if isinstance(error, UpstreamFailed) else "user-error"
