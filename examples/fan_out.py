"""Fan out: many short calls of one task, mapped over a range, then a sum.

Run it with `python examples/fan_out.py`. Ten thousand calls go out in packs; each is a task run of its own in
the database. Where they run is one option: `--runner threads` of `heliostat flow run`, or
HELIOSTAT_TASK_RUNNER.
"""

import random

from heliostat import flow, task, unmapped


@task
def hits(seed: int, throws: int) -> int:
    """How many random points in a square lie in the circle inside it."""
    dice = random.Random(seed)
    return sum(dice.random() ** 2 + dice.random() ** 2 <= 1 for _ in range(throws))


@flow(flow_run_name="pi from {tasks} tasks")
def estimate_pi(tasks: int = 10_000, throws: int = 1_000) -> float:
    found = hits.map(range(tasks), unmapped(throws))
    return 4 * sum(found.result()) / (tasks * throws)


if __name__ == "__main__":
    print(f"pi is about {estimate_pi():.3f}")
