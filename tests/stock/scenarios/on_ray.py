"""Deployments by the stock client to a work pool of type `ray`, whose runs no worker executes."""

from pathlib import Path

from parts import carry_out, wait_until
from places import in_state, started
from prefect import flow, get_client
from prefect.client.schemas.filters import LogFilter
from prefect.states import Cancelling

HERE = Path(__file__).parent


def said(client, run_id, *messages):
    """Waits until the run's log has the messages; gives how often it has each."""

    def logged():
        lines = [each.message for each in client.read_logs(LogFilter(flow_run_id={"any_": [run_id]}))]
        return set(messages) <= set(lines) and [lines.count(each) for each in messages]

    return wait_until(logged)


def on_ray():
    for name in ("triples", "rests"):
        source = flow.from_source(str(HERE), f"moved_flows.py:{name}")
        source.deploy("on-ray", work_pool_name="default", print_next_steps=False)
    with get_client(sync_client=True) as client:
        runs = started(client, "on-ray", "rests", "triples")
        said(client, runs["rests"].id, "resting")
        client.set_flow_run_state(runs["rests"].id, Cancelling())
        done = in_state(client, runs["triples"].id, "Completed")
        return {
            "result": done.state.result(),
            "said": said(client, done.id, "tripling 1", "shown only"),
            "cancelled": in_state(client, runs["rests"].id, "Cancelled").state.name,
            "hook": said(client, runs["rests"].id, "goodbye"),
        }


if __name__ == "__main__":
    carry_out([on_ray])
