"""Flows as people write them for the stock client: tasks, a map, a retry, a sub-flow, logs and a failure."""

import json

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run


@task
def add(x, y=1):
    get_run_logger().info("adding to %s", x)
    return x + y


@task(retries=1)
def flaky(tries=[]):  # noqa: B006
    tries.append(1)
    if len(tries) == 1:
        raise ValueError("the first time")
    return 7


@flow
def child(n: int):
    return add(n)


@flow(log_prints=True)
def main(n: int = 20):
    numbers = add.map(range(n))
    print("printed")
    return flow_run.id, sum(each.result() for each in numbers) + flaky() + child(3)


@flow
def fails():
    raise RuntimeError("on purpose")


if __name__ == "__main__":
    run_id, total = main()
    state = fails(return_state=True)
    failed = str(state.state_details.flow_run_id)
    print("SAID", json.dumps({"run": str(run_id), "total": total, "failed": failed}))
