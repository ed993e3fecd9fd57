"""Task runs, logs and the cache as replays and people read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.foundation.errors import NotFound
from heliostat.runtime.records import LogBatch, LogLine
from heliostat.runtime.store import logs, task_runs
from heliostat.runtime.store.commits import cache
from heliostat.runtime.store.database.database import Database


async def test_a_replay_gets_the_task_runs_of_a_stretch(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    states = ["COMPLETED", "FAILED", "RUNNING", "COMPLETED", "COMPLETED"]
    await run.record(
        given.batch(
            site,
            range(5),
            state_types=states,
            state_names=[state.capitalize() for state in states],
            result_kinds=["inline", None, None, "memory", "none"],
            results=[b"zero", None, None, None, None],
            input_hashes=[bytes([index] * 8) for index in range(5)],
            run_counts=[1, 2, 1, 4, 1],
        ),
        given.batch(run.site("other"), range(5)),
    )
    first, last = ids.task_run_id(site.base, 0), ids.task_run_id(site.base, 3)
    replayed = await task_runs.recorded_range(db, run.id, first, last)
    assert [task.id.int - site.base for task in replayed] == [0, 1, 2, 3]
    assert [task.state_type for task in replayed] == states[:4]
    assert [(task.result_kind, task.result, task.run_count) for task in (replayed[0], replayed[3])] == [
        ("inline", b"zero", 1),
        ("memory", None, 4),
    ]
    assert [task.input_hash for task in replayed] == [bytes([index] * 8) for index in range(4)]
    assert replayed[0].state_name == "Completed"


async def test_a_replay_gets_the_inputs_of_all_calls_of_a_site_in_pages(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    hashes = [b"\x01" * 8, None, b"\x03" * 8]
    await run.record(given.batch(site, range(3), input_hashes=hashes), given.batch(run.site("other"), [0]))
    first, last = ids.task_run_id(site.base, 0), ids.task_run_id(site.base, 1 << 40)
    page = await task_runs.recorded_inputs(db, run.id, first, last, 2)
    assert page == [(ids.task_run_id(site.base, index), hashes[index]) for index in (0, 1)]
    after = ids.task_run_id(site.base, 2)
    assert await task_runs.recorded_inputs(db, run.id, after, last, 2) == [(after, hashes[2])]


async def test_a_run_knows_whether_it_has_task_runs(db: Database, given: Any) -> None:
    run, empty = await given.run(db), await given.run(db)
    await run.record(given.batch(run.site(), [0]))
    assert await task_runs.has_any(db, run.id)
    assert not await task_runs.has_any(db, empty.id)


async def test_task_runs_are_listed_by_site_and_index_filtered_and_paged(db: Database, given: Any) -> None:
    run, other = await given.run(db), await given.run(db)
    await other.record(given.batch(other.site(), range(3)))
    site = run.site()
    await run.record(
        given.batch(site, range(30), names=["special" if index == 7 else None for index in range(30)]),
        given.batch(site, range(30, 35), "FAILED"),
    )
    listed = await task_runs.list(db, run.id)
    assert [row.name for row in listed] == [
        "special" if index == 7 else f"work-{index}" for index in range(35)
    ]
    assert [row.name for row in await task_runs.list(db, run.id, limit=2, offset=28)] == [
        "work-28",
        "work-29",
    ]
    assert len(await task_runs.list(db, run.id, state_types=["FAILED"])) == 5
    assert [row.name for row in await task_runs.list(db, run.id, name_like="SPEC")] == ["special"]
    assert [row.name for row in await task_runs.list(db, run.id, name_like="work-3", limit=2)] == [
        "work-3",
        "work-30",
    ]
    assert (await task_runs.list(db, run.id, after_id=listed[9].id))[0].id == listed[10].id


async def test_counts_by_state_add_up_over_runs(db: Database, given: Any) -> None:
    one, two = await given.run(db), await given.run(db)
    await one.record(given.batch(one.site(), range(3)), given.batch(one.site("b"), [0], "FAILED"))
    await two.record(given.batch(two.site(), range(4)))
    assert await task_runs.count_by_state(db, one.id) == {"COMPLETED": 3, "FAILED": 1}
    assert await task_runs.count_by_state(db, one.id, two.id) == {"COMPLETED": 7, "FAILED": 1}


async def test_a_task_run_is_found_by_id_and_inside_its_run_by_name(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    await run.record(given.batch(site, range(3), names=[None, "own name", None]))
    wanted = ids.task_run_id(site.base, 1)
    assert (await task_runs.find(db, str(wanted))).id == wanted
    assert (await task_runs.find(db, wanted.hex[-8:], run.id)).id == wanted
    assert (await task_runs.find(db, "own name", run.id)).id == wanted
    assert (await task_runs.find(db, "work-2", run.id)).id == ids.task_run_id(site.base, 2)
    with pytest.raises(NotFound, match="several"):
        await task_runs.find(db, wanted.hex[:12])
    for reference in ("work-9", "ffffffff", str(ids.uuid7())):
        with pytest.raises(NotFound, match="there is no task run"):
            await task_runs.find(db, reference, run.id)


async def test_states_come_from_the_timeline_or_from_the_ordinary_path(db: Database, given: Any) -> None:
    run = await given.run(db)
    site = run.site()
    t0 = given.t0
    timeline = [
        ["PENDING", "Pending", t0, None],
        ["RUNNING", "Running", t0 + 1, None],
        ["SCHEDULED", "AwaitingRetry", t0 + 2, "again"],
        ["RUNNING", "Retrying", t0 + 3, None],
        ["COMPLETED", "Completed", t0 + 4, None],
    ]
    await run.record(
        given.batch(site, [0], timelines=[json.dumps(timeline)]),
        given.batch(site, [1]),
        given.batch(site, [2], "RUNNING"),
        given.batch(site, [3], "PENDING"),
        given.batch(site, [4], state_names="Cached", starts=[None]),
    )
    rows = await task_runs.list(db, run.id)
    paths = [
        [(state.name, state.timestamp.timestamp() - t0) for state in task_runs.states_of(row)] for row in rows
    ]
    assert paths == [
        [("Pending", 0), ("Running", 1), ("AwaitingRetry", 2), ("Retrying", 3), ("Completed", 4)],
        [("Pending", 0), ("Running", 1), ("Completed", 2)],
        [("Pending", 0), ("Running", 1)],
        [("Pending", 0)],
        [("Pending", 0), ("Cached", 2)],
    ]
    assert task_runs.states_of(rows[0])[2].message == "again"


async def test_logs_are_read_in_the_order_of_writing(db: Database, given: Any) -> None:
    run = await given.run(db)
    task_run_id = ids.task_run_id(run.site().base, 0)
    await run.record(
        LogBatch(
            [LogLine(given.t0 + 5, 20, "flow", "first"), LogLine(given.t0, 40, "task", "second", task_run_id)]
        )
    )
    await run.record(LogBatch([LogLine(given.t0 + 1, 10, "flow", f"more {number}") for number in range(200)]))
    lines = await logs.read(db, flow_run_id=run.id, limit=1000)
    assert [line.message for line in lines[:3]] == ["first", "second", "more 0"]
    assert len(lines) == 202
    assert (lines[1].level, lines[1].name, lines[1].task_run_id) == (40, "task", task_run_id)
    assert lines[0].timestamp.timestamp() == given.t0 + 5
    assert [line.message for line in await logs.read(db, task_run_id=task_run_id)] == ["second"]
    assert [line.message for line in await logs.read(db, flow_run_id=run.id, level_min=30)] == ["second"]
    (newest,) = await logs.read(db, flow_run_id=run.id, order="desc", limit=1)
    assert newest.message == "more 199"
    behind = await logs.read(db, flow_run_id=run.id, after_id=lines[199].id)
    assert [line.message for line in behind] == ["more 198", "more 199"]


async def test_a_cache_entry_lasts_until_it_expires(db: Database) -> None:
    await cache.put(db, "k", "inline", b"old", 100.0, expires=200.0)
    await cache.put(db, "k", "inline", b"new", 150.0, expires=250.0)
    hit = await cache.get(db, "k", now=249.0)
    assert hit is not None and hit.result == b"new" and hit.created.timestamp() == 150.0
    assert await cache.get(db, "k", now=250.0) is None
    assert await cache.get(db, "other", now=0.0) is None


async def test_expired_cache_entries_are_forgotten_by_the_database_s_clock(db: Database) -> None:
    now = clock.epoch_s()
    await cache.put(db, "gone", "none", None, now - 100, expires=now - 50)
    await cache.put(db, "stays", "none", None, now - 100, expires=now + 3600)
    await cache.put(db, "for ever", "none", None, now - 100)
    assert set(await cache.get_many(db, ["gone", "stays", "for ever"])) == {"stays", "for ever"}
    assert await cache.delete_expired(db) == 1
    assert set(await cache.get_many(db, ["gone", "stays", "for ever"], now=0.0)) == {"stays", "for ever"}


async def test_many_cache_keys_are_looked_up_at_once(db: Database) -> None:
    await cache.put(db, "key-1100", "none", None, 0.0)
    assert set(await cache.get_many(db, [f"key-{number}" for number in range(1200)], now=1.0)) == {"key-1100"}
