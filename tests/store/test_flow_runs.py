"""Beginning flow runs, what their rows say, finding them again and deleting them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import LeaseHeld, NotFound
from heliostat.runtime.records import LogBatch, LogLine, RuleDecision
from heliostat.runtime.store import flow_runs, flows, leases, logs, task_runs
from heliostat.runtime.store.database.database import Database


async def test_begin_records_run_states_and_lease_at_once(db: Database, given: Any) -> None:
    new = given.flow_run(
        parameters={"n": 3, "odd": {1}},
        parameters_pickle=b"\x80pickle",
        entrypoint="flows.py:survey",
        code_revision="abc",
        tags=("b", "a"),
        labels={"team": "x"},
        empirical_policy={"retries": 1},
        created_by={"type": "PERSON"},
        idempotency_key="k1",
        flow_tags=("nightly",),
    )
    begun = await flow_runs.begin(db, new, given.owner(), 15.0)
    assert not begun.existing
    assert begun.lease is not None and (begun.lease.epoch, begun.lease.last_seq) == (1, 0)
    run = await flow_runs.read(db, new.id)
    assert run == begun.run
    assert (run.flow_name, run.name, run.parameters) == ("survey", "bold-heron", {"n": 3, "odd": [1]})
    assert (run.parameters_pickle, run.entrypoint, run.code_revision) == (
        b"\x80pickle",
        "flows.py:survey",
        "abc",
    )
    assert (run.tags, run.labels, run.empirical_policy) == (["b", "a"], {"team": "x"}, {"retries": 1})
    assert (run.state_type, run.state_name, run.run_count) == ("RUNNING", "Running", 1)
    assert run.expected_start_time is not None and run.expected_start_time.timestamp() == given.t0
    assert run.start_time is not None and run.start_time.timestamp() == given.t0 + 1
    assert run.end_time is None
    assert [state.type for state in await flow_runs.history(db, new.id)] == ["PENDING", "RUNNING"]
    flow = await flows.read(db, run.flow_id)
    assert (flow.name, flow.tags) == ("survey", ["nightly"])


async def test_runs_of_one_flow_share_it(db: Database, given: Any) -> None:
    first, second = await given.run(db), await given.run(db)
    rows = [await flow_runs.read(db, run.id) for run in (first, second)]
    assert rows[0].flow_id == rows[1].flow_id
    assert [flow.name for flow in await flows.list(db)] == ["survey"]
    assert (await flows.get_or_create(db, "survey", ["later"])).tags == []


async def test_an_existing_sub_flow_run_is_given_with_a_new_lease(db: Database, given: Any) -> None:
    parent = ids.uuid7()
    new = given.flow_run(id=ids.child_flow_run_id(parent), parent_task_run_id=parent)
    await flow_runs.begin(db, new, given.owner(), 15.0)
    again = await flow_runs.begin(db, new, given.owner(), 15.0)
    assert again.existing and again.lease is not None and again.lease.epoch == 2
    assert len(await flow_runs.history(db, new.id)) == 2


async def test_a_final_run_is_given_with_its_result_and_without_a_lease(db: Database, given: Any) -> None:
    new = given.flow_run(
        transitions=[given.transition("COMPLETED", given.t0, result_kind="inline", result=b"42")]
    )
    await flow_runs.begin(db, new, given.owner(), 15.0)
    again = await flow_runs.begin(db, new, given.owner(), 15.0)
    assert again.existing and again.lease is None
    assert (again.run.result_kind, again.run.result) == ("inline", b"42")


async def test_a_living_top_level_run_is_not_taken_from_its_owner(db: Database, given: Any) -> None:
    new = given.flow_run()
    await flow_runs.begin(db, new, given.owner(), 15.0)
    with pytest.raises(LeaseHeld):
        await flow_runs.begin(db, new, given.owner(), 15.0)


async def test_one_idempotency_key_gives_one_run_of_a_flow(db: Database, given: Any) -> None:
    first = await flow_runs.begin(db, given.flow_run(idempotency_key="k"), given.owner(), 15.0)
    second = await flow_runs.begin(db, given.flow_run(idempotency_key="k"), given.owner(), 15.0)
    assert second.existing and second.lease is None and second.run.id == first.run.id
    other = given.flow_run(idempotency_key="k", flow_name="another")
    assert not (await flow_runs.begin(db, other, given.owner(), 15.0)).existing


async def test_many_who_begin_the_same_run_at_once_get_one_run(db: Database, given: Any) -> None:
    new = given.flow_run(idempotency_key="same")
    owner = given.owner()
    begun = await asyncio.gather(*(flow_runs.begin(db, new, owner, 15.0) for _ in range(4)))
    assert sorted(one.existing for one in begun) == [False, True, True, True]
    assert len(await flow_runs.list(db)) == 1


async def test_transitions_decide_what_the_row_says(db: Database, given: Any) -> None:
    run = await given.run(db)  # pending at 0, running at 1
    t0 = given.t0
    await run.record(
        given.transition("SCHEDULED", t0 + 3, "AwaitingRetry", details={"scheduled_time": t0 + 10}),
    )
    waiting = await flow_runs.read(db, run.id)
    assert (waiting.state_name, waiting.total_run_time) == ("AwaitingRetry", 2.0)
    assert waiting.next_scheduled_start_time is not None
    assert waiting.next_scheduled_start_time.timestamp() == t0 + 10
    await run.record(
        given.transition("RUNNING", t0 + 10, "Retrying"),
        given.transition("FAILED", t0 + 14, error='{"type": "ValueError"}', message="no luck"),
    )
    failed = await flow_runs.read(db, run.id)
    assert (failed.state_type, failed.run_count, failed.total_run_time) == ("FAILED", 2, 6.0)
    assert failed.start_time is not None and failed.start_time.timestamp() == t0 + 1
    assert failed.end_time is not None and failed.end_time.timestamp() == t0 + 14
    assert failed.next_scheduled_start_time is None
    assert failed.error == {"type": "ValueError"}
    await run.record(given.transition("RUNNING", t0 + 20, "Rerunning"))
    rerun = await flow_runs.read(db, run.id)
    assert (rerun.end_time, rerun.error, rerun.run_count) == (None, None, 3)
    assert rerun.version == 6


async def test_state_timestamps_of_a_run_are_unique_and_in_order(db: Database, given: Any) -> None:
    run = await given.run(db)
    await run.record(*(given.transition("RUNNING", given.t0 + 1) for _ in range(3)))
    await run.record(given.transition("COMPLETED", given.t0 - 5))
    stamps = [state.timestamp for state in await flow_runs.history(db, run.id)]
    assert len(set(stamps)) == 6
    assert stamps == sorted(stamps)
    assert (await flow_runs.read(db, run.id)).state_type == "COMPLETED"


async def test_decisions_of_rules_are_kept_in_order(db: Database, given: Any) -> None:
    run = await given.run(db)
    task_run_id = ids.uuid7()
    await run.record(
        RuleDecision(
            given.t0, "retry", "REJECT", "one retry left", "RUNNING", "FAILED", "Failed", task_run_id
        ),
        RuleDecision(given.t0 + 1, "limit", "WAIT", "no slot", None, "RUNNING", "Running"),
    )
    said = await flow_runs.decisions(db, run.id)
    assert [(one.rule, one.outcome, one.reason, one.task_run_id) for one in said] == [
        ("retry", "REJECT", "one retry left", task_run_id),
        ("limit", "WAIT", "no slot", None),
    ]


async def test_lists_are_newest_first_filtered_and_paged(db: Database, given: Any) -> None:
    for number in range(6):
        await given.run(
            db,
            name=f"run-{number}_x",
            flow_name="odd" if number % 2 else "even",
            transitions=[given.transition("FAILED" if number > 3 else "COMPLETED", given.t0 + number)],
        )
    names = lambda rows: [row.name for row in rows]  # noqa: E731
    assert names(await flow_runs.list(db)) == [f"run-{number}_x" for number in (5, 4, 3, 2, 1, 0)]
    assert names(await flow_runs.list(db, state_types=["FAILED"])) == ["run-5_x", "run-4_x"]
    assert names(await flow_runs.list(db, flow_names=["odd"], limit=1, offset=1)) == ["run-3_x"]
    assert names(await flow_runs.list(db, name_like="RUN-2")) == ["run-2_x"]
    assert names(await flow_runs.list(db, name_like="run%2")) == []


async def test_a_run_is_found_by_all_that_people_know_of_it(db: Database, given: Any) -> None:
    one = UUID("018f0000-0000-7000-8000-00000000aaaa")
    two = UUID("018f0000-0000-7000-8000-0000000bbbbb")
    three = UUID("018f1111-0000-7000-8000-00000000cccc")
    for run_id, name, at in ((one, "swift-otter", 3), (two, "twin", 2), (three, "twin", 1)):
        await given.run(db, id=run_id, name=name, transitions=[given.transition("COMPLETED", given.t0 + at)])
    for reference, expected in (
        (str(two), two),
        (two.hex.upper(), two),
        ("018f1111", three),
        ("018f1111-0000-7", three),
        ("0000aaaa", one),
        ("00000000cccc", three),
        ("8000-00000000aaaa", one),
        ("swift-otter", one),
    ):
        assert (await flow_runs.find(db, reference)).id == expected, reference


async def test_a_reference_that_fits_several_runs_or_none_is_refused(db: Database, given: Any) -> None:
    for tail in ("aaaa", "bbbb"):
        await given.run(db, id=UUID(f"018f0000-0000-7000-8000-00000000{tail}"), name="twin")
    for reference in ("018f0000", "twin"):
        with pytest.raises(NotFound, match="ambiguous: 2 flow runs match"):
            await flow_runs.find(db, reference)
    for reference in ("018f9999", "nobody", str(ids.uuid7()), "", "%"):
        with pytest.raises(NotFound, match="there is no flow run"):
            await flow_runs.find(db, reference)


async def test_a_part_of_an_id_means_its_begin_or_its_end_and_both_are_candidates(
    db: Database, given: Any
) -> None:
    begins = await given.run(db, id=UUID("018fabcd-0000-7000-8000-00000000aaaa"), name="swift-otter")
    ends = await given.run(db, id=UUID("018f1111-0000-7000-8000-0000018fabcd"), name="calm-crane")
    with pytest.raises(NotFound, match="ambiguous: 2 flow runs match") as refused:
        await flow_runs.find(db, "018fabcd")
    for run, name in ((begins, "swift-otter"), (ends, "calm-crane")):
        assert f"{run.id} ({name}, " in str(refused.value)
    assert (
        (await flow_runs.find(db, "018f1111")).id == (await flow_runs.find(db, "0000018fabcd")).id == ends.id
    )


async def test_the_last_run_is_the_one_that_was_created_last(db: Database, given: Any) -> None:
    """Seen: a run for tomorrow stayed `@last` for a whole day, whatever was run meanwhile. Creation
    decides, by the clock of the database where ids were made in one millisecond or by other clocks.
    """
    for run_id, name, at in (
        (UUID("018f2222-0000-7000-8000-000000000001"), "of tomorrow", 86_400),
        (UUID("018f1111-0000-7000-8000-00000000ffff"), "of a clock behind", 5),
        (UUID("018f2222-0000-7000-8000-000000000000"), "created last", -86_400),
    ):
        await given.run(db, id=run_id, name=name, transitions=[given.transition("COMPLETED", given.t0 + at)])
        assert (await flow_runs.find(db, "@last")).name == name
    sub_flow = given.transition("COMPLETED", given.t0)
    await given.run(db, parent_task_run_id=ids.uuid7(), transitions=[sub_flow])
    assert (await flow_runs.find(db, "@last")).name == "created last"


async def test_there_is_no_last_run_in_an_empty_database(db: Database) -> None:
    with pytest.raises(NotFound, match="no flow has run yet"):
        await flow_runs.find(db, "@last")


async def test_a_deleted_run_leaves_nothing_and_takes_its_sub_flow_runs_along(
    db: Database, given: Any
) -> None:
    run, bystander = await given.run(db), await given.run(db)
    site = run.site("call-child")
    task_run_id = ids.task_run_id(site.base, 0)
    child = await given.run(db, id=ids.child_flow_run_id(task_run_id), parent_task_run_id=task_run_id)
    for one in (run, child, bystander):
        await one.record(
            given.batch(one.site("call-child"), [0], "RUNNING"),
            LogBatch([LogLine(given.t0, 20, "flow", "hello")]),
            RuleDecision(given.t0, "r", "ACCEPT", "", None, "RUNNING", "Running"),
        )
    assert await flow_runs.delete(db, run.id) == 2
    for gone in (run, child):
        assert not await task_runs.has_any(db, gone.id)
        assert await logs.read(db, flow_run_id=gone.id) == []
        assert await flow_runs.history(db, gone.id) == []
        assert await flow_runs.decisions(db, gone.id) == []
        assert await leases.read(db, gone.id) is None
        assert (await gone.record(given.batch(gone.site(), [0]))).fenced
        with pytest.raises(NotFound):
            await flow_runs.delete(db, gone.id)
    assert [row.id for row in await flow_runs.list(db)] == [bystander.id]
    assert len(await logs.read(db, flow_run_id=bystander.id)) == 1
