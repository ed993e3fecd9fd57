"""Durable tasks called one after another: inline, and through Ray.

    python benchmarks/steps.py --steps 1000 --database sqlite --json

The clock stops when the database shows every task run as COMPLETED.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import measuring


def main() -> None:
    parser = measuring.arguments(__doc__ or "")
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with measuring.fresh_home(options.database):
        figures = measure(options.steps, options.rounds)
    measuring.report(
        {"database": options.database, "steps": options.steps, "rounds": options.rounds} | figures,
        options.json,
    )


def measure(steps: int, rounds: int) -> dict[str, Any]:
    import ray

    from heliostat import current_flow_run, flow, task

    with contextlib.redirect_stderr(io.StringIO()):
        ray.init(logging_level="ERROR")

    @ray.remote
    def bare(x: int) -> int:
        return x + 1

    @task
    def step(x: int) -> int:
        return x + 1

    @flow
    def called(count: int) -> Any:
        value = 0
        for _ in range(count):
            value = step(value)
        assert value == count
        return current_flow_run().id

    @flow
    def submitted(count: int) -> Any:
        value = 0
        for _ in range(count):
            value = step.submit(value).result()
        assert value == count
        return current_flow_run().id

    def recorded(work: Any) -> None:
        assert measuring.completed_in_database(work(steps)) == steps

    def bare_ray() -> None:
        value = 0
        for _ in range(steps):
            value = ray.get(bare.remote(value))
        assert value == steps

    variants = {
        "called_inline": lambda: recorded(called),
        "submitted_to_ray": lambda: recorded(submitted),
        "bare_ray": bare_ray,
    }
    for run in variants.values():
        run()
    taken = measuring.in_turns(rounds, variants)
    ray.shutdown()
    seconds = {name: measuring.median([each.seconds for each in rounds]) for name, rounds in taken.items()}
    return {
        "machine": measuring.machine(),
        "steps_per_s": {name: steps / each for name, each in seconds.items()},
        "all_rounds_s": {name: [each.seconds for each in rounds] for name, rounds in taken.items()},
        "ratios": {"submitted to Ray / bare Ray": seconds["bare_ray"] / seconds["submitted_to_ray"]},
    }


if __name__ == "__main__":
    main()
