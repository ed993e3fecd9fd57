"""Fan-out of no-op and 10 ms tasks: bare Ray, hand-chunked Ray and Heliostat, measured side by side.

    python benchmarks/fanout.py --items 10000 --database postgres --json

Heliostat's figures include recording: the clock stops when the database shows every task run as COMPLETED.
Ray and its workers are warm for all variants. Each round runs every variant; a ratio is the median of the
rounds' ratios, by the clock and by CPU seconds, which other programs on the machine disturb less.
"""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any

import measuring


def main() -> None:
    parser = measuring.arguments(__doc__ or "")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--sleeping-items", type=int, default=2_000, help="tasks of 10 ms")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with measuring.fresh_home(options.database):
        figures = measure(options.items, options.sleeping_items, options.rounds)
    figures |= {"database": options.database, "items": options.items, "rounds": options.rounds}
    measuring.report(figures, options.json)


def measure(items: int, sleeping_items: int, rounds: int) -> dict[str, Any]:
    """Warm up, run every variant once per round, and collect medians and ratios."""
    import ray

    from heliostat import current_flow_run, flow, task

    with contextlib.redirect_stderr(io.StringIO()):
        ray.init(logging_level="ERROR")
    slots = int(ray.cluster_resources()["CPU"])

    @ray.remote
    def bare(x: int) -> int:
        return x

    @ray.remote
    def chunk(xs: list[int]) -> list[int]:
        return [x for x in xs]

    @task
    def same(x: int) -> int:
        return x

    @task
    def sleep_10_ms(x: int) -> int:
        time.sleep(0.01)
        return x

    @flow
    def spread(work: Any, count: int) -> Any:
        futures = work.map(range(count))
        assert futures.result() == list(range(count))
        return current_flow_run().id

    def heliostat(work: Any, count: int) -> None:
        run_id = spread(work, count)
        assert measuring.completed_in_database(run_id) == count

    def ray_per_item() -> None:
        assert ray.get([bare.remote(x) for x in range(items)]) == list(range(items))

    def ray_by_hand() -> None:
        size = 500
        refs = [chunk.remote(list(range(at, min(at + size, items)))) for at in range(0, items, size)]
        assert [x for part in ray.get(refs) for x in part] == list(range(items))

    alone = same.with_options(pack=False)
    variants = {
        "ray_per_item": ray_per_item,
        "ray_chunked_by_hand": ray_by_hand,
        "heliostat_packed": lambda: heliostat(same, items),
        "heliostat_packing_off": lambda: heliostat(alone, items),
        "heliostat_10_ms": lambda: heliostat(sleep_10_ms, sleeping_items),
    }
    warm_up(ray, bare, lambda: (heliostat(same, 500), heliostat(alone, 200), heliostat(sleep_10_ms, 50)))
    taken = measuring.in_turns(rounds, variants)
    ray.shutdown()
    return summarise(taken, items, sleeping_items, slots)


def warm_up(ray: Any, bare: Any, heliostat: Any) -> None:
    """Start worker processes and load the code of every variant in them."""
    ray.get([bare.remote(x) for x in range(1_000)])
    heliostat()


def summarise(
    taken: dict[str, list[measuring.Taken]], items: int, sleeping_items: int, slots: int
) -> dict[str, Any]:
    seconds = {name: measuring.median([each.seconds for each in rounds]) for name, rounds in taken.items()}
    ideal_s = sleeping_items * 0.01 / slots
    against_bare = {
        name: [
            bare.seconds / ours.seconds for bare, ours in zip(taken["ray_per_item"], taken[name], strict=True)
        ]
        for name in ("heliostat_packed", "heliostat_packing_off")
    }
    by_cpu = [
        bare.cpu_s / ours.cpu_s
        for bare, ours in zip(taken["ray_per_item"], taken["heliostat_packing_off"], strict=True)
    ]
    return {
        "machine": measuring.machine(),
        "slots": slots,
        "seconds": seconds,
        "all_rounds": {name: [each.seconds for each in rounds] for name, rounds in taken.items()},
        "cpu_seconds": {name: [each.cpu_s for each in rounds] for name, rounds in taken.items()},
        "packing_off_by_round": {"clock": against_bare["heliostat_packing_off"], "cpu": by_cpu},
        "items_per_s": {
            name: (sleeping_items if name.endswith("10_ms") else items) / each
            for name, each in seconds.items()
        },
        "ratios": {
            "packed / bare Ray (target 15)": measuring.median(against_bare["heliostat_packed"]),
            "packing off / bare Ray (target 0.9)": measuring.median(against_bare["heliostat_packing_off"]),
            "packing off / bare Ray, in CPU seconds": measuring.median(by_cpu),
            "10 ms / ideal (target 0.95)": ideal_s / seconds["heliostat_10_ms"],
            "packed / Ray chunked by hand": seconds["ray_chunked_by_hand"] / seconds["heliostat_packed"],
        },
    }


if __name__ == "__main__":
    main()
