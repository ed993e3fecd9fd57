"""One argument for every call: a large array, a list and a dict, measured beside bare Ray.

    python benchmarks/constants.py --json

Bare Ray is used as its users do: `ray.put` once, then one `remote` per call. Heliostat's figures include
recording: the clock stops when the database shows every task run as COMPLETED.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import measuring

ARRAY_BYTES = 40 * 1024 * 1024


def main() -> None:
    parser = measuring.arguments(__doc__ or "")
    parser.add_argument("--calls", type=int, default=100, help="calls that get the array of 40 MiB")
    parser.add_argument("--items", type=int, default=10_000, help="calls that get a list or dict")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with measuring.fresh_home(options.database):
        figures = measure(options.calls, options.items, options.rounds)
    figures |= {"database": options.database, "rounds": options.rounds}
    measuring.report(figures, options.json)


def measure(calls: int, items: int, rounds: int) -> dict[str, Any]:
    """Run every variant once per round, and collect medians and ratios."""
    import numpy as np
    import ray

    from heliostat import current_flow_run, flow, task, unmapped

    with contextlib.redirect_stderr(io.StringIO()):
        ray.init(logging_level="ERROR")
    array = np.arange(ARRAY_BYTES // 8, dtype=float)
    config = {f"key {number}": [number, str(number)] for number in range(50)}

    @ray.remote
    def bare_pick(i: int, values: Any) -> float:
        return float(values[i])

    @task
    def pick(i: int, values: Any) -> float:
        return float(values[i])

    @task
    def same(i: int, _given: Any) -> int:
        return i

    @flow(validate_parameters=False)
    def spread(work: Any, count: int, given: Any) -> Any:
        futures = work.map(range(count), unmapped(given))
        assert futures.result() == list(range(count))
        return current_flow_run().id

    @flow(validate_parameters=False)
    def submitted(count: int, given: Any) -> Any:
        futures = [pick.submit(i, given) for i in range(count)]
        assert [future.result() for future in futures] == list(range(count))
        return current_flow_run().id

    def heliostat(work: Any, count: int, given: Any) -> None:
        assert measuring.completed_in_database(spread(work, count, given)) == count

    def bare_array() -> None:
        shared = ray.put(array)
        assert ray.get([bare_pick.remote(i, shared) for i in range(calls)]) == list(range(calls))

    def bare_submitted() -> None:
        assert ray.get([bare_pick.remote(i, array) for i in range(calls)]) == list(range(calls))

    def heliostat_submitted() -> None:
        assert measuring.completed_in_database(submitted(calls, array)) == calls

    variants = {
        "ray_array": bare_array,
        "heliostat_array": lambda: heliostat(pick, calls, array),
        "ray_array_submitted": bare_submitted,
        "heliostat_array_submitted": heliostat_submitted,
        "heliostat_number": lambda: heliostat(same, items, 1),
        "heliostat_list": lambda: heliostat(same, items, [1, 2, 3]),
        "heliostat_dict": lambda: heliostat(same, items, config),
    }
    ray.get([bare_pick.remote(i, [0] * 200) for i in range(200)])
    heliostat(pick, 200, list(range(200)))
    heliostat(same, 500, config)
    submitted(20, list(range(20)))
    taken = measuring.in_turns(rounds, variants)
    ray.shutdown()
    seconds = {name: measuring.median([each.seconds for each in every]) for name, every in taken.items()}

    def ratio(ours: str, other: str) -> float:
        pairs = zip(taken[ours], taken[other], strict=True)
        return measuring.median([mine.seconds / theirs.seconds for mine, theirs in pairs])

    return {
        "machine": measuring.machine(),
        "seconds": seconds,
        "all_rounds": {name: [each.seconds for each in every] for name, every in taken.items()},
        "ratios": {
            "array to every call of a map / bare Ray (at most 2)": ratio("heliostat_array", "ray_array"),
            "array submitted each time / bare Ray": ratio("heliostat_array_submitted", "ray_array_submitted"),
            "list to every call / number to every call": ratio("heliostat_list", "heliostat_number"),
            "dict of 50 lists to every call / number": ratio("heliostat_dict", "heliostat_number"),
        },
    }


if __name__ == "__main__":
    main()
