"""The command line in this process, and a database with one run of every kind in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from heliostat.api.cli.root import cli as root
from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.settings import forget_settings, reload_settings
from heliostat.runtime.records import (
    CallSite,
    FlowRunTransition,
    LogBatch,
    LogLine,
    RuleDecision,
    RunAppend,
    TaskRunBatch,
)

BEGAN = 1_790_000_000.0  # 2026-09-21, in epoch seconds

ERROR = '{"type": "ValueError", "message": "no", "traceback": "the traceback", "cause": null}'

Heliostat = Callable[..., Result]


@pytest.fixture
def heliostat() -> Heliostat:
    """Run a command line as a process of its own would: `heliostat("flow-run", "ls")`."""

    def run(*words: str, input: str | None = None) -> Result:
        forget_settings()
        return CliRunner().invoke(root, list(words), input=input)

    return run


@pytest.fixture
def checked(heliostat: Heliostat) -> Heliostat:
    """Run a command line that must succeed; with `code=3` one that must fail with that code."""

    def run(*words: str, code: int = 0, input: str | None = None) -> Result:
        done = heliostat(*words, input=input)
        assert done.exit_code == code, done.stderr
        return done

    return run


@pytest.fixture
def cli(checked: Heliostat) -> Heliostat:
    """The checked command line, unless a file of tests puts it on a server of its own."""
    return checked


@dataclass(frozen=True)
class Recorded:
    """The runs that the database holds."""

    good: UUID  # flow "etl", Completed, 3 tasks of which one failed
    bad: UUID  # flow "report", Failed
    site: CallSite

    def task(self, index: int) -> UUID:
        return ids.task_run_id(self.site.base, index)


@pytest.fixture
def recorded(heliostat_home: Path) -> Recorded:
    """A database at the default place with two flow runs, task runs, decisions and logs."""
    return asyncio.run(record(reload_settings().database_url))


async def record(database_url: str) -> Recorded:
    from heliostat.runtime.store.database.database import Database

    database = await Database.open(database_url)
    try:
        good, site = await _record_good(database)
        bad = await _record_bad(database)
    finally:
        await database.close()
    return Recorded(good, bad, site)


async def _record_good(database: object) -> tuple[UUID, CallSite]:
    from heliostat.runtime.records import Owner
    from heliostat.runtime.store import flow_runs
    from heliostat.runtime.store.commits import appends
    from heliostat.runtime.store.database.rows import NewFlowRun

    run_id, owner = ids.uuid7(), Owner(uuid4(), "host", 1, 1.0)
    new = NewFlowRun(
        run_id,
        "etl",
        "quiet-heron",
        [_to("PENDING", "Pending", 0)],
        parameters={"limit": 3},
        tags=("nightly",),
    )
    begun = await flow_runs.begin(database, new, owner, 15.0)  # type: ignore[arg-type]
    site = CallSite(run_id, "", "clean-1a2b", "clean", ids.task_run_base(run_id, "", "clean-1a2b"), ("io",))
    batch = TaskRunBatch(
        site,
        range(3),
        ["COMPLETED", "FAILED", "COMPLETED"],
        ["Completed", "Failed", "Cached"],
        BEGAN + 1,
        [BEGAN + 2] * 3,
        [BEGAN + 3] * 3,
        messages=[None, "ValueError: no", None],
        errors=[None, ERROR, None],
    )
    lines = [
        LogLine(BEGAN + 1, 20, "heliostat.flow", "began"),
        LogLine(BEGAN + 2, 10, "heliostat.task", "detail", ids.task_run_id(site.base, 0)),
        LogLine(BEGAN + 3, 40, "heliostat.task", "went wrong", ids.task_run_id(site.base, 1)),
        LogLine(BEGAN + 4, 20, "heliostat.flow", "ended"),
    ]
    decision = RuleDecision(
        BEGAN + 1, "RetryOnFailure", "REJECT", "2 of 3 attempts left", "RUNNING", "FAILED", "Failed"
    )
    assert begun.lease is not None
    append = RunAppend(
        run_id,
        begun.lease.epoch,
        owner.id,
        1,
        [
            _to("RUNNING", "Running", 1),
            batch,
            decision,
            LogBatch(lines),
            _to("COMPLETED", "Completed", 5, "all well", release=True),
        ],
    )
    [ack] = await appends.commit(database, [append], None)  # type: ignore[arg-type]
    assert not ack.fenced
    return run_id, site


async def _record_bad(database: object) -> UUID:
    from heliostat.runtime.records import Owner
    from heliostat.runtime.store import flow_runs
    from heliostat.runtime.store.database.rows import NewFlowRun

    run_id = ids.uuid7()
    states = [_to("PENDING", "Pending", 10), _to("FAILED", "Failed", 11, "parameter refused")]
    new = NewFlowRun(run_id, "report", "loud-crow", states)
    await flow_runs.begin(database, new, Owner(uuid4(), "host", 1, 1.0), 15.0)  # type: ignore[arg-type]
    return run_id


def _to(
    state_type: str, name: str, after_s: float, message: str | None = None, release: bool = False
) -> FlowRunTransition:
    return FlowRunTransition(ids.uuid7(), state_type, name, BEGAN + after_s, message, release=release)
