"""A call that was cancelled while it ran ends Cancelled, whatever its code makes of that.

Seen: a task that waited for a program in `subprocess.run` was cancelled. The program was killed first, so the
task took its end for an answer, executed its next line and passed for completed. The rule: the code hears of
it first, in whatever it waits for; its programs end with it; and it counts as completed only if its last line
was reached before anyone asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from heliostat import flow, task
from heliostat.runtime.engine import programs
from heliostat.runtime.engine.session import flow_session

FOREVER = 300.0
IGNORING = [
    sys.executable,
    "-c",
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "time.sleep(300)",
]
"""A program that hears neither SIGTERM nor SIGINT; it writes its process id to a file."""

WAYS = ["run", "wait", "check_output", "shell", "system", "ignoring", "as a context"]


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any) -> None: ...


def is_gone(pid_file: Path) -> bool:
    """Whether the process that wrote its id there has ended (it may be left to be waited for)."""
    try:
        state = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def cancelled_while(began: Path, work: Callable[[], Any], runner: str = "threads", **options: Any) -> str:
    """Cancel a call of `work` once it has made the file `began`; gives the name of its state."""

    @task(**options)
    def call() -> Any:
        return work()

    @task
    async def call_async() -> Any:
        return await work()

    @flow(task_runner=runner)
    def run() -> str:
        session = flow_session.get()
        assert session is not None

        def cancel() -> None:  # in a thread: inline, the call is over when `submit` returns
            wait_for(began.exists)
            dispatcher = session.dispatching.started
            for fanout in list(dispatcher.fanouts if dispatcher else ()):
                fanout.cancel(0)

        thread = threading.Thread(target=cancel)
        thread.start()
        future = (call_async if asyncio.iscoroutinefunction(work) else call).submit()
        thread.join()
        return future.wait(60).name

    return run()


@pytest.mark.parametrize("runner", ["inline", "threads"])
@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_waits_for_a_program_is_cancelled_and_the_program_ends(
    tmp_path: Path, runner: str, way: str, recorded: Any
) -> None:
    began, after, pid = tmp_path / "began", tmp_path / "after", tmp_path / "pid"
    polite = ["sh", "-c", f"echo $$ > {pid}; exec sleep 300"]
    command = [*IGNORING, str(pid)] if way == "ignoring" else polite

    def work() -> None:
        def tell() -> None:
            wait_for(lambda: pid.exists() and pid.read_text())
            began.touch()

        threading.Thread(target=tell).start()
        if way in ("run", "ignoring"):
            subprocess.run(command, check=False)
        elif way == "wait":
            subprocess.Popen(command).wait()
        elif way == "check_output":
            subprocess.check_output(command)
        elif way == "shell":
            subprocess.run(f"sh -c 'echo $$ > {pid}; sleep 300; true'; true", shell=True, check=False)
        elif way == "as a context":
            with subprocess.Popen(command) as program:
                program.wait()
        else:
            os.system(f"sh -c 'echo $$ > {pid}; sleep 300; true'")
        after.touch()

    assert cancelled_while(began, work, runner) == "Cancelled"
    assert not after.exists()
    assert recorded.task("call-0").state_type == "CANCELLED"
    wait_for(lambda: is_gone(pid))


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_a_call_that_swallows_its_cancellation_has_not_completed(tmp_path: Path, runner: str) -> None:
    began = tmp_path / "began"

    def work() -> str:
        try:
            began.touch()
            busy()
        except BaseException:
            pass
        return "went on"

    assert cancelled_while(began, work, runner, retries=3) == "Cancelled"


@pytest.mark.parametrize("runner", ["inline", "threads"])
def test_what_a_cancelled_call_raises_instead_is_no_failure_and_no_reason_to_try_again(
    tmp_path: Path, runner: str, recorded: Any
) -> None:
    began, hooks = tmp_path / "began", list[str]()

    def work() -> None:
        try:
            began.touch()
            busy()
        finally:
            raise ValueError("cannot clean up")

    def told(_task: Any, _run: Any, state: Any) -> None:
        hooks.append(state.name)

    assert cancelled_while(began, work, runner, retries=3, on_failure=[told]) == "Cancelled"
    assert hooks == []
    assert "Retrying" not in recorded.task_states("call-0")


def busy() -> None:
    limit = time.monotonic() + FOREVER
    while time.monotonic() < limit:
        pass


def test_a_call_that_has_completed_stays_so(tmp_path: Path, recorded: Any) -> None:
    """One thread executes the calls in turn; the last one is cancelled with its run."""
    began = tmp_path / "began"

    @task(pack=3)
    def call(number: int) -> int:
        if number == 2:
            began.touch()
            busy()
        return number

    @flow(task_runner="threads")
    def run() -> None:
        call.map([0, 1, 2])
        wait_for(began.exists)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    states = {name: row.state_type for name, row in recorded.tasks().items()}
    assert states == {"call-0": "COMPLETED", "call-1": "COMPLETED", "call-2": "CANCELLED"}
    assert recorded.run().state_name == "Cancelled"


def test_an_async_call_is_cancelled_with_the_program_that_it_waits_for(tmp_path: Path) -> None:
    began, after = tmp_path / "began", tmp_path / "after"

    async def work() -> None:
        program = await asyncio.create_subprocess_exec(*IGNORING, str(began))
        await program.wait()
        after.touch()

    assert cancelled_while(began, work) == "Cancelled"
    assert not after.exists()
    wait_for(lambda: is_gone(began))


def test_an_async_call_that_keeps_its_loop_from_hearing_is_cancelled_alike(tmp_path: Path) -> None:
    began = tmp_path / "began"

    async def work() -> None:
        began.touch()
        busy()

    assert cancelled_while(began, work) == "Cancelled"


def test_an_async_call_that_swallows_its_cancellation_has_not_completed(tmp_path: Path) -> None:
    began = tmp_path / "began"

    async def work() -> str:
        began.touch()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(FOREVER)
        return "went on"

    assert cancelled_while(began, work) == "Cancelled"


def test_a_call_that_waits_for_its_next_attempt_is_not_tried_again(tmp_path: Path, recorded: Any) -> None:
    """Called directly: its run was left waiting for a retry that never came."""

    @task(retries=2, retry_delay_seconds=FOREVER)
    def call() -> None:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        raise ValueError("once")

    @flow
    def run() -> None:
        call()

    with pytest.raises(KeyboardInterrupt):
        run()
    assert recorded.task("call-0").state_type == "CANCELLED"


def test_programs_of_other_threads_and_of_before_are_left_alone() -> None:
    before = subprocess.Popen(["sleep", "300"])
    time.sleep(0.2)  # the system dates a start to a hundredth of a second
    moment = time.time()
    others: list[subprocess.Popen[bytes]] = []
    ready, done = threading.Event(), threading.Event()

    def elsewhere() -> None:
        others.append(subprocess.Popen(["sleep", "300"]))
        ready.set()
        done.wait()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    ready.wait()
    own = subprocess.Popen(["sh", "-c", "sleep 300; true"])
    try:
        wait_for(lambda: len(programs.started_by(threading.get_native_id(), moment)), 2)
        found = programs.started_by(threading.get_native_id(), moment)
        assert own.pid in {each.pid for each in found}
        programs.end(found)
        assert own.wait() == -signal.SIGTERM
        assert before.poll() is None
        assert others[0].poll() is None
    finally:
        done.set()
        for program in (before, *others):
            program.kill()
            program.wait()
