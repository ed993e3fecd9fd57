"""Calls that are cancelled while Ray's workers execute them end Cancelled, and what they started ends too.

Seen: the program that a task waited for was killed when its worker was ended by force. Before the worker was
gone the task took that for an answer, executed its next line and passed for completed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

from heliostat import flow, task
from heliostat.runtime.authoring.futures import TaskFutureList
from heliostat.runtime.engine.session import FlowSession, flow_session

IGNORING = (
    "import os, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    "time.sleep(300)"
)
FOREVER = 300.0


def is_gone(pid_file: str) -> bool:
    try:
        pid = int(Path(pid_file).read_text())
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def all_cancelled(session: FlowSession, futures: TaskFutureList[Any]) -> bool:
    """Whether all have ended; else the packs that they are in are cancelled (a call may change its pack)."""
    dispatcher = session.dispatching.get()
    for pack in list(dispatcher.packs.values()):
        if pack.cancel_asked_s is None:
            dispatcher._cancelling._stop(pack, force=False)
    return all(future.done() for future in futures)


def has_begun(file: Path, is_written: bool) -> bool:
    return file.exists() and (not is_written or bool(file.read_text()))


@task
def inner(folder: str) -> None:
    Path(folder, "inner-began").touch()
    while True:
        time.sleep(0.1)


@task(retries=2)
def work(way: str, folder: str) -> str:
    pid = os.path.join(folder, way)
    shell = f"echo $$ > {pid}; sleep 300; true"
    try:
        if way == "run":
            subprocess.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 300"], check=False)
        elif way == "ignoring":
            subprocess.run([sys.executable, "-c", IGNORING, pid], check=False)
        elif way == "shell":
            subprocess.run(shell, shell=True, check=False)
        elif way == "wait":
            subprocess.Popen(["sh", "-c", shell]).wait()
        elif way == "system":
            os.system(shell)
        elif way == "process":
            import multiprocessing

            made = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(FOREVER,))
            made.start()
            Path(pid).write_text(str(made.pid))
            made.join()
        elif way == "sleep":
            Path(pid).touch()
            time.sleep(FOREVER)
        elif way == "swallows":
            Path(pid).touch()
            with suppress(BaseException):
                time.sleep(FOREVER)
            return "went on"
        elif way == "stubborn":
            Path(pid).touch()
            while True:
                with suppress(BaseException):
                    time.sleep(FOREVER)
        elif way == "nested":
            future = inner.submit(folder)
            while not os.path.exists(os.path.join(folder, "inner-began")):
                time.sleep(0.02)
            Path(pid).touch()
            future.result()
        Path(folder, f"{way}-after").touch()
    finally:
        if way == "sleep":
            raise ValueError("cannot clean up")
    return "completed"


@task
async def work_async(way: str, folder: str) -> str:
    pid = os.path.join(folder, way)
    if way == "async program":
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", IGNORING, pid)
        await program.wait()
    else:
        Path(pid).touch()
        time.sleep(FOREVER)
    Path(folder, f"{way}-after").touch()
    return "completed"


SYNC = ["run", "ignoring", "shell", "wait", "system", "process", "sleep", "swallows", "stubborn", "nested"]
ASYNC = ["async program", "async blocks"]
WITH_PROGRAMS = ["run", "ignoring", "shell", "wait", "system", "process", "async program"]


@pytest.mark.parametrize("travels", ["alone", "in a pack"])
def test_calls_end_cancelled_whatever_they_wait_for(recorded: Any, tmp_path: Path, travels: str) -> None:
    size = 1 if travels == "alone" else 2
    states: dict[str, list[str]] = {}

    @flow(task_runner="ray")
    def run() -> None:
        session = flow_session.get()
        assert session is not None
        for way in [*SYNC, *ASYNC]:
            call = (work if way in SYNC else work_async).with_options(name=way, pack=size)
            futures = call.map([way] * size, str(tmp_path))
            wait_for(lambda way=way: has_begun(tmp_path / way, way in WITH_PROGRAMS))
            wait_for(lambda futures=futures: all_cancelled(session, futures))
            states[way] = [each.name for each in futures.wait(60)]

    run()
    assert states == {way: ["Cancelled"] * size for way in [*SYNC, *ASYNC]}
    assert not list(tmp_path.glob("*-after"))
    for way in WITH_PROGRAMS:
        wait_for(lambda way=way: is_gone(str(tmp_path / way)))
    recorded_states = {row.state_type for row in recorded.tasks().values()}
    assert recorded_states == {"CANCELLED"}


def test_calls_of_a_pack_that_had_completed_stay_so(recorded: Any, tmp_path: Path) -> None:
    began = tmp_path / "began"

    @task(pack=3)
    def call(number: int) -> int:
        if number == 2:
            began.touch()
            subprocess.run(["sleep", "300"], check=False)
        return number

    @flow(task_runner="ray")
    def run() -> None:
        call.map([0, 1, 2])
        wait_for(began.exists)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    states = {name: row.state_type for name, row in recorded.tasks().items()}
    assert states == {"call-0": "COMPLETED", "call-1": "COMPLETED", "call-2": "CANCELLED"}
