"""Programs that a call has started: they end with it when it is cancelled, or when its time is over.

The system knows which thread has started which process. What a thread started after a moment, with all that
these programs started themselves, is told to end (SIGTERM) and killed when it does not.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..foundation import clock

GRACE_S = 0.8  # from SIGTERM to SIGKILL; shorter than a cancelled worker's own grace
_LOOK_EVERY_S = 0.02
_CLOCK_SLACK_S = 0.05  # the system rounds the moment of a start


class Program(NamedTuple):
    """A process, with the moment of its start in the system's ticks: a process id alone may be used again."""

    pid: int
    started: int


def started_by(thread_id: int | None, since_s: float) -> list[Program]:
    """The programs that a thread of this process (by its native id; None: any thread) has started since that
    moment, and all below them. Nothing where the system does not tell.
    """
    ticks = _ticks_at(since_s)
    if ticks is None:
        return []
    spared = _helpers()
    found: list[Program] = []
    for pid in _children(os.getpid(), thread_id):
        program = _program(pid)
        if program is not None and program.started >= ticks and pid not in spared:
            found.append(program)
    for program in found:  # grows meanwhile
        found += [each for pid in _children(program.pid, None) if (each := _program(pid)) is not None]
    return found


def end(programs: Iterable[Program], grace_s: float = GRACE_S) -> None:
    """Ask the programs to end, wait for it at most `grace_s`, and kill what is left with all that it started
    meanwhile. The code that started them still has to wait for them.
    """
    left = [each for each in programs if _signal(each, signal.SIGTERM)]
    until = clock.monotonic_s() + grace_s
    while left and clock.monotonic_s() < until:
        clock.sleep(_LOOK_EVERY_S)
        left = [each for each in left if _lives(each)]
    for each in left:
        below = [program for pid in _children(each.pid, None) if (program := _program(pid)) is not None]
        for program in (each, *below):
            _signal(program, signal.SIGKILL)


def _ticks_at(moment_s: float) -> int | None:
    """A moment as the system dates processes: in ticks since its own start."""
    try:
        age_s = clock.epoch_s() - moment_s + _CLOCK_SLACK_S
        return int((clock.since_boot_s() - age_s) * os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return None


def _children(pid: int, thread_id: int | None) -> list[int]:
    found: list[int] = []
    tasks = Path(f"/proc/{pid}/task")
    with suppress(OSError):
        threads = [str(thread_id)] if thread_id is not None else [each.name for each in tasks.iterdir()]
        for thread in threads:
            with suppress(OSError):
                found += map(int, (tasks / thread / "children").read_text(encoding="utf-8").split())
    return found


def _program(pid: int) -> Program | None:
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else Program(pid, int(fields[19]))


def _stat(pid: int) -> list[str] | None:
    """What the system says of a process, from its state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # its name may contain anything


def _lives(program: Program) -> bool:
    return _program(program.pid) == program


def _signal(program: Program, number: signal.Signals) -> bool:
    if not _lives(program):
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.kill(program.pid, number)
        return True
    return False


def _helpers() -> set[int]:
    """Python's own helper processes, which later code of this process will use too."""
    tracker = sys.modules.get("multiprocessing.resource_tracker")
    pid = getattr(getattr(tracker, "_resource_tracker", None), "_pid", None)
    return set() if pid is None else {pid}
