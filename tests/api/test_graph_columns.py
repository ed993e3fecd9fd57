"""The graph of a run as columns: every task run once, edges as blocks, and increments that lose nothing."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.api.graph_columns import ALL, ITEM, Columns
from heliostat.runtime.store.graph_rows import GraphRun, TaskLine

from .conftest import Client

BASE = {"fetch": 0x0100 << 100, "parse": 0x0200 << 100, "total": 0x0300 << 100}
RUN = UUID(int=7)


def line(task: str, index: int, above: Sequence[tuple[str, int]] = (), **facts: Any) -> TaskLine:
    inputs = [{"input_type": "task_run", "id": str(UUID(int=BASE[name] + at))} for name, at in above]
    fields = {
        "id": f"{BASE[task] + index:032x}",
        "task_key": f"{task}-1a",
        "dynamic_key": str(index),
        "task_name": task,
        "name": None,
        "state_type": "COMPLETED",
        "state_name": "Completed",
        "expected": 1_000_000,
        "start": 2_000_000,
        "end": 3_500_000,
        "run_count": 1,
        "node": "cpu-1",
        "message": None,
        "inputs": json.dumps({"x": inputs}) if inputs else None,
    }
    return TaskLine(**{**fields, **facts})


def whole(lines: list[TaskLine]) -> dict[str, Any]:
    run = GraphRun(RUN, "amber", "etl", "RUNNING", "Running", None, None, None, None, 0, 5, lines)
    return Columns([run]).whole()


def edges_of(answer: dict[str, Any]) -> set[tuple[str, int, str, int]]:
    """The blocks written out: task, item, task above, item above."""
    names = [group["name"] for group in answer["groups"]]
    found: set[tuple[str, int, str, int]] = set()
    for kind, group, first, count, above, above_first, above_count in answer["edges"]:
        for at in range(count):
            span = [above_first + at] if kind == ITEM else range(above_first, above_first + above_count)
            found |= {(names[group], first + at, names[above], each) for each in span}
    return found


def test_ids_follow_from_the_base_of_their_group() -> None:
    answer = whole([line("fetch", at) for at in range(3)])
    assert answer["columns"]["id"] == [None] * 3
    assert answer["groups"] == [
        {"key": "fetch-1a", "name": "fetch", "run": 0, "base": f"{BASE['fetch']:032x}"}
    ]
    assert answer["columns"]["index"] == [0, 1, 2]


def test_a_group_bears_the_name_of_its_task_and_not_that_of_one_call() -> None:
    calls = [line("fetch", at, task_key="jobs.fetch-1a2b3c4d", task_name=f"fetch-{at}f") for at in range(3)]
    assert [group["name"] for group in whole(calls)["groups"]] == ["fetch"]


def test_a_map_item_by_item_is_one_block() -> None:
    lines = [line("fetch", at) for at in range(50)]
    lines += [line("parse", at, [("fetch", at)]) for at in reversed(range(50))]
    answer = whole(lines)
    assert [block[0] for block in answer["edges"]] == [ITEM]
    assert edges_of(answer) == {("parse", at, "fetch", at) for at in range(50)}


def test_what_gathers_all_items_is_one_block() -> None:
    lines = [line("fetch", at) for at in range(50)]
    answer = whole([*lines, line("total", 0, [("fetch", at) for at in range(50)])])
    assert answer["edges"] == [[ALL, 1, 0, 1, 0, 0, 50]]


def test_one_result_for_all_items_is_one_block() -> None:
    answer = whole([line("total", 0), *(line("fetch", at, [("total", 0)]) for at in range(50))])
    assert len(answer["edges"]) == 1
    assert edges_of(answer) == {("fetch", at, "total", 0) for at in range(50)}


@pytest.mark.parametrize("seed", range(20))
def test_blocks_say_exactly_the_edges_that_are(seed: int) -> None:

    dice = random.Random(seed)
    expected: set[tuple[str, int, str, int]] = set()
    lines = [line("fetch", at) for at in range(12)]
    for task in ("parse", "total"):
        for at in range(dice.randint(1, 12)):
            above = [("fetch", dice.randrange(12)) for _ in range(dice.choice([0, 1, 1, 1, 2, 5]))]
            if task == "total" and dice.random() < 0.5:
                above.append(("parse", 0))
            expected |= {(task, at, *each) for each in above}
            lines.append(line(task, at, above))
    dice.shuffle(lines)
    assert edges_of(whole(lines)) == expected


def test_ids_that_a_client_chose_are_told_and_linked_by_id() -> None:
    own, other = uuid4(), uuid4()
    inputs = json.dumps({"x": [{"input_type": "task_run", "id": str(own)}]})
    lines = [
        line("fetch", 0, id=own.hex, dynamic_key="a"),
        line(
            "parse",
            0,
            id=other.hex,
            dynamic_key="b",
            inputs=inputs,
        ),
    ]
    answer = whole(lines)
    assert answer["columns"]["id"] == [own.hex, other.hex]
    assert answer["links"] == [[other.hex, own.hex]]
    assert answer["labels"] == [[0, "fetch-a"], [1, "parse-b"]]


def test_moments_are_milliseconds_since_the_first() -> None:
    answer = whole([line("fetch", 0, start=None, end=None, state_type="PENDING", state_name="Pending")])
    columns = answer["columns"]
    assert (columns["expected"], columns["start"], columns["end"]) == ([1_000], [None], [None])
    assert answer["states"] == [("PENDING", "Pending")]


async def ids_of(answer: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    for at, own in enumerate(answer["columns"]["id"]):
        base = answer["groups"][answer["columns"]["group"][at]].get("base")
        found.add(own or f"{int(base, 16) + answer['columns']['index'][at]:032x}")
    return found


async def test_tasks_and_sub_flows_of_a_run_are_all_there(api: Client) -> None:
    run = await api.flow_run()
    tasks = [await api.task_run(run, str(at)) for at in range(3)]
    child = await api.flow_run(parent_task_run_id=tasks[2]["id"])
    inner = await api.task_run(child, "0")
    answer = (await api.get(f"/heliostat/flow_runs/{run['id']}/graph")).json()
    assert [each["id"] for each in answer["runs"]] == [run["id"], child["id"]]
    assert answer["runs"][1]["parent"] == UUID(tasks[2]["id"]).hex
    assert await ids_of(answer) == {UUID(each["id"]).hex for each in [*tasks, inner]}


async def test_an_increment_holds_what_changed_and_what_goes_on(api: Client) -> None:
    run = await api.flow_run()
    await api.propose(run, "RUNNING")
    task = await api.task_run(run, "0")
    first = (await api.get(f"/heliostat/flow_runs/{run['id']}/graph")).json()
    await api.propose(task, "RUNNING", kind="task_runs")
    answer = await api.get(f"/heliostat/flow_runs/{run['id']}/graph", params={"since": first["cursor"]})
    later = answer.json()
    assert later["states"] == [["RUNNING", "Running"]]
    assert await ids_of(later) == {UUID(task["id"]).hex}


async def test_a_large_answer_comes_compressed(api: Client) -> None:
    run = await api.flow_run()
    for at in range(40):
        await api.task_run(run, str(at))
    path = f"/heliostat/flow_runs/{run['id']}/graph"
    async with api.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert len(json.loads(gzip.decompress(raw))["columns"]["id"]) == 40


async def test_a_run_that_is_not_there_is_not_found(api: Client) -> None:
    assert (await api.get(f"/heliostat/flow_runs/{uuid4()}/graph")).status_code == 404


@pytest.mark.parametrize("since", ["x", "1:2", "0d2f6b1c5a9e4d7f8a3b2c1d0e9f8a7b:x"])
async def test_a_cursor_of_something_else_is_refused(api: Client, since: str) -> None:
    answer = await api.get(f"/heliostat/flow_runs/{uuid4()}/graph", params={"since": since})
    assert answer.status_code == 422
