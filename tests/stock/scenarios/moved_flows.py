"""Flows of the stock client that a pool of type `ray` executes; they know nothing of it."""

import time

from prefect import flow, get_run_logger, task


@task
def triple(n):
    return 3 * n


@flow(persist_result=True)
def triples(n: int = 1):
    get_run_logger().info("tripling %s", n)
    print("shown only")
    return sum(each.result() for each in triple.map(range(n)))


def say_goodbye(flow, flow_run, state):
    print("goodbye")


@flow(on_cancellation=[say_goodbye])
def rests():
    get_run_logger().info("resting")
    time.sleep(300)
