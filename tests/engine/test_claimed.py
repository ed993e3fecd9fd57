"""Runs of deployments, claimed from a pool and executed in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.engine.flow.claimed import execute_claimed
from heliostat.runtime.foundation.errors import LeaseHeld
from heliostat.runtime.journal.current import current_recording, use_recording
from heliostat.runtime.records import Owner
from heliostat.runtime.states import Cancelling, Running
from heliostat.runtime.store import (
    block_documents,
    block_types,
    claims,
    deployments,
    flow_run_changes,
    flow_runs,
    flows,
    leases,
    logs,
    scheduled_runs,
    work_pools,
)
from heliostat.runtime.store.deployment_rows import ClaimedRun, NewDeployment, NewWorkPool
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

CODE = """
from datetime import date
from pathlib import Path
from heliostat import flow, task
from nearby import EFFECTS

@task
def work(number: int) -> int:
    with EFFECTS.open("a") as file:
        file.write(f"{number}\\n")
    return number

@flow
def survey(day: date, numbers: int = 3, die_after: int | None = None) -> str:
    for number in range(numbers):
        work(number)
        if number == die_after and not Path(str(EFFECTS) + ".again").exists():
            raise SystemExit("gone")
    return f"{day:%A}"

@flow
def enter(login: dict) -> str:
    return f"{login['user']}:{login['password']}"
"""


class Yard:
    """A pool, a deployment of the code above, and claims of its runs."""

    def __init__(self, recorded: Any, project: Path) -> None:
        self.recorded, self.project = recorded, project
        (project / "flows").mkdir()
        # A name of its own: modules of other tests are still loaded.
        self.file = f"flows/f{uuid4().hex}.py"
        (project / self.file).write_text(CODE)
        (project / "flows" / "nearby.py").write_text(
            f"from pathlib import Path\nEFFECTS = Path({str(project / 'effects')!r})\n"
        )
        ask = current_recording().call
        self.pool = ask(work_pools.create, NewWorkPool("yard", "ray"))
        flow = ask(flows.get_or_create, "survey")
        new = NewDeployment(
            flow.id, "d", entrypoint=f"{self.file}:survey", work_pool_name="yard", parameters={"numbers": 4}
        )
        self.deployment, _ = ask(deployments.upsert, new)

    def run(self, **parameters: Any) -> UUID:
        new = NewDeploymentRun(parameters=parameters)
        return current_recording().call(scheduled_runs.create_run, self.deployment.id, new)[0]

    def claim(self) -> ClaimedRun:
        claimer = Owner(uuid4(), "host-a", 123, 1.5)
        (claimed,) = current_recording().call(claims.claim, self.pool.id, 10, claimer, 15.0)
        return claimed

    def effects(self) -> list[int]:
        return [int(line) for line in (self.project / "effects").read_text().split()]

    def states(self, run_id: UUID) -> list[str]:
        return self.recorded.states(self.recorded.run(run_id))


@pytest.fixture
def yard(recorded_on_both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.delitem(sys.modules, "nearby", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Yard(recorded_on_both, tmp_path)


def test_a_claimed_run_is_executed_with_its_json_parameters(yard: Yard) -> None:
    run_id = yard.run(day="2026-07-06")
    claimed = yard.claim()
    ended = execute_claimed(run_id, claimed.epoch, yard.project)
    assert (ended.name, ended.result()) == ("Completed", "Monday")
    assert yard.effects() == [0, 1, 2, 3]
    assert yard.states(run_id) == ["Scheduled", "Pending", "Running", "Completed"]
    lease = current_recording().call(leases.read, run_id)
    assert lease is not None and (lease.owner, lease.epoch) == (None, claimed.epoch + 1)
    assert yard.recorded.counts(yard.recorded.run(run_id)) == {"COMPLETED": 4}
    # What has ended is not executed once more.
    assert execute_claimed(run_id, lease.epoch, yard.project).is_completed()
    assert len(yard.effects()) == 4


def test_parameters_may_refer_to_saved_blocks(yard: Yard) -> None:
    """A run got the reference itself. The block is read when the run starts; only the reference is kept."""
    ask = current_recording().call
    kind = ask(block_types.create, block_types.NewBlockType("Login", "login"))
    fields = {"type": "object", "properties": {}, "secret_fields": ["password"], "block_type_slug": "login"}
    schema, _ = ask(block_types.create_schema, kind.id, fields, [], "1.0")
    saved = ask(block_documents.create, schema.id, kind.id, "main", {"user": "ann", "password": "sun"}, False)
    flow = ask(flows.get_or_create, "enter")
    new = NewDeployment(flow.id, "in", entrypoint=f"{yard.file}:enter", work_pool_name="yard")
    yard.deployment, _ = ask(deployments.upsert, new)
    by_id = {"$ref": {"block_document_id": str(saved.id)}}
    for reference in (by_id, {"$ref": {"block_document_slug": "login/main"}}):
        run_id = yard.run(login=reference)
        ended = execute_claimed(run_id, yard.claim().epoch, yard.project)
        assert ended.result() == "ann:sun"
        assert ask(flow_runs.read, run_id).parameters == {"login": reference}
    ask(block_documents.delete, saved.id)
    run_id = yard.run(login=by_id)
    ended = execute_claimed(run_id, yard.claim().epoch, yard.project)
    assert ended.is_failed() and str(saved.id) in str(ended.message)


def test_what_a_dead_execution_has_completed_is_replayed(yard: Yard) -> None:
    run_id = yard.run(day="2026-07-06", numbers=5, die_after=2)
    first = yard.claim()
    recording = current_recording()
    taken: list[Any] = []

    class Dying:
        """A recording whose process vanishes before the run's end: its last state never arrives."""

        lease_s = recording.lease_s
        is_usable = True
        hears_commands = polls_commands = False
        journal = recording.journal

        call, release = recording.call, recording.release

        def adopt(self, *args: Any) -> Any:
            adopted = recording.adopt(*args)
            taken.append(adopted.lease)
            return adopted

        def close(self, timeout_s: float | None = None) -> None: ...

    use_recording(Dying())
    try:
        with pytest.raises(SystemExit):
            execute_claimed(run_id, first.epoch, yard.project)
    finally:
        use_recording(None)
    assert yard.recorded.run(run_id).state_type == "CRASHED"
    (yard.project / "effects.again").touch()
    recording.call(flow_run_changes.propose, run_id, Running(), force=True)
    ended = execute_claimed(run_id, taken[0].epoch, yard.project)
    assert ended.result() == "Monday"
    assert yard.effects() == [0, 1, 2, 3, 4]
    assert yard.recorded.counts(yard.recorded.run(run_id)) == {"COMPLETED": 5}


def test_a_run_that_another_process_holds_is_not_executed(yard: Yard) -> None:
    run_id = yard.run(day="2026-07-06")
    claimed = yard.claim()
    with pytest.raises(LeaseHeld):
        execute_claimed(run_id, claimed.epoch + 1, yard.project)
    assert yard.states(run_id) == ["Scheduled", "Pending"]
    assert not (yard.project / "effects").exists()


@pytest.mark.parametrize(
    ("parameters", "entrypoint", "state", "says"),
    [
        ({"day": "someday"}, None, "Failed", "day"),
        ({"day": "2026-07-06"}, "flows/other.py:survey", "Crashed", "no file"),
        ({"day": "2026-07-06"}, "no.such.module:survey", "Crashed", "no module"),
    ],
)
def test_a_run_that_cannot_begin_says_why(
    yard: Yard, parameters: dict[str, Any], entrypoint: str | None, state: str, says: str
) -> None:
    if entrypoint is not None:
        change = {"entrypoint": entrypoint}
        current_recording().call(deployments.change, yard.deployment.id, change)
    run_id = yard.run(**parameters)
    claimed = yard.claim()
    ended = execute_claimed(run_id, claimed.epoch, yard.project)
    assert ended.name == state and says in (ended.message or "")
    assert yard.states(run_id) == ["Scheduled", "Pending", state]
    lines = current_recording().call(logs.read, flow_run_id=run_id)
    assert [line for line in lines if says in line.message]
    lease = current_recording().call(leases.read, run_id)
    assert lease is not None and lease.owner is None


def test_a_run_that_was_cancelled_before_it_began_ends_cancelled(yard: Yard) -> None:
    run_id = yard.run(day="2026-07-06")
    claimed = yard.claim()
    current_recording().call(flow_run_changes.propose, run_id, Cancelling(), force=True)
    assert execute_claimed(run_id, claimed.epoch, yard.project).name == "Cancelled"
    assert yard.states(run_id)[-1] == "Cancelled"
    assert not (yard.project / "effects").exists()
