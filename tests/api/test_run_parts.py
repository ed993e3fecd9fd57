"""A run's tasks by call site and cause of failure, what is around one of them, and previews of results."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

PARSE, CHECK = "parse-11ab", "check-22ab"


async def _task(api: Any, run: Any, site: str, index: str, state: str, **fields: Any) -> dict[str, Any]:
    message = fields.pop("message", None)
    task = await api.task_run(
        run, index, task_key=site, name=f"{site[:-5]}-{index}", state={"type": "PENDING"}, **fields
    )
    if state != "PENDING":
        await api.propose(task, "RUNNING", kind="task_runs")
        await api.propose(task, state, kind="task_runs", message=message)
    return task


async def test_failures_that_differ_in_figures_alone_have_one_cause(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    for index, message in enumerate(("KeyError: row 11", "KeyError: row 7123", "ValueError: no rows")):
        await _task(api, run, CHECK, str(index), "FAILED", message=message)
    await _task(api, run, CHECK, "3", "COMPLETED")
    kinds = (await api.get(f"/heliostat/flow_runs/{run['id']}/failures")).json()
    assert [(each["cause"][:8], each["count"]) for each in kinds] == [("KeyError", 2), ("ValueErr", 1)]
    assert kinds[0]["task_name"] == "check"
    assert sorted(kinds[0]["names"]) == ["check-0", "check-1"]
    assert kinds[0]["first_at"] <= kinds[0]["last_at"]


async def test_what_clients_of_the_standard_api_say_before_an_error_is_no_part_of_its_cause(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    message = "Task run encountered an exception ValueError: no"
    await _task(api, run, CHECK, "0", "FAILED", message=message)
    (kind,) = (await api.get(f"/heliostat/flow_runs/{run['id']}/failures")).json()
    assert kind["cause"] == "ValueError: no"


async def test_task_runs_are_summed_up_by_call_site(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    await _task(api, run, PARSE, "0", "COMPLETED")
    await _task(api, run, PARSE, "1", "COMPLETED")
    await _task(api, run, PARSE, "2", "FAILED")
    await _task(api, run, CHECK, "0", "PENDING")
    first, second = (await api.get(f"/heliostat/flow_runs/{run['id']}/groups")).json()
    assert first["task_name"] == "parse"
    assert (first["task_key"], first["counts"]) == (PARSE, {"COMPLETED": 2, "FAILED": 1})
    assert 0 <= first["slowest_s"] <= first["seconds"] < 60
    assert (second["counts"], second["start_time"]) == ({"PENDING": 1}, None)


async def test_an_item_is_followed_through_the_run(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    parsed = [await _task(api, run, PARSE, str(index), "COMPLETED") for index in range(3)]
    inputs = [{"x": [{"input_type": "task_run", "id": each["id"]}]} for each in parsed]
    checked = [
        await _task(api, run, CHECK, str(index), state, task_inputs=inputs[index])
        for index, state in enumerate(("COMPLETED", "FAILED", "COMPLETED"))
    ]
    joined = {"xs": [{"input_type": "task_run", "id": each["id"]} for each in checked]}
    await _task(api, run, "join-33ab", "0", "PENDING", task_inputs=joined)
    around = (await api.get(f"/heliostat/task_runs/{checked[1]['id']}/surroundings")).json()
    assert [step["name"] for step in around["before"]] == ["parse-1"]
    assert [step["name"] for step in around["after"]] == ["join-0"]
    assert [step["name"] for step in around["inputs"]["x"]] == ["parse-1"]
    assert [each[1:3] for each in around["siblings"]] == [
        ["0", "COMPLETED"],
        ["1", "FAILED"],
        ["2", "COMPLETED"],
    ]
    assert (around["count"], around["failed"]) == (3, 1)


async def test_runs_that_do_not_exist_have_no_parts(api: Any) -> None:
    for path in ("flow_runs/{}/failures", "flow_runs/{}/groups", "task_runs/{}/surroundings"):
        assert (await api.get(f"/heliostat/{path.format(uuid4())}")).status_code == 404


async def test_a_run_without_a_result_has_an_empty_preview(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    told = (await api.get(f"/heliostat/flow_runs/{run['id']}/result/preview")).json()
    assert (told["kind"], told["value"], told["problem"]) == (None, None, None)
