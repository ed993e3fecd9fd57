"""Walks of states over REST and where they lead, as the standard's server answered them: a table of both.

Each step is a proposed state, `!` by force; what came of it is the outcome and the state that the run has
then, in brackets where nothing was written. At the end stand the run's own facts, see `facts_of`.
"""

from __future__ import annotations

from typing import Any

LONG_AGO = "2020-01-01T00:00:00Z"
FAR_OFF = "2090-01-01T00:00:00Z"
KEPT = {"type": "reference", "storage_key": "k"}

PROPOSALS: dict[str, dict[str, Any]] = {
    "due": {"type": "SCHEDULED", "state_details": {"scheduled_time": LONG_AGO}},
    "future": {"type": "SCHEDULED", "state_details": {"scheduled_time": FAR_OFF}},
    "late": {"type": "SCHEDULED", "name": "Late"},
    "retry": {"type": "SCHEDULED", "name": "AwaitingRetry", "state_details": {"scheduled_time": LONG_AGO}},
    "pending": {"type": "PENDING"},
    "submitting": {"type": "PENDING", "name": "Submitting"},
    "deferred": {"type": "PENDING", "state_details": {"deferred": True}},
    "running": {"type": "RUNNING"},
    "completed": {"type": "COMPLETED"},
    "kept": {"type": "COMPLETED", "data": KEPT},
    "unkept": {"type": "COMPLETED", "data": {"type": "unpersisted"}},
    "failed": {"type": "FAILED", "message": "bad"},
    "cancelled": {"type": "CANCELLED"},
    "crashed": {"type": "CRASHED"},
    "cancelling": {"type": "CANCELLING"},
    "paused": {"type": "PAUSED", "state_details": {"pause_timeout": FAR_OFF, "pause_key": "k1"}},
    "overdue": {"type": "PAUSED", "state_details": {"pause_timeout": LONG_AGO}},
    "suspended": {
        "type": "PAUSED",
        "name": "Suspended",
        "state_details": {"pause_timeout": FAR_OFF, "pause_reschedule": True, "pause_key": "k2"},
    },
}


async def walked(api: Any, kind: str, run: dict[str, Any], walk: str) -> str:
    """What became of each step: "STATUS Name" or, with nothing written, "STATUS (Name)"."""
    became: list[str] = []
    for step in walk.split():
        body = {"state": PROPOSALS[step.rstrip("!")], "force": step.endswith("!")}
        answer = await api.post(f"/{kind}/{run['id']}/set_state", json=body)
        assert answer.status_code in (200, 201), answer.text
        said = answer.json()
        name = said["state"]["name"]
        became.append(f"{said['status']} {name if answer.status_code == 201 else f'({name})'}")
    return ", ".join(became)


async def facts_of(api: Any, kind: str, run: dict[str, Any]) -> tuple[int, int | None, int | None]:
    """How often it ran, and the places in its history of the states with which it began and ended."""
    one = kind.removesuffix("s")
    history = (await api.get(f"/{one}_states/", params={f"{one}_id": run["id"]})).json()
    places = {state["timestamp"]: place for place, state in enumerate(history)}
    now = (await api.get(f"/{kind}/{run['id']}")).json()
    ran = any(before["type"] == "RUNNING" for before in history[:-1])
    assert now["state"]["id"] == history[-1]["id"] and now["state_name"] == history[-1]["name"]
    assert (now["total_run_time"] > 0) == ran
    return now["run_count"], places.get(now["start_time"]), places.get(now["end_time"])


FLOW_WALKS = [
    # A run that has ended is not cancelled, paused or crashed any more, also where its result is kept.
    ("running completed cancelling", "ACCEPT Running, ACCEPT Completed, ABORT (Completed)", (1, 1, 2)),
    ("running kept cancelling", "ACCEPT Running, ACCEPT Completed, ABORT (Completed)", (1, 1, 2)),
    ("running kept paused", "ACCEPT Running, ACCEPT Completed, ABORT (Completed)", (1, 1, 2)),
    ("running failed cancelling", "ACCEPT Running, ACCEPT Failed, ABORT (Failed)", (1, 1, 2)),
    ("cancelled cancelling", "ACCEPT Cancelled, ABORT (Cancelled)", (0, 1, 1)),
    ("crashed crashed", "ACCEPT Crashed, ABORT (Crashed)", (0, 1, 1)),
    ("running kept running", "ACCEPT Running, ACCEPT Completed, REJECT (Completed)", (1, 1, 2)),
    ("running kept unkept", "ACCEPT Running, ACCEPT Completed, REJECT (Completed)", (1, 1, 2)),
    ("running kept unkept!", "ACCEPT Running, ACCEPT Completed, REJECT (Completed)", (1, 1, 2)),
    ("running unkept running", "ACCEPT Running, ACCEPT Completed, ACCEPT Running", (2, 1, None)),
    # Another end leaves the time at which it ended first; running again takes it away.
    ("running failed completed", "ACCEPT Running, ACCEPT Failed, ACCEPT Completed", (1, 1, 2)),
    ("running failed running", "ACCEPT Running, ACCEPT Failed, ACCEPT Running", (2, 1, None)),
    # One submitter.
    ("pending! submitting", "ACCEPT Pending, ACCEPT Submitting", (0, None, None)),
    ("running pending", "ACCEPT Running, ABORT (Running)", (1, 1, None)),
    # Force takes a run anywhere.
    ("running cancelling running!", "ACCEPT Running, ACCEPT Cancelling, ACCEPT Running", (2, 1, None)),
    ("running failed cancelling!", "ACCEPT Running, ACCEPT Failed, ACCEPT Cancelling", (1, 1, None)),
    ("running cancelling failed", "ACCEPT Running, ACCEPT Cancelling, REJECT (Cancelling)", (1, 1, None)),
    # Pauses.
    ("paused", "REJECT (Pending)", (0, None, None)),
    ("running paused running", "ACCEPT Running, ACCEPT Paused, ACCEPT Running", (2, 1, None)),
    ("running paused pending", "ACCEPT Running, ACCEPT Paused, REJECT (Paused)", (1, 1, None)),
    ("running overdue running", "ACCEPT Running, ACCEPT Paused, REJECT Failed", (1, 1, 3)),
    ("running overdue cancelled", "ACCEPT Running, ACCEPT Paused, REJECT Failed", (1, 1, 3)),
    ("running overdue cancelling", "ACCEPT Running, ACCEPT Paused, ACCEPT Cancelling", (1, 1, None)),
    ("running suspended", "ACCEPT Running, ABORT (Running)", (1, 1, None)),
]


async def test_flow_runs_go_where_the_standard_takes_them(api: Any) -> None:
    found: list[Any] = []
    for walk, *_ in FLOW_WALKS:
        run = await api.flow_run("PENDING")
        found.append((walk, await walked(api, "flow_runs", run, walk), await facts_of(api, "flow_runs", run)))
    assert found == FLOW_WALKS


TASK_WALKS = [
    # Retries pass through AwaitingRetry, and the run after that is called Retrying.
    (
        1,
        "running failed running failed",
        "ACCEPT Running, REJECT AwaitingRetry, ACCEPT Retrying, ACCEPT Failed",
        (2, 1, 4),
    ),
    (0, "running running", "ACCEPT Running, ACCEPT Rerunning", (2, 1, None)),
    (0, "running pending running", "ACCEPT Running, ACCEPT Pending, ACCEPT Rerunning", (2, 1, None)),
    (0, "running failed running", "ACCEPT Running, ACCEPT Failed, ACCEPT Running", (1, 1, None)),
    (0, "cancelled running", "ACCEPT Cancelled, ACCEPT Retrying", (1, 1, None)),
    # What has ended.
    (0, "running completed cancelling", "ACCEPT Running, ACCEPT Completed, ABORT (Completed)", (1, 1, 2)),
    (0, "running kept cancelling", "ACCEPT Running, ACCEPT Completed, ABORT (Completed)", (1, 1, 2)),
    (0, "running kept failed", "ACCEPT Running, ACCEPT Completed, REJECT (Completed)", (1, 1, 2)),
    (0, "running kept kept", "ACCEPT Running, ACCEPT Completed, REJECT (Completed)", (1, 1, 2)),
    (0, "running kept completed!", "ACCEPT Running, ACCEPT Completed, ACCEPT Completed", (1, 1, 2)),
    (0, "running failed completed", "ACCEPT Running, ACCEPT Failed, ACCEPT Completed", (1, 1, 2)),
    # Task runs go most ways.
    (0, "running cancelling running", "ACCEPT Running, ACCEPT Cancelling, ACCEPT Rerunning", (2, 1, None)),
    (0, "running cancelling pending", "ACCEPT Running, ACCEPT Cancelling, ACCEPT Pending", (1, 1, None)),
    (0, "paused paused pending", "ACCEPT Paused, ACCEPT Paused, ACCEPT Pending", (0, None, None)),
    (0, "future running", "ACCEPT Scheduled, WAIT (Scheduled)", (0, None, None)),
    # Of two workers that take a background task run one gets it.
    (0, "due! deferred deferred", "ACCEPT Scheduled, ACCEPT Pending, ABORT (Pending)", (0, None, None)),
]


async def test_task_runs_go_where_the_standard_takes_them(api: Any) -> None:
    flow_run = await api.flow_run("RUNNING")
    found: list[Any] = []
    for place, (retries, walk, *_) in enumerate(TASK_WALKS):
        run = await api.task_run(flow_run, str(place), empirical_policy={"retries": retries})
        became = await walked(api, "task_runs", run, walk)
        found.append((retries, walk, became, await facts_of(api, "task_runs", run)))
    assert found == TASK_WALKS


async def test_scheduled_task_run_says_when_it_is_due(api: Any) -> None:
    run = await api.task_run(None, state=PROPOSALS["future"])
    assert run["next_scheduled_start_time"] == run["expected_start_time"] == FAR_OFF
    assert run["created"] < FAR_OFF


async def test_task_run_is_counted_under_its_flow_runs_attempt_when_it_runs(api: Any) -> None:
    flow_run = await api.flow_run("RUNNING")
    run = await api.task_run(flow_run)

    async def attempt() -> int:
        return (await api.get(f"/task_runs/{run['id']}")).json()["flow_run_run_count"]

    await api.propose(run, "PENDING", "task_runs", name="Waiting")
    assert await attempt() == 0
    await api.propose(run, "RUNNING", "task_runs")
    assert await attempt() == 1


async def test_task_of_a_paused_flow_waits_as_long_as_the_flow_does(api: Any) -> None:
    flow_run = await api.flow_run("RUNNING")
    await walked(api, "flow_runs", flow_run, "paused")
    for first in ("PENDING", "CRASHED"):
        run = await api.task_run(flow_run, first, state={"type": first})
        assert await walked(api, "task_runs", run, "running") == "REJECT NotReady"
        state = (await api.get(f"/task_runs/{run['id']}")).json()["state"]
        assert state["state_details"]["pause_timeout"] == FAR_OFF


async def test_states_of_a_sub_flow_and_of_its_task_run_in_the_parent_name_each_other(api: Any) -> None:
    """The first state of a sub-flow's run named nothing, and the parent's task run did not follow it."""
    parent = await api.flow_run("RUNNING")
    task_run = await api.task_run(parent)
    deployed = await api.deployment(enforce_parameter_schema=False)
    children = [
        await api.flow_run("SCHEDULED", parent_task_run_id=task_run["id"]),
        await api.run_of(deployed, parent_task_run_id=task_run["id"]),
        await api.run_of(deployed, parent_task_run_id=task_run["id"], idempotency_key="once"),
    ]
    for child in children:
        assert child["state"]["state_details"]["task_run_id"] == task_run["id"]
        await api.propose(child, "RUNNING")
        history = (await api.get("/flow_run_states/", params={"flow_run_id": child["id"]})).json()
        assert [each["name"] for each in history] == ["Scheduled", "Running"]
        assert {each["state_details"]["task_run_id"] for each in history} == {task_run["id"]}
        one = (await api.get(f"/flow_run_states/{history[0]['id']}")).json()
        assert one["state_details"]["task_run_id"] == task_run["id"]
    followed = (await api.get("/task_run_states/", params={"task_run_id": task_run["id"]})).json()
    assert [each["name"] for each in followed] == ["Pending", *["Scheduled"] * 3, *["Running"] * 3]
    named = [each["state_details"]["child_flow_run_id"] for each in followed[1:]]
    assert named == [child["id"] for child in children] * 2
