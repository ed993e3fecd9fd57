"""The owner of a run: this process, distinguished from every other one, even a later one with its
pid.
"""

from __future__ import annotations

import os
import platform
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..foundation import clock
from ..foundation.ids import uuid7

if TYPE_CHECKING:
    from ..records import Owner
    from ..store.database.rows import LeaseRow

_SAME_START_S = 2.0  # the start time is worked out from the boot time, which is known to the second


def owner_of_this_process() -> Owner:
    """This process as the owner of runs; the same until it ends or forks."""
    with _first:  # threads that ask at once, before it is known, must not become two owners
        return _owner(os.getpid())


def is_dead(lease: LeaseRow) -> bool:
    """Whether a run may be taken from the holder of its lease: that one is silent, or known to be gone."""
    return lease.owner is None or lease.lapsed or is_gone(lease)


def is_gone(lease: LeaseRow) -> bool:
    """Whether the holder's process has ended. Only of processes on this machine can that be known."""
    return is_gone_process(lease.host, lease.pid, lease.process_started)


def is_gone_process(host: str | None, pid: int | None, process_started: float | None) -> bool:
    """Whether a process of this machine has ended, also when another one has its pid by now."""
    if host != platform.node() or pid is None:
        return False
    started = _process_started(pid)
    if started is None:
        return not _exists(pid)
    return process_started is not None and abs(started - process_started) > _SAME_START_S


_first = threading.Lock()


def _anew_after_fork() -> None:
    global _first
    _first = threading.Lock()


os.register_at_fork(after_in_child=_anew_after_fork)


@lru_cache(maxsize=1)
def _owner(pid: int) -> Owner:
    from ..records import Owner

    return Owner(uuid7(), platform.node(), pid, _process_started(pid) or clock.epoch_s())


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_started(pid: int) -> float | None:
    """Epoch seconds at which a process started; None where the system does not tell (it is gone, or no
    /proc).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except (OSError, StopIteration, IndexError, ValueError):
        return None
    if fields[0] in ("Z", "X"):  # dead, only not reaped yet
        return -1.0
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
