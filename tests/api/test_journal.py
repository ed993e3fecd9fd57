"""Events over HTTP: what comes out of the wire is what went in, and nothing is taken on trust."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import DatabaseUnavailable, JournalGap
from heliostat.runtime.journal.http_transport import HttpTransport
from heliostat.runtime.journal.journal import Journal
from heliostat.runtime.journal.sent_appends import load_appends
from heliostat.runtime.journal.wire_json import BadAppend, dump_appends
from heliostat.runtime.records import (
    CallSite,
    FlowRunTransition,
    LogBatch,
    LogLine,
    Owner,
    RuleDecision,
    RunAppend,
    TaskRunBatch,
)
from heliostat.runtime.store import flow_runs, leases, logs, task_runs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import NewFlowRun

T0 = 1_700_000_000.0


def a_site(run_id: Any) -> CallSite:
    base = ids.task_run_base(run_id, "", "clean-1a2b")
    return CallSite(run_id, "", "clean-1a2b", "clean", base, ("io",), {"retries": 2}, "v1")


def an_append(run_id: Any, epoch: int, owner: Any, first: int = 1) -> RunAppend:
    batch = TaskRunBatch(
        a_site(run_id),
        [0, 1, 2],
        ["COMPLETED", "FAILED", "RUNNING"],
        ["Completed", "Failed", "Running"],
        T0,
        [T0 + 1] * 3,
        [T0 + 2, T0 + 3, None],
        messages=[None, "ValueError: no", None],
        timelines=[None, '[["PENDING", "Pending", 1700000000.0, null]]', None],
        result_kinds=["inline", None, None],
        results=[b"\x80\x00", None, None],
        input_hashes=[b"12345678", None, b"\x00" * 8],
        errors=[None, '{"type": "ValueError"}', None],
        node="n1",
        pid=7,
    )
    return RunAppend(
        run_id,
        epoch,
        owner,
        first,
        [
            FlowRunTransition(ids.uuid7(), "RUNNING", "Running", T0),
            batch,
            RuleDecision(T0, "retry", "REJECT", "again", "RUNNING", "FAILED", "Failed"),
            LogBatch([LogLine(T0, 20, "heliostat.flow", "began"), LogLine(T0, 20, "x", "y", uuid4())]),
            FlowRunTransition(
                ids.uuid7(), "COMPLETED", "Completed", T0 + 5, "well", {"x": 1}, "inline", b"r"
            ),
        ],
    )


def test_appends_come_out_of_the_wire_as_they_went_in() -> None:
    sent = [an_append(ids.uuid7(), 1, uuid4()), an_append(ids.uuid7(), 3, uuid4(), 17)]
    assert load_appends(dump_appends(sent)) == sent


def broken(path: list[Any], value: Any) -> bytes:
    """An append with one thing in it that is wrong; DELETED leaves the thing out."""
    document = orjson.loads(dump_appends([an_append(ids.uuid7(), 1, uuid4())]))
    inner = document["appends"][0]
    for step in path[:-1]:
        inner = inner[step]
    if value is DELETED:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(value)
    return orjson.dumps(document)


DELETED = object()
TASKS: list[Any] = ["records", 1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["run"], "no id"),
        (["first"], 0),
        (["epoch"], -1),
        (["epoch"], True),
        (["extra"], 1),
        (["records"], {}),
        (["records", 0, "kind"], "pickle"),
        (["records", 0, "state_type"], "DREAMING"),
        (["records", 0, "at"], 1e300),
        (["records", 0, "release"], DELETED),
        (["records", 4, "result"], "not base64!"),
        ([*TASKS, "indexes"], [0, 0, 1]),
        ([*TASKS, "indexes"], [2**61, 1, 2]),
        ([*TASKS, "indexes"], []),
        ([*TASKS, "starts"], [1.0]),
        ([*TASKS, "state_types"], DELETED),
        ([*TASKS, "state_types"], [None, "FAILED", "RUNNING"]),
        ([*TASKS, "errors"], ["{", None, None]),
        ([*TASKS, "timelines"], ["[1]", None, None]),
        ([*TASKS, "results"], ["%%%", None, None]),
        ([*TASKS, "colour"], "red"),
        ([*TASKS, "site", "base"], 5),
        ([*TASKS, "pid"], 2**40),
        ([*TASKS, "site", "scope"], "a\0b"),
        (["records", 3, "lines", 0], [T0, 20, "x"]),
        (["records", 2, "outcome"], "MAYBE"),
    ],
)
async def test_what_is_no_append_is_refused_whole(path: list[Any], value: Any) -> None:
    with pytest.raises(BadAppend):
        load_appends(broken(path, value))


@pytest.fixture
async def begun(db: Database) -> tuple[Any, Owner, Any]:
    owner = Owner(uuid4(), "elsewhere", 1, 1.0)
    new = NewFlowRun(ids.uuid7(), "etl", "x", [FlowRunTransition(ids.uuid7(), "PENDING", "Pending", T0 - 1)])
    begun = await flow_runs.begin(db, new, owner, 15.0)
    assert begun.lease is not None
    return begun.run.id, owner, begun.lease


async def test_appends_are_durable_once_and_fenced_when_the_lease_is_lost(
    api: Any, db: Database, begun: tuple[Any, Owner, Any]
) -> None:
    run_id, owner, lease = begun
    transport = HttpTransport("http://test/api", api)
    append = an_append(run_id, lease.epoch, owner.id)
    for _ in range(2):  # a resend is harmless
        [ack] = await transport.commit([append])
        assert (ack.run_id, ack.seq, ack.fenced) == (run_id, 7, False)
    run = await flow_runs.read(db, run_id)
    assert (run.state_type, run.result, run.run_count) == ("COMPLETED", b"r", 1)
    assert await task_runs.count_by_state(db, run_id) == {"COMPLETED": 1, "FAILED": 1, "RUNNING": 1}
    assert len(await logs.read(db, flow_run_id=run_id)) == 2
    assert await transport.renew([(run_id, lease.epoch, owner.id)]) == set()
    with pytest.raises(JournalGap):
        await transport.commit([an_append(run_id, lease.epoch, owner.id, 99)])
    await leases.take(db, run_id, Owner(uuid4(), "other", 2, 2.0), 15.0, force=True)
    [ack] = await transport.commit([an_append(run_id, lease.epoch, owner.id, 8)])
    assert ack.fenced
    assert await transport.renew([(run_id, lease.epoch, owner.id)]) == {run_id}


async def test_a_journal_writes_over_http(api: Any, db: Database, begun: tuple[Any, Owner, Any]) -> None:
    run_id, owner, lease = begun
    journal = Journal(HttpTransport("http://test/api", api), 15.0)
    run = journal.open(run_id, lease.epoch, owner.id, lease.last_seq)
    run.append(FlowRunTransition(ids.uuid7(), "RUNNING", "Running", T0))
    await journal.close()
    assert (await flow_runs.read(db, run_id)).state_type == "RUNNING"


async def test_bad_appends_get_422_and_change_nothing(api: Any) -> None:
    for body in (b"", b"[]", b"{", b'{"appends": 1}', broken(["run"], "x")):
        answer = await api.post("/heliostat/journal", content=body)
        assert answer.status_code == 422, answer.text
        assert list(answer.json()) == ["detail"]
    assert (await api.post("/heliostat/journal/leases", content=b'{"leases": [[1]]}')).status_code == 422


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    for handler in (refuse, lambda request: httpx.Response(503)):
        transport = HttpTransport(
            "http://test/api", httpx.AsyncClient(transport=httpx.MockTransport(handler))
        )
        with pytest.raises(DatabaseUnavailable, match="cannot reach"):
            await transport.commit([])
        await transport.close()
