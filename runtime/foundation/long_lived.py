"""Loops, tasks and threads that live as long as their process, whatever fails in one of their rounds.

A loop that serves many runs must not end because one of them fails. So each loop is started here: an error is
logged with its subject (`about`), the loop rests, longer after each further failure, and goes on. The error
of a task that runs once is logged, too. Each loop decides what to do with a row that fails its rounds;
`store/set_aside.py` does it for flow runs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, NoReturn

from . import clock
from .errors import Unavailable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
_ABOUT = "about "

_log = logging.getLogger("heliostat.long_lived")

Round = Callable[[], Awaitable[object]]
"""One round of a loop: does what is due, then waits until there is more to do."""


@contextmanager
def about(what: str) -> Generator[None]:
    """Note on errors raised inside that they concern `what`, such as "flow run 0b1c…"."""
    try:
        yield
    except Exception as error:
        error.add_note(_ABOUT + what)
        raise


def subject_of(error: BaseException) -> str:
    """The subject of an error, to be written behind a name: " at flow run 0b1c…", or ""."""
    notes: list[str] = getattr(error, "__notes__", [])
    told = [note.removeprefix(_ABOUT) for note in notes if note.startswith(_ABOUT)]
    return f" at {', '.join(told)}" if told else ""


class Failures:
    """Logs the failures of one loop, and says how long to rest after each."""

    def __init__(self, name: str, log: logging.Logger = _log) -> None:
        self._name = name
        self._log = log
        self._pause_s = 0.0
        self._is_away = False

    def note(self, error: BaseException) -> float:
        """Log that a round failed; returns the seconds to rest."""
        self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        if is_away(error):
            if not self._is_away:
                self._log.warning("%s waits: %s", self._name, error)
            self._is_away = True
        else:
            where = subject_of(error)
            self._log.error("%s failed%s and goes on: %r", self._name, where, error, exc_info=error)
        return self._pause_s

    def over(self) -> None:
        """Note that a round succeeded."""
        if self._is_away:
            self._log.warning("%s goes on", self._name)
        self._pause_s, self._is_away = 0.0, False


def is_away(error: BaseException) -> bool:
    """Whether an error says that an outside service does not answer, which concerns every row of a loop."""
    return isinstance(error, Unavailable | OSError)


def is_cancelled() -> bool:
    """Whether this task was asked to end. A CancelledError may come from what it awaits."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def for_ever(name: str, take: Round, log: logging.Logger = _log) -> NoReturn:
    """Take round after round until the task is cancelled."""
    failures = Failures(name, log)
    while True:
        if is_cancelled():  # `wait_for` may lose a cancel that comes with the awaited result
            raise asyncio.CancelledError
        try:
            await take()
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            await asyncio.sleep(failures.note(error))
        except Exception as error:
            await asyncio.sleep(failures.note(error))
        else:
            failures.over()


class Tasks:
    """The tasks of one owner on one event loop. None is lost, and none ends with an error unnoticed."""

    def __init__(self, log: logging.Logger = _log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, name: str, take: Round) -> asyncio.Task[Any]:
        """Start a loop that repeats `take`; see `for_ever`."""
        return self.start(name, for_ever(name, take, self._log))

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work that is done once."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Ask all tasks to end."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End all tasks, and wait until they have ended."""
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            where = subject_of(error)
            self._log.error("%s ended with an error%s: %r", task.get_name(), where, error, exc_info=error)


def keep_thread(name: str, work: Callable[[], None], log: logging.Logger = _log) -> threading.Thread:
    """Start a daemon thread that does `work`, and does it again when it ends with an error."""

    def run() -> None:
        failures = Failures(name, log)
        while True:
            try:
                return work()
            except Exception as error:
                clock.sleep(failures.note(error))

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def tell(name: str, listener: Callable[[], object], log: logging.Logger = _log) -> None:
    """Call a listener and log its error, so that the listeners after it are still called."""
    try:
        listener()
    except Exception as error:
        log.error("%s failed%s: %r", name, subject_of(error), error, exc_info=error)
