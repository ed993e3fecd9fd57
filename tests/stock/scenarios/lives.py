"""Runs that pause, wait for people, are sent messages, and work in the background, with the stock client."""

import asyncio
import threading

from parts import carry_out, wait_until
from prefect import flow, get_client, task
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput, receive_input, send_input
from prefect.task_worker import TaskWorker


class Answer(RunInput):
    number: int
    word: str = "none"


@flow
def pauses():
    pause_flow_run(timeout=60, poll_interval=1)
    return "went on"


@flow
def asks():
    answer = pause_flow_run(wait_for_input=Answer, timeout=60, poll_interval=1)
    return answer.number


@flow
def waits_too_long():
    pause_flow_run(timeout=1, poll_interval=1)


@flow
def talks():
    for said in receive_input(str, timeout=30, poll_interval=0.5):
        return said


def run_named(client, name, state):
    asked = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
    found = client.read_flow_runs(flow_run_filter=asked)
    return [each.id for each in found if each.state_name == state]


def aside(a_flow, name):
    """Run a flow in a thread; gives what joins it."""
    results = []

    def run():
        results.append(a_flow.with_options(flow_run_name=name)(return_state=True))

    thread = threading.Thread(target=run)
    thread.start()

    def joined():
        thread.join(60)
        return results[0]

    return joined


def pausing():
    with get_client(sync_client=True) as client:
        plain, asking = aside(pauses, "the-pausing"), aside(asks, "the-asking")
        [run_id] = wait_until(lambda: run_named(client, "the-pausing", "Paused"))
        client.resume_flow_run(run_id)
        [run_id] = wait_until(lambda: run_named(client, "the-asking", "Paused"))
        # The client says what it asks for only after its run is paused; until then every answer is refused.
        wait_until(lambda: client.filter_flow_run_input(run_id, key_prefix="", limit=1, exclude_keys=set()))
        refused = client.resume_flow_run(run_id, run_input={"number": "many"})
        assert refused.status.value == "REJECT", refused
        taken = client.resume_flow_run(run_id, run_input={"number": 5})
        assert taken.status.value == "ACCEPT", taken
        assert asking().result() == 5
    return plain().result()


def inputs():
    with get_client(sync_client=True) as client:
        talking = aside(talks, "the-talking")
        [run_id] = wait_until(lambda: run_named(client, "the-talking", "Running"))
        send_input("hello", flow_run_id=run_id)
    return talking().result()


@task(persist_result=True)
def later(x, y=1):
    return x + y


async def _in_background():
    early = [later.delay(number, y=number) for number in range(2)]
    with get_client(sync_client=True) as client:
        waiting = [client.read_task_run(each.task_run_id).state_name for each in early]
        async with TaskWorker(later, limit=2) as worker:
            serving = asyncio.create_task(worker._subscribe_to_task_scheduling())
            late = await asyncio.to_thread(later.delay, 10)
            answers = [await each.result_async(timeout=40) for each in (*early, late)]
            [listed] = client._client.post("/task_workers/filter", json={}).json()
            serving.cancel()
    assert listed["task_keys"] == [later.task_key], listed
    return {"waiting": waiting, "answers": answers}


def background():
    return asyncio.run(_in_background())


if __name__ == "__main__":
    carry_out([pausing, inputs, background])
