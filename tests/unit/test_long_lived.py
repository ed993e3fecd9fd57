"""Loops, tasks and threads of a process go on after an error, and tell what it was about.

Seen: each loop caught the errors that somebody had thought of. The first one that nobody had thought of ended
it for good, and all that hung on it stood still without a word.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heliostat.runtime.engine.board import Watcher
from heliostat.runtime.engine.flow.command_watch import CommandWatch
from heliostat.runtime.engine.loop_limits import Alarms
from heliostat.runtime.engine.slot_relay import RelayedSlots
from heliostat.runtime.foundation.errors import Unavailable
from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.foundation.long_lived import Tasks, about, for_ever, keep_thread, tell
from heliostat.runtime.store.commands import Command

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


async def soon(reached: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await reached.wait()


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError("injected"), Unavailable("injected"), asyncio.CancelledError("injected")],
    ids=["unexpected", "away", "cancelled-elsewhere"],
)
async def test_a_loop_goes_on_after_an_error_and_ends_when_it_is_cancelled(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    rounds, third = 0, asyncio.Event()

    async def take() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            with about("flow run 1234"):
                raise error
        if rounds == 3:
            third.set()
            await asyncio.Event().wait()

    tasks = Tasks()
    kept = tasks.keep("counting", take)
    await soon(third)
    assert not kept.done()
    await tasks.close()
    assert kept.cancelled()
    text = caplog.text
    assert "counting" in text and "injected" in text
    if isinstance(error, ZeroDivisionError):
        assert "flow run 1234" in text


async def test_a_loop_that_lost_its_cancellation_ends_all_the_same() -> None:
    """`asyncio.wait_for` of Python 3.11 may swallow it when what it waited for is done at that moment."""

    async def take() -> None:
        try:
            await asyncio.sleep(30.0)
        except asyncio.CancelledError:
            return

    task = asyncio.create_task(for_ever("swallowing", take))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=PATIENCE_S)
    assert task.cancelled()


async def test_a_task_that_ends_with_an_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError("injected")

    tasks = Tasks()
    await asyncio.wait([tasks.start("dividing", work())])
    await asyncio.sleep(0)
    assert "dividing ended with an error" in caplog.text and "injected" in caplog.text


def test_a_thread_does_its_work_again_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ZeroDivisionError("injected")

    keep_thread("working", work).join(PATIENCE_S)
    assert len(tries) == 3 and "working failed" in caplog.text


def test_a_listener_that_fails_keeps_nothing_from_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int] = []
    for listener in (lambda: 1 / 0, lambda: told.append(1)):
        tell("a listener", listener)
    assert told == [1] and "ZeroDivisionError" in caplog.text


class _Failing:
    """Something that is called by a thread: fails once, then says that it was called."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.calls = 0

    def __call__(self, *_: object) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError("injected")
        self.called.set()
        return False


def _alarm(failing: _Failing) -> None:
    Alarms.of_this_process().set(0.0, failing)


def _board(failing: _Failing) -> None:
    class Board:
        look = staticmethod(failing)

    board: Any = Board()
    watcher = Watcher()
    watcher.add(board)
    failing.called.wait(PATIENCE_S)
    watcher.remove(board)


def _relayed_slots(failing: _Failing) -> None:
    line: Any = object()
    slots = RelayedSlots(line)
    slots.when_known(failing)


def _command(failing: _Failing) -> None:
    class Recording:
        polls_commands = True
        runs: list[Any] = [uuid7(), uuid7()]

        def call(self, *_: object) -> list[Command]:
            return [Command(run_id, "cancel") for run_id in self.runs]

    recording: Any = Recording()
    watch = CommandWatch()
    for run_id in recording.runs:
        watch.hold(run_id, recording, failing)
    failing.called.wait(PATIENCE_S)
    for run_id in recording.runs:
        watch.let_go(run_id)


@pytest.mark.parametrize("thread", [_alarm, _board, _relayed_slots, _command])
def test_each_thread_of_the_engine_survives_what_it_calls(thread: Callable[[_Failing], None]) -> None:
    first, second = _Failing(), _Failing()
    second.calls = 1
    thread(first)
    if thread is not _board and thread is not _command:
        thread(second)
        assert second.called.wait(PATIENCE_S)
    else:
        assert first.called.is_set()


SERVING = ("deploying", "journal", "running", "store")
STARTED_ELSEWHERE = {
    # One task or thread of one run or call, which its maker waits for or tells when it fails.
    "actors/loops/loop.py": "a service: a failed step is told and taken again",
    "api/sockets/events_in.py": "the answer of one socket",
    "api/sockets/handshake.py": "the sides of one socket: the first to end ends the others",
    "runtime/store/database/feed.py": "goes over to looking at intervals when it fails",
    "runtime/store/database/gathering.py": "one group: each of those who wait is given the error",
    "runtime/store/database/sqlite_thread.py": "each job is answered with its error",
}
"""Where tasks and threads are started without `long_lived`, and why that is no loop that dies in silence."""


def test_no_loop_is_started_where_nobody_watches_it() -> None:
    starters = {"create_task", "Thread", "Timer"}
    found: set[str] = set()
    for folder in ("actors", "pools", *(f"runtime/{each}" for each in SERVING), "api/sockets", "api/server"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    if node.func.attr in starters:
                        found.add(path.relative_to(ROOT).as_posix())
    assert sorted(found - set(STARTED_ELSEWHERE)) == []


@pytest.fixture(autouse=True)
def _errors_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
