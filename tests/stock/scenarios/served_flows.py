"""Flows that are served or deployed: executed by processes of their own."""

import time

from prefect import flow, get_run_logger, task
from prefect.flow_runs import suspend_flow_run


@task
def double(n):
    return 2 * n


@flow(persist_result=True)
def doubles(n: int = 1):
    get_run_logger().info("doubling %s", n)
    return sum(each.result() for each in double.map(range(n)))


@flow
def sleeps():
    time.sleep(300)


@flow(persist_result=True)
def suspends():
    suspend_flow_run(timeout=60)
    return "went on"


if __name__ == "__main__":
    from prefect import serve

    serve(
        doubles.to_deployment("served", interval=3600, parameters={"n": 2}),
        sleeps.to_deployment("served"),
        suspends.to_deployment("served"),
    )
