"""Limits on tags hold while processes are killed, and what a killed one held is free again soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import os
import sys
import time

from heliostat import flow, task

lines = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def leave(word):
    os.write(lines, f"{word} {os.getpid()}\\n".encode())


@task(tags=["scarce"])
def work(number):
    leave("in")
    time.sleep(0.002)
    leave("out")


@flow(task_runner="threads")
def many(count: int):
    work.map(range(count)).result()


many(int(sys.argv[2]))
leave("done")
"""
LIMIT, CALLS, PATIENCE_S = 3, 167, 240.0


class Scripts:
    """Processes that run the script on one database, and what they left, in the order in which they did."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "many.py"
        self._script.write_text(SCRIPT)
        self._left = folder / "left.txt"
        self._left.touch()
        self.running: list[subprocess.Popen[str]] = []
        self.killed: dict[int, int] = {}  # processes, and how many lines there were when they were dead

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(self._script), str(self._left), str(CALLS)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running.append(process)
        return process

    def lines(self) -> list[tuple[str, int]]:
        complete = self._left.read_text().rpartition("\n")[0]
        return [(word, int(pid)) for word, pid in (line.split() for line in complete.splitlines())]

    def kill_inside(self, process: subprocess.Popen[str]) -> None:
        """Kill a process that has a call under way, so that it dies with its slots."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            os.kill(process.pid, signal.SIGSTOP)
            mine = [word for word, pid in self.lines() if pid == process.pid]
            if len(mine) > 20 and mine.count("in") > mine.count("out"):
                process.kill()
                process.wait()
                self.running.remove(process)
                self.killed[process.pid] = len(self.lines())
                return
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.003)
        raise AssertionError("the process was never met inside a call")

    def wait(self) -> None:
        for process in self.running:
            said, _ = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, said

    def most_at_once(self) -> int:
        """How many calls were inside at a time; those of a killed process left when it was dead."""
        inside: dict[int, int] = {}
        most = 0
        for number, (word, pid) in enumerate(self.lines()):
            for dead, at in self.killed.items():
                if number >= at:
                    inside.pop(dead, None)
            if word != "done":
                inside[pid] = inside.get(pid, 0) + (1 if word == "in" else -1)
                most = max(most, sum(inside.values()))
        return most


@pytest.fixture
def scripts(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", database_url)
    monkeypatch.setenv("HELIOSTAT_LEASE_S", "3")  # else two kills are half a minute of waiting
    return Scripts(tmp_path)


async def test_no_more_calls_than_the_limit_in_three_processes_of_which_two_are_killed(
    scripts: Scripts, database_url: str
) -> None:
    from heliostat.runtime.store import concurrency_limits
    from heliostat.runtime.store.database.database import Database

    db = await Database.open(database_url)
    try:
        await concurrency_limits.set_tag_limit(db, "scarce", LIMIT)
        first, second, _ = (scripts.start() for _ in range(3))
        scripts.kill_inside(first)
        scripts.start()
        scripts.kill_inside(second)
        scripts.start()
        scripts.wait()
        words = [word for word, _ in scripts.lines()]
        assert words.count("done") == 3
        assert words.count("out") >= 3 * CALLS
        assert scripts.most_at_once() <= LIMIT
        assert (await concurrency_limits.read(db, "tag:scarce")).active_slots == 0
    finally:
        await db.close()
