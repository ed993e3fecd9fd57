"""`serve`, `deploy` and the process worker, as people of the stock client use them."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from parts import carry_out, wait_until
from prefect import flow, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

HERE = Path(__file__).parent


@contextmanager
def beside(*words):
    """A process of the stock client's environment, ended as by Ctrl-C."""
    process = subprocess.Popen([sys.executable, *words], cwd=HERE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(40)


def in_state(client, run_id, *names):
    def reached():
        run = client.read_flow_run(run_id)
        return run if run.state_name in names else None

    return wait_until(reached)


def deployment_named(client, name):
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


@flow
def calls_a_deployment(name):
    return run_deployment(name, parameters={"n": 3}, timeout=90, poll_interval=1).state.name


def started(client, place, *names):
    """Runs of deployments that wait for nobody, by the name of their flow."""
    return {name: run_deployment(f"{name}/{place}", timeout=0) for name in names}


def stopped(client, runs):
    """Cancels the sleeping run once it is awake."""
    in_state(client, runs["sleeps"].id, "Running")
    client.set_flow_run_state(runs["sleeps"].id, Cancelling())
    return in_state(client, runs["sleeps"].id, "Cancelled").state_name


def seen(client, place):
    """What is left of the deployment `doubles`."""
    deployment = deployment_named(client, f"doubles/{place}")
    asked = FlowRunFilterDeploymentId(any_=[deployment.id])
    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(deployment_id=asked))
    return {
        "status": deployment.status.value,
        "results": [each.state.result() for each in runs if each.state.is_completed()],
        "scheduled": len([each for each in runs if each.auto_scheduled]),
        "tracked": len([each for each in runs if each.parent_task_run_id]),
    }


def deployed():
    """Everything at once: most of the time goes into the imports of the processes."""
    worker = ("-m", "prefect", "worker", "start", "--pool", "shed", "--type", "process")
    with get_client(sync_client=True) as client, beside("served_flows.py"):
        client.create_work_pool(WorkPoolCreate(name="shed", type="process"))
        with beside(*worker):
            for name in ("doubles", "sleeps"):
                flow.from_source(str(HERE), f"served_flows.py:{name}").deploy("worked", work_pool_name="shed")
            at_worker = started(client, "worked", "doubles", "sleeps")
            wait_until(lambda: deployment_named(client, "suspends/served"))
            at_runner = started(client, "served", "sleeps", "suspends")
            called = calls_a_deployment("doubles/served")
            in_state(client, at_runner["suspends"].id, "Suspended")
            client.resume_flow_run(at_runner["suspends"].id)
            return {
                "called": called,
                "worker_cancelled": stopped(client, at_worker),
                "runner_cancelled": stopped(client, at_runner),
                "suspended": in_state(client, at_runner["suspends"].id, "Completed").run_count,
                "worked": in_state(client, at_worker["doubles"].id, "Completed").state.result(),
                "served": seen(client, "served"),
            }


if __name__ == "__main__":
    os.environ["PREFECT_RUNNER_POLL_FREQUENCY"] = "1"
    os.environ["PREFECT_WORKER_QUERY_SECONDS"] = "1"
    carry_out([deployed])
