"""Runs whose process is gone: a script that was killed leaves its run Running.

`ls` showed such a run as any other one, and nothing said that nobody works on it or what to do. Whoever reads
the database or asks a server is told that the process is gone, or for how long it has not been heard of.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.settings import reload_settings
from heliostat.runtime.records import FlowRunTransition, Owner
from heliostat.runtime.store import flow_runs
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.rows import NewFlowRun

Begin = Callable[..., UUID]


@pytest.fixture
def begin(heliostat_home: Path) -> Begin:
    """Record a run that is Running by that owner, whose lease holds for some seconds from now."""
    url = reload_settings().database_url

    async def begin(owner: Owner, lease_s: float, **facts: Any) -> UUID:
        db = await Database.open(url)
        try:
            states = [FlowRunTransition(ids.uuid7(), "RUNNING", "Running", 1.0)]
            new = NewFlowRun(ids.uuid7(), "etl", "quiet heron", states, **facts)
            await flow_runs.begin(db, new, owner, lease_s)
            return new.id
        finally:
            await db.close()

    return lambda *args, **facts: asyncio.run(begin(*args, **facts))


def elsewhere() -> Owner:
    return Owner(uuid4(), "another-host", 7, 1.0)


def dead_here() -> Owner:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return Owner(uuid4(), platform.node(), gone.pid, 1.0)


def listed(heliostat: Any) -> dict[str, Any]:
    (run,) = json.loads(heliostat("flow-run", "ls", "-o", "json").stdout)
    return run


def everything_said(heliostat: Any) -> list[str]:
    return [
        heliostat("flow-run", *words).stdout
        for words in (("ls",), ("inspect", "@last"), ("explain", "@last"))
    ]


def test_a_run_whose_process_is_silent_is_shown_with_what_to_do(heliostat: Any, begin: Begin) -> None:
    begin(elsewhere(), -7.0)
    for said in everything_said(heliostat):
        assert "its process has not been heard of for 2" in said, said  # seconds: 7, and a lease of 15
        assert "resume with `heliostat flow-run resume 'quiet heron'`" in said
    run = listed(heliostat)
    assert run["state_type"] == "RUNNING"
    assert (run["executor"]["host"], run["executor"]["pid"], run["executor"]["alive"]) == (
        "another-host",
        7,
        None,
    )
    assert run["executor"]["silent_seconds"] >= 22


def test_a_process_of_this_machine_that_is_gone_is_shown_at_once(heliostat: Any, begin: Begin) -> None:
    owner = dead_here()
    begin(owner, 15.0)
    for said in everything_said(heliostat):
        assert f"its process {owner.pid} on {owner.host} is gone" in said, said
    assert listed(heliostat)["executor"]["alive"] is False


def test_a_run_whose_process_lives_has_no_note(heliostat: Any, begin: Begin) -> None:
    from heliostat.runtime.engine.owner import owner_of_this_process

    begin(owner_of_this_process(), 15.0)
    run = listed(heliostat)
    assert run["executor"]["alive"] is True and run["executor"]["pid"] == os.getpid()
    assert run["executor_note"] is None
    for said in everything_said(heliostat):
        assert "its process" not in said


def test_a_run_that_has_ended_has_no_executor(heliostat: Any, recorded: Any) -> None:
    for run in json.loads(heliostat("flow-run", "ls", "-o", "json").stdout):
        assert (run["executor"], run["executor_note"]) == (None, None)


def test_a_server_shows_silent_runs_too(
    heliostat: Any, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    sys.path.append(str(Path(__file__).parents[1] / "support"))
    from serving import serving

    owner = dead_here()
    begin(owner, 15.0)
    with serving(reload_settings().database_url) as served:
        monkeypatch.setenv("HELIOSTAT_API_URL", served.url)
        for said in everything_said(heliostat):
            assert f"its process {owner.pid} on {owner.host} is gone" in said, said
        assert listed(heliostat)["executor"]["alive"] is False
