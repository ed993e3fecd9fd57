"""Who this process is as the owner of runs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from heliostat.runtime.engine import owner


def test_threads_that_ask_at_the_same_time_are_one_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=0.2)
    real = owner._process_started

    def started(pid: int) -> float | None:
        try:
            both.wait()  # as long as it takes another thread to come here, too
        except threading.BrokenBarrierError:
            pass
        return real(pid)

    monkeypatch.setattr(owner, "_process_started", started)
    owner._owner.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: owner.owner_of_this_process().id, range(4)))
    assert len(set(found)) == 1
