"""What a commit promises: in order, once, fenced, all or nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import JournalGap
from heliostat.runtime.records import LogBatch, LogLine, RuleDecision, RunAppend
from heliostat.runtime.states import Running, Scheduled
from heliostat.runtime.store import flow_run_changes, flow_runs, leases, logs, task_runs
from heliostat.runtime.store.commits import cache
from heliostat.runtime.store.commits.appends import commit
from heliostat.runtime.store.database.database import Database


async def test_task_runs_are_recorded_with_all_that_is_known_of_them(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site("parse", "inner/0/", tags=("io", "b"), policy={"retries": 2}, task_version="v1")
    error = json.dumps({"type": "ValueError", "message": "no"})
    ack = await run.record(
        given.batch(
            site,
            [4],
            "FAILED",
            names=["page four"],
            messages=["went wrong"],
            errors=[error],
            input_hashes=[b"12345678"],
            cache_keys=["k"],
            cache_expirations=[given.t0 + 60],
            task_inputs=['{"x": [{"input_type": "constant"}]}'],
            run_counts=[3],
            node="node-1",
            pid=77,
        )
    )
    assert (ack.seq, ack.fenced) == (1, False)
    row = await task_runs.read(db, ids.task_run_id(site.base, 4))
    assert (row.task_key, row.dynamic_key, row.task_name, row.name) == (
        site.task_key,
        "inner/0/4",
        "parse",
        "page four",
    )
    assert (row.state_type, row.state_name, row.message) == ("FAILED", "Failed", "went wrong")
    assert row.error == {"type": "ValueError", "message": "no"}
    assert row.expected_start_time.timestamp() == given.t0
    assert row.start_time is not None and row.start_time.timestamp() == given.t0 + 1
    assert row.end_time is not None and row.end_time.timestamp() == given.t0 + 2
    assert (row.tags, row.policy, row.task_version) == (["io", "b"], {"retries": 2}, "v1")
    assert row.task_inputs == {"x": [{"input_type": "constant"}]}
    assert (row.input_hash, row.cache_key, row.run_count) == (b"12345678", "k", 3)
    assert (row.node, row.pid, row.epoch, row.seq) == ("node-1", 77, 1, 1)


@pytest.mark.parametrize("count", [1, 63, 64, 500, 1301])
async def test_a_batch_of_any_size_is_recorded_whole(db: Database, given: Any, count: int) -> None:
    run = await given.run(db)
    site = run.site()
    ack = await run.record(
        given.batch(
            site,
            range(count),
            result_kinds="inline",
            results=[str(index).encode() for index in range(count)],
        )
    )
    assert ack.seq == count
    assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": count}
    replayed = await task_runs.recorded_range(
        db, run.id, ids.task_run_id(site.base, 0), ids.task_run_id(site.base, count - 1)
    )
    assert [task.result for task in replayed] == [str(index).encode() for index in range(count)]


async def test_small_batches_of_many_sites_go_in_together(db: Database, given: Any) -> None:
    run = await given.run(db)
    sites = [run.site(f"task{number}", tags=(f"t{number}",)) for number in range(5)]
    batches = [
        given.batch(
            site, [index], "COMPLETED" if index else "FAILED", pid=number, messages=[f"{number}/{index}"]
        )
        for index in range(3)
        for number, site in enumerate(sites)
    ]
    assert (await run.record(*batches)).seq == 15
    for number, site in enumerate(sites):
        for index in range(3):
            row = await task_runs.read(db, ids.task_run_id(site.base, index))
            assert (row.tags, row.pid, row.message) == ([f"t{number}"], number, f"{number}/{index}")
            assert row.seq == 5 * index + number + 1


async def test_later_states_of_one_task_run_win_inside_one_commit(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    await run.record(
        given.batch(site, [0], "PENDING", names=["the name"], task_inputs=['{"a": []}']),
        given.batch(site, [0], "RUNNING", pid=5),
        given.batch(site, [0], result_kinds="inline", results=[b"r"]),
    )
    row = await task_runs.read(db, ids.task_run_id(site.base, 0))
    assert (row.state_type, row.result, row.seq) == ("COMPLETED", b"r", 3)
    assert (row.name, row.pid, row.task_inputs) == ("the name", 5, {"a": []})


async def test_an_append_sent_again_changes_nothing(db: Database, given: Any) -> None:
    run = await given.run(db)
    append = run.append(
        given.batch(run.site(), range(100)),
        LogBatch([LogLine(given.t0, 20, "flow", "once")]),
        given.transition("COMPLETED", given.t0 + 9),
    )
    first = await commit(db, [append], 15.0)
    before = await flow_runs.read(db, run.id)
    assert await commit(db, [append], 15.0) == first
    assert await flow_runs.read(db, run.id) == before
    assert len(await logs.read(db, flow_run_id=run.id)) == 1
    assert len(await flow_runs.history(db, run.id)) == 3


async def test_an_append_that_is_partly_there_adds_the_rest(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    first = given.batch(site, range(10))
    line = LogBatch([LogLine(given.t0, 20, "flow", "one")])
    await run.record(first, line)
    overlapping = RunAppend(run.id, 1, run.owner.id, 1, [first, line, given.batch(site, range(10, 15))])
    (ack,) = await commit(db, [overlapping], 15.0)
    assert ack.seq == 16
    assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": 15}
    assert len(await logs.read(db, flow_run_id=run.id)) == 1


async def test_missing_events_are_refused_and_nothing_is_written(db: Database, given: Any) -> None:
    run, other = await given.run(db), await given.run(db)
    late = RunAppend(run.id, 1, run.owner.id, 5, [given.batch(run.site(), range(3))])
    with pytest.raises(JournalGap, match="up to 0, the append starts at 5"):
        await commit(db, [other.append(given.batch(other.site(), range(2))), late], 15.0)
    assert not await task_runs.has_any(db, run.id)
    assert not await task_runs.has_any(db, other.id)


async def test_nothing_of_a_fenced_append_is_written_and_others_are(db: Database, given: Any) -> None:
    good, fenced = await given.run(db), await given.run(db)
    await leases.take(db, fenced.id, given.owner(), 15.0, force=True)
    acks = await commit(
        db,
        [
            fenced.append(given.batch(fenced.site(), range(5)), given.transition("COMPLETED", given.t0 + 5)),
            good.append(given.batch(good.site(), range(5))),
        ],
        15.0,
    )
    assert [(ack.run_id, ack.fenced) for ack in acks] == [(fenced.id, True), (good.id, False)]
    assert not await task_runs.has_any(db, fenced.id)
    assert (await flow_runs.read(db, fenced.id)).state_type == "RUNNING"
    assert await task_runs.count_by_state(db, good.id) == {"COMPLETED": 5}


async def test_rows_of_a_higher_epoch_are_not_overwritten(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    await run.record(given.batch(site, [0], "RUNNING"), given.batch(site, [1], "RUNNING"))
    run.lease = await leases.take(db, run.id, run.owner, 15.0)
    await run.record(given.batch(site, [0]))
    row = await task_runs.read(db, ids.task_run_id(site.base, 0))
    assert (row.state_type, row.epoch, row.seq) == ("COMPLETED", 2, 3)


async def test_the_final_state_can_give_the_lease_back(db: Database, given: Any) -> None:
    run = await given.run(db)
    append = run.append(given.transition("COMPLETED", given.t0 + 5, release=True))
    (ack,) = await commit(db, [append], 15.0)
    assert not ack.fenced
    lease = await leases.read(db, run.id)
    assert lease is not None and lease.owner is None and lease.lapsed and lease.last_seq == 1
    (again,) = await commit(db, [append], 15.0)  # the answer was lost and it comes again
    assert (again.seq, again.fenced) == (1, False)
    (more,) = await commit(db, [run.append(given.batch(run.site(), [0]))], 15.0)
    assert more.fenced


async def test_text_that_databases_refuse_is_made_storable(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    await run.record(
        given.batch(
            site,
            [0],
            "FAILED",
            messages=["nul \0 and \ud800 half"],
            errors=['{"message": "\\u0000 \\ud800 ü"}'],
            names=["n\0"],
        ),
        LogBatch([LogLine(given.t0, 20, "flow", "a\0b \udfff ü")]),
        RuleDecision(given.t0, "rule", "REJECT", "why\0", "RUNNING", "FAILED", "Failed"),
        given.transition("FAILED", given.t0 + 3, message="m\0", error='{"message": "\\u0000"}'),
    )
    row = await task_runs.read(db, ids.task_run_id(site.base, 0))
    assert row.message == "nul \ufffd and ? half"
    assert row.error is not None and row.error["message"].endswith("ü")
    (line,) = await logs.read(db, flow_run_id=run.id)
    assert line.message == "a\ufffdb ? ü"


async def test_completed_task_runs_with_durable_results_are_filed_in_the_cache(
    db: Database, given: Any
) -> None:
    run = await given.run(db)
    site = run.site()
    await run.record(
        given.batch(
            site,
            range(5),
            state_types=["COMPLETED", "FAILED", "COMPLETED", "COMPLETED", "COMPLETED"],
            state_names=["Completed", "Failed", "Completed", "Completed", "Cached"],
            result_kinds=["inline", None, "memory", "stored", "inline"],
            results=[b"value", None, None, b"file-key", b"other"],
            cache_keys=["a", "b", "c", "d", "e"],
            cache_expirations=[None, None, None, given.t0 + 100, None],
        )
    )
    hits = await cache.get_many(db, "abcde", given.t0 + 50)
    assert {key: (hit.result_kind, hit.result) for key, hit in hits.items()} == {
        "a": ("inline", b"value"),
        "d": ("stored", b"file-key"),
    }


async def test_commits_of_many_writers_at_once_lose_nothing(db: Database, given: Any) -> None:
    runs = [await given.run(db) for _ in range(4)]

    async def write(run: Any) -> None:
        for part in range(10):
            ack = await run.record(given.batch(run.site(), range(part * 20, part * 20 + 20)))
            assert not ack.fenced

    await asyncio.gather(*map(write, runs))
    for run in runs:
        assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": 200}
        lease = await leases.read(db, run.id)
        assert lease is not None and lease.last_seq == 200


async def test_a_takeover_amid_commits_leaves_no_row_of_the_old_epoch_behind_it(
    db: Database, given: Any
) -> None:
    run = await given.run(db)
    site = run.site()
    written: list[int] = []

    async def old_owner() -> None:
        for index in range(1000):
            if (await run.record(given.batch(site, [index]))).fenced:
                return
            written.append(index)

    async def new_owner() -> Any:
        while len(written) < 5:
            await asyncio.sleep(0)
        return await leases.take(db, run.id, given.owner(), 15.0, force=True)

    _, lease = await asyncio.gather(old_owner(), new_owner())
    assert lease.last_seq == len(written)
    assert await task_runs.count_by_state(db, run.id) == {"COMPLETED": len(written)}


async def test_a_request_to_cancel_is_not_undone_by_what_its_process_had_written_before(
    db: Database, given: Any
) -> None:
    """Seen: a run was cancelled before its first Running was durable, and that made it Running for good.

    Of a run in CANCELLING the journal takes only the end; that it had begun stays known.
    """
    run = await given.run(db)
    await given.move(db, run.id, "CANCELLING")
    before = await flow_runs.read(db, run.id)
    ack = await run.record(given.transition("RUNNING", given.t0 + 1))
    assert (ack.seq, ack.fenced) == (1, False)
    noted = replace(before, updated=ANY, run_count=before.run_count + 1)
    assert await flow_runs.read(db, run.id) == noted
    await run.record(given.transition("CANCELLED", given.t0 + 2))
    history = [state.type for state in await flow_runs.history(db, run.id)]
    assert history[-2:] == ["CANCELLING", "CANCELLED"]


async def test_a_run_that_resumes_after_a_suspension_begins_no_new_attempt(db: Database, given: Any) -> None:
    """Seen: each suspension used up one of a run's retries. (A pause counts: notes, 10.)"""
    deployment, _ = await given.deployment(db)
    run = await given.run_of(db, deployment.id)
    await run.record(given.transition("PENDING", given.t0), given.transition("RUNNING", given.t0 + 1))

    async def runs_counted() -> tuple[int, Any]:
        now = await flow_runs.read(db, run.id)
        return now.run_count, now.empirical_policy.get("resuming")

    await run.record(given.transition("PAUSED", given.t0 + 2))
    assert (await flow_run_changes.propose(db, run.id, Running())).written
    assert await runs_counted() == (2, False)
    await run.record(given.transition("PAUSED", given.t0 + 3, "Suspended"))
    assert (await flow_run_changes.propose(db, run.id, Scheduled(name="Resuming"))).written
    assert await runs_counted() == (2, True)
    await run.record(given.transition("RUNNING", given.t0 + 4))
    assert await runs_counted() == (2, False)
    await run.record(given.transition("RUNNING", given.t0 + 5, "Retrying"))
    assert await runs_counted() == (3, False)
