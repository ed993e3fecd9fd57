"""Flow runs over the API: made once, judged by the rules, told in full."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from heliostat.runtime.foundation import clock


async def states_of(api: Any, run: dict[str, Any]) -> list[str]:
    answer = await api.get("/flow_run_states/", params={"flow_run_id": run["id"]})
    return [state["name"] for state in answer.json()]


async def read(api: Any, run: dict[str, Any]) -> dict[str, Any]:
    return (await api.get(f"/flow_runs/{run['id']}")).json()


async def test_a_run_of_the_same_idempotency_key_is_made_once(api: Any) -> None:
    flow = await api.flow()
    body = {"flow_id": flow["id"], "idempotency_key": "today", "name": None}
    first = await api.post("/flow_runs/", json=body)
    second = await api.post("/flow_runs/", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert first.json()["state_type"] == "PENDING"
    assert "-" in first.json()["name"]


async def test_a_run_of_no_flow_is_refused(api: Any) -> None:
    answer = await api.post("/flow_runs/", json={"flow_id": str(uuid4())})
    assert answer.status_code == 409
    assert (await api.post("/flow_runs/count")).json() == 0


async def test_accepted_states_are_written_and_told_with_201(api: Any) -> None:
    run = await api.flow_run()
    running = await api.propose(run, "RUNNING")
    ended = await api.propose(run, "COMPLETED", message="all well", data={"type": "unpersisted"})
    assert (running.status_code, ended.status_code) == (201, 201)
    assert ended.json()["status"] == "ACCEPT"
    assert ended.json()["details"] == {"type": "accept_details"}
    now = await read(api, run)
    assert now["run_count"] == 1
    assert now["state"]["message"] == "all well"
    assert now["state"]["data"] is None  # that there is no result is not kept
    assert now["start_time"] < now["end_time"]
    assert now["total_run_time"] > 0
    assert await states_of(api, run) == ["Pending", "Running", "Completed"]


async def test_a_failed_run_with_retries_left_is_scheduled_again(api: Any) -> None:
    run = await api.flow_run(empirical_policy={"retries": 1, "retry_delay": 60})
    await api.propose(run, "RUNNING")
    failed = await api.propose(run, "FAILED")
    assert failed.status_code == 201  # something was written, though not what was proposed
    assert failed.json()["status"] == "REJECT"
    assert failed.json()["state"]["name"] == "AwaitingRetry"
    now = await read(api, run)
    assert now["next_scheduled_start_time"] is not None
    assert now["empirical_policy"]["retry_type"] == "in_process"
    waits = await api.propose(run, "RUNNING")
    assert waits.status_code == 200
    assert waits.json()["status"] == "WAIT"
    assert 50 <= waits.json()["details"]["delay_seconds"] <= 60
    assert waits.json()["state"]["name"] == "AwaitingRetry"


async def test_a_failed_flow_run_is_tried_again_although_its_state_says_not_retriable(api: Any) -> None:
    """Seen with the stock client: it marks every failure of a flow so, and means its tasks."""
    run = await api.flow_run(empirical_policy={"retries": 1})
    await api.propose(run, "RUNNING")
    failed = await api.propose(run, "FAILED", state_details={"retriable": False})
    assert failed.json()["state"]["name"] == "AwaitingRetry"


async def test_one_of_two_submitters_gets_the_run(api: Any) -> None:
    run = await api.flow_run("SCHEDULED")
    first = await api.propose(run, "PENDING")
    second = await api.propose(run, "PENDING")
    assert first.json()["status"] == "ACCEPT"
    assert (second.status_code, second.json()["status"]) == (200, "ABORT")
    assert second.json()["state"]["type"] == "PENDING"


async def test_a_transition_that_is_sent_twice_is_written_once(api: Any) -> None:
    run = await api.flow_run()
    details = {"transition_id": str(uuid4())}
    await api.propose(run, "RUNNING", state_details=details)
    again = await api.propose(run, "RUNNING", state_details=details)
    assert (again.status_code, again.json()["status"]) == (200, "REJECT")
    assert await states_of(api, run) == ["Pending", "Running"]


async def test_a_persisted_result_is_kept_from_a_run_again(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    await api.propose(run, "COMPLETED", data={"storage_key": "/results/1"})
    again = await api.propose(run, "RUNNING")
    assert (again.status_code, again.json()["status"]) == (200, "REJECT")
    assert (await read(api, run))["state_type"] == "COMPLETED"


async def test_a_scheduled_run_without_process_is_cancelled_at_once(api: Any) -> None:
    run = await api.flow_run("SCHEDULED")
    answer = await api.propose(run, "CANCELLING")
    assert answer.json()["status"] == "REJECT"
    assert answer.json()["state"]["type"] == "CANCELLED"
    now = await read(api, run)
    assert now["estimated_start_time_delta"] == 0 or now["start_time"] is not None


async def test_what_the_rules_said_is_recorded(api: Any, database_url: str) -> None:
    from uuid import UUID

    from heliostat.runtime.store import flow_runs
    from heliostat.runtime.store.database.database import Database

    run = await api.flow_run(empirical_policy={"retries": 1})
    await api.propose(run, "RUNNING")
    await api.propose(run, "FAILED")
    db = await Database.open(database_url)
    said = await flow_runs.decisions(db, UUID(run["id"]))
    await db.close()
    assert [(each.rule, each.outcome, each.to_type) for each in said] == [
        ("transitions", "ACCEPT", "RUNNING"),
        ("retry", "REJECT", "FAILED"),
    ]


async def test_a_blocking_pause_counts_a_run_more_and_a_suspension_does_not(api: Any) -> None:
    paused = await api.flow_run()
    await api.propose(paused, "RUNNING")
    await api.propose(paused, "PAUSED", state_details={"pause_key": "1"})
    resumed = await api.post(f"/flow_runs/{paused['id']}/resume")
    assert (resumed.status_code, resumed.json()["state"]["type"]) == (201, "RUNNING")
    assert (await read(api, paused))["run_count"] == 2


async def test_resuming_what_is_not_paused_is_aborted_without_a_state(api: Any) -> None:
    run = await api.flow_run()
    answer = await api.post(f"/flow_runs/{run['id']}/resume", json={"run_input": None})
    assert (answer.status_code, answer.json()["status"]) == (200, "ABORT")
    assert answer.json()["state"] is None


async def test_a_run_that_waits_for_an_input_goes_on_with_a_fitting_one_only(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    schema = '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}'
    await api.post(f"/flow_runs/{run['id']}/input", json={"key": "p-schema", "value": schema})
    keys = {"schema": "p-schema", "response": "p-response"}
    await api.propose(run, "PAUSED", state_details={"pause_key": "p", "run_input_keyset": keys})
    refused = await api.post(f"/flow_runs/{run['id']}/resume", json={"run_input": {"age": "old"}})
    assert (refused.status_code, refused.json()["status"]) == (200, "REJECT")
    assert (await api.get(f"/flow_runs/{run['id']}/input/p-response")).status_code == 404
    taken = await api.post(f"/flow_runs/{run['id']}/resume", json={"run_input": {"age": 7}})
    assert taken.json()["status"] == "ACCEPT"
    stored = await api.get(f"/flow_runs/{run['id']}/input/p-response")
    assert (stored.text, stored.headers["content-type"].split(";")[0]) == ('{"age":7}', "text/plain")


async def test_input_of_a_run_is_written_out_and_what_is_wrong_with_it_is_said(api: Any) -> None:
    """A schema that was no JSON answered 500, a missing one that there is no such run; what forms write as
    JSON or templates was refused.
    """

    async def waiting(schema: str | None) -> str:
        run = await api.flow_run()
        await api.propose(run, "RUNNING")
        if schema is not None:
            await api.post(f"/flow_runs/{run['id']}/input", json={"key": "s", "value": schema})
        keys = {"schema": "s", "response": "r"}
        await api.propose(run, "PAUSED", state_details={"run_input_keyset": keys})
        return run["id"]

    async def resumed(run_id: str, **run_input: Any) -> tuple[str, str | None]:
        answer = await api.post(f"/flow_runs/{run_id}/resume", json={"run_input": run_input})
        return answer.json()["status"], answer.json()["details"].get("reason")

    assert await resumed(await waiting(None)) == ("REJECT", "The schema of the run input was not found.")
    assert await resumed(await waiting("{")) == ("REJECT", "The schema of the run input is not valid JSON.")
    fields = '{"n": {"type": "integer"}, "note": {"type": "string"}}'
    run_id = await waiting(f'{{"type": "object", "properties": {fields}, "required": ["n"]}}')
    assert (await resumed(run_id, n={"__prefect_kind": "json", "value": "{"}))[0] == "REJECT"
    written = {"__prefect_kind": "json", "value": "5"}
    assert await resumed(run_id, n=written, note=None) == ("ACCEPT", None)
    stored = await api.get(f"/flow_runs/{run_id}/input/r")
    assert stored.json() == {"n": 5, "note": None}


async def test_a_tracking_task_run_follows_its_subflow(api: Any) -> None:
    parent = await api.flow_run()
    await api.propose(parent, "RUNNING")
    tracking = await api.task_run(parent)
    child = await api.flow_run(flow="child", parent_task_run_id=tracking["id"])
    running = await api.propose(child, "RUNNING")
    assert running.json()["state"]["state_details"]["task_run_id"] == tracking["id"]
    task = (await api.get(f"/task_runs/{tracking['id']}")).json()
    assert task["state_type"] == "RUNNING"
    assert task["state"]["state_details"]["child_flow_run_id"] == child["id"]
    assert task["run_count"] == 1
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [parent["id"]]}}}
    found = (await api.post("/flow_runs/filter", json=children)).json()
    assert [each["id"] for each in found] == [child["id"]]
    trackers = {"task_runs": {"subflow_runs": {"exists_": True}}}
    assert (await api.post("/task_runs/count", json=trackers)).json() == 1


async def test_only_fields_in_the_body_are_patched(api: Any) -> None:
    run = await api.flow_run(tags=["a"], parameters={"x": 1})
    patched = await api.patch(f"/flow_runs/{run['id']}", json={"name": "renamed", "infrastructure_pid": "7"})
    assert patched.status_code == 204
    now = await read(api, run)
    assert (now["name"], now["infrastructure_pid"]) == ("renamed", "7")
    assert (now["tags"], now["parameters"]) == (["a"], {"x": 1})
    refused = await api.patch(f"/flow_runs/{run['id']}", json={"job_variables": {"cpu": 1}})
    assert refused.status_code == 400


async def test_labels_are_merged(api: Any) -> None:
    run = await api.flow_run(labels={"team": "a", "size": 3})
    assert (await api.patch(f"/flow_runs/{run['id']}/labels", json={"team": "b"})).status_code == 204
    flow_id = run["flow_id"]
    assert (await read(api, run))["labels"] == {"prefect.flow.id": flow_id, "team": "b", "size": 3}


async def test_a_deleted_run_takes_its_tasks_states_and_logs_along(api: Any) -> None:
    run = await api.flow_run()
    task = await api.task_run(run)
    line = {"name": "x", "level": 20, "message": "m", "timestamp": "2026-01-01T00:00:00Z"}
    await api.post("/logs/", json=[{**line, "flow_run_id": run["id"]}])
    assert (await api.delete(f"/flow_runs/{run['id']}")).status_code == 204
    assert (await api.get(f"/flow_runs/{run['id']}")).json() == {"detail": "Flow run not found"}
    assert (await api.get(f"/task_runs/{task['id']}")).status_code == 404
    assert await states_of(api, run) == []
    assert (await api.post("/logs/filter")).json() == []


async def test_pages_tell_how_many_there_are(api: Any) -> None:
    for number in range(5):
        await api.flow_run(name=f"run-{number}")
    body = {"limit": 2, "page": 3, "sort": "NAME_ASC"}
    page = (await api.post("/flow_runs/paginate", json=body)).json()
    assert [run["name"] for run in page["results"]] == ["run-4"]
    assert (page["count"], page["limit"], page["pages"], page["page"]) == (5, 2, 3, 3)
    nothing = (await api.post("/flow_runs/paginate", json={"limit": 0})).json()
    assert (nothing["results"], nothing["pages"]) == ([], 0)


async def test_history_has_every_interval_and_counts_by_state(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    body = {
        "history_start": run["expected_start_time"],
        "history_end": "2200-01-01T00:00:00Z",
        "history_interval_seconds": 3600,
    }
    intervals = (await api.post("/flow_runs/history", json=body)).json()
    assert len(intervals) == 500
    assert intervals[0]["interval_end"] == intervals[1]["interval_start"]
    assert [(each["state_name"], each["count_runs"]) for each in intervals[0]["states"]] == [("Running", 1)]
    assert [each for each in intervals[1:] if each["states"]] == []
    assert (
        await api.post("/flow_runs/history", json={**body, "history_interval_seconds": 0.5})
    ).status_code == 422


async def test_lateness_grows_while_a_run_waits(api: Any) -> None:
    """SQLite got the present in seconds where it reckons in microseconds: late runs had nothing to show,
    and the average was below nothing.
    """
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2020-01-01T00:00:00Z"}}
    flow = await api.flow()
    run = (await api.post("/flow_runs/", json={"flow_id": flow["id"], "state": state})).json()
    years_s = 5 * 365 * 86_400
    assert run["estimated_start_time_delta"] > years_s
    assert (await api.post("/flow_runs/lateness", json={})).json() > years_s
    span = {"history_start": "2020-01-01T00:00:00Z", "history_end": "2020-01-02T00:00:00Z"}
    body = {**span, "history_interval_seconds": 86_400}
    [interval] = (await api.post("/flow_runs/history", json=body)).json()
    assert interval["states"][0]["sum_estimated_lateness"] > years_s


async def test_run_time_of_a_running_run_counts_in_its_history(api: Any) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    body = {"history_start": run["expected_start_time"], "history_end": "2200-01-01T00:00:00Z"}
    first, *_ = (await api.post("/flow_runs/history", json={**body, "history_interval_seconds": 3600})).json()
    assert 0 < first["states"][0]["sum_estimated_run_time"] < 3600


async def test_task_run_of_an_unknown_flow_run_is_refused(api: Any) -> None:
    body = {"flow_run_id": str(uuid4()), "task_key": "t", "dynamic_key": "0"}
    assert (await api.post("/task_runs/", json=body)).status_code == 409


async def test_retries_under_their_older_names_are_kept_under_todays(api: Any) -> None:
    older = {"max_retries": 2, "retry_delay_seconds": 3}
    for run in (
        await api.flow_run(empirical_policy=older),
        await api.task_run(None, empirical_policy=older),
    ):
        assert (run["empirical_policy"]["retries"], run["empirical_policy"]["retry_delay"]) == (2, 3)


async def test_labels_go_on_from_flow_to_flow_run_to_task_run(api: Any) -> None:
    named = {"name": "labelled", "labels": {"team": "sun", "level": 1}}
    flow = (await api.post("/flows/", json=named)).json()
    body = {"flow_id": flow["id"], "labels": {"level": 2}}
    run = (await api.post("/flow_runs/", json=body)).json()
    assert run["labels"] == {"prefect.flow.id": flow["id"], "team": "sun", "level": 2}
    task_run = await api.task_run(run, labels={"team": "moon"})
    ids = {"prefect.flow.id": flow["id"], "prefect.flow-run.id": run["id"]}
    assert task_run["labels"] == {**ids, "team": "moon", "level": 2}
    deployed = (await api.post("/deployments/", json={"name": "d", "flow_id": flow["id"]})).json()
    assert deployed["labels"]["team"] == "sun"


async def test_a_task_run_with_a_known_cache_key_is_cached_unless_it_asks_to_run(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    first, second, third, fourth = [await api.task_run(run, key) for key in "1234"]
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    kept = {"cache_key": "same", "cache_expiration": soon}
    assert (await api.propose(first, "RUNNING", "task_runs", state_details=kept)).json()["status"] == "ACCEPT"
    await api.propose(first, "COMPLETED", "task_runs", state_details=kept, data={"type": "x"}, message="done")
    cached = (await api.propose(second, "RUNNING", "task_runs", state_details=kept)).json()
    assert (cached["status"], cached["state"]["type"], cached["state"]["name"]) == (
        "REJECT",
        "COMPLETED",
        "Cached",
    )
    assert (cached["state"]["data"], cached["state"]["message"]) == ({"type": "x"}, "done")
    anew = {**kept, "refresh_cache": True}
    assert (await api.propose(third, "RUNNING", "task_runs", state_details=anew)).json()["status"] == "ACCEPT"
    past = {"cache_key": "same", "cache_expiration": (clock.now() - timedelta(hours=1)).isoformat()}
    await api.propose(third, "COMPLETED", "task_runs", state_details=past)
    last = await api.propose(fourth, "RUNNING", "task_runs", state_details=kept)
    assert last.json()["status"] == "ACCEPT"  # what third has kept has expired
    long = {"cache_key": "x" * 2001}
    told = (await api.propose(fourth, "COMPLETED", "task_runs", state_details=long)).json()
    assert (told["status"], told["state"]["type"]) == ("REJECT", "COMPLETED")
