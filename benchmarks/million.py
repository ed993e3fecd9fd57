"""A lazy map over a million items: does memory stay bounded, and how many items per second are recorded?

    python benchmarks/million.py --items 1000000 --database postgres --json

The items come from a generator. The clock stops when the database shows every task run as COMPLETED. Memory
is the resident set, sampled four times a second, of the driver alone and of the driver with its Ray workers.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import measuring
import psutil


def main() -> None:
    parser = measuring.arguments(__doc__ or "")
    parser.add_argument("--items", type=int, default=1_000_000)
    options = parser.parse_args()
    with measuring.fresh_home(options.database):
        figures = measure(options.items)
    measuring.report({"database": options.database, "items": options.items} | figures, options.json)


def measure(items: int) -> dict[str, Any]:
    import ray

    from heliostat import current_flow_run, flow, task

    with contextlib.redirect_stderr(io.StringIO()):
        ray.init(logging_level="ERROR")

    @task
    def same(x: int) -> int:
        return x

    @flow
    def spread(count: int) -> Any:
        futures = same.map(x for x in range(count))
        states = futures.counts() if futures.fanout.wait_all() else {}
        assert states == {"Completed": count}, states
        assert futures[count - 1].result() == count - 1
        return current_flow_run().id

    spread(1_000)
    with MemorySampler() as memory:
        began = time.perf_counter()
        run_id = spread(items)
        assert measuring.completed_in_database(run_id) == items
        taken_s = time.perf_counter() - began
    ray.shutdown()
    mib = 2**20
    return {
        "machine": measuring.machine(),
        "seconds": taken_s,
        "items_per_s (target 10,000)": items / taken_s,
        "driver_start_mib": memory.driver_start / mib,
        "driver_peak_mib (target below 1024)": memory.driver_peak / mib,
        "driver_and_workers_peak_mib": memory.all_peak / mib,
    }


class MemorySampler:
    """Samples resident memory in a thread while the `with` block runs."""

    def __init__(self) -> None:
        self._me = psutil.Process()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.driver_start = self.driver_peak = self._me.memory_info().rss
        self.all_peak = 0

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(0.25):
            driver = self._me.memory_info().rss
            self.driver_peak = max(self.driver_peak, driver)
            self.all_peak = max(self.all_peak, driver + sum(_rss(each) for each in self._workers()))

    def _workers(self) -> Iterator[psutil.Process]:
        for child in self._me.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "ray::" in " ".join(child.cmdline()):
                    yield child


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
