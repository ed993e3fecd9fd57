"""Claimed runs of flows of the stock client. Its package is played by a folder that bears its name."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from waiting import wait_for

from heliostat.runtime.engine.flow import stock_run
from heliostat.runtime.engine.flow.claimed import execute_claimed
from heliostat.runtime.engine.flow.stock_flows import is_stock_flow
from heliostat.runtime.foundation import settings
from heliostat.runtime.journal.current import current_recording
from heliostat.runtime.records import Owner
from heliostat.runtime.states import Cancelling, Completed, Running
from heliostat.runtime.store import (
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
from heliostat.runtime.store.deployment_rows import NewDeployment, NewWorkPool
from heliostat.runtime.store.deployment_run_rows import NewDeploymentRun

CLIENT = """
import os, subprocess, sys, time
assert sys.argv[1:3] == ["flow-run", "execute"]
mark = os.environ["PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT"][0]
print(f"{mark}ERROR\\nTraceback (most recent call last):\\n  File x\\nValueError: sent", flush=True)
print("12:00:00.123 | WARNING | app - beware", flush=True)
print("printed at", os.environ["PREFECT_API_URL"], flush=True)
{body}
"""
FLOW = "from prefect import flow as f\n\n@f(name='x')\ndef moved():\n    pass\n"


class Yard:
    """A deployment of a flow of the stock client, and what that one does with its runs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.client = folder / "project", folder / "client" / "prefect"
        self.project.mkdir()
        self.client.mkdir(parents=True)
        (self.project / "flows.py").write_text(FLOW)
        (self.client / "__init__.py").touch()
        monkeypatch.setenv("PYTHONPATH", str(self.client.parent))
        monkeypatch.setenv("HELIOSTAT_PUBLIC_API_URL", "http://127.0.0.1:1/api")
        settings.reload_settings()
        ask = current_recording().call
        self.pool = ask(work_pools.create, NewWorkPool("yard", "ray"))
        flow = ask(flows.get_or_create, "moved")
        new = NewDeployment(flow.id, "d", entrypoint="flows.py:moved", work_pool_name="yard")
        self.deployment, _ = ask(deployments.upsert, new)

    def claimed(self) -> tuple[UUID, int]:
        ask = current_recording().call
        run_id, _ = ask(scheduled_runs.create_run, self.deployment.id, NewDeploymentRun())
        (claimed,) = ask(claims.claim, self.pool.id, 10, Owner(uuid4(), "host-a", 123, 1.5), 15.0)
        return run_id, claimed.epoch

    def client_does(self, body: str) -> None:
        (self.client / "__main__.py").write_text(CLIENT.replace("{body}", body))


@pytest.fixture
def yard(recorded_on_both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    return Yard(tmp_path, monkeypatch)


def propose(run_id: UUID, state: Any) -> None:
    current_recording().call(flow_run_changes.propose, run_id, state)


def state_of(run_id: UUID) -> str | None:
    return current_recording().call(flow_runs.read, run_id).state_name


def executing(yard: Yard, run_id: UUID, epoch: int) -> tuple[threading.Thread, list[Any]]:
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.append(execute_claimed(run_id, epoch, yard.project)))
    thread.start()
    return thread, ended


def test_processes_that_end_before_the_run_has_ended_make_it_crashed(yard: Yard) -> None:
    yard.client_does("sys.exit(3)")
    run_id, epoch = yard.claimed()
    ended = execute_claimed(run_id, epoch, yard.project)
    assert (ended.name, state_of(run_id)) == ("Crashed", "Crashed")
    assert "exit code 3" in str(ended.message) and "printed at" in str(ended.message)
    lines = current_recording().call(logs.read, flow_run_id=run_id)
    assert [(line.name, line.level, line.message) for line in lines] == [
        ("app", 30, "beware"),
        ("stdout", 20, "printed at http://127.0.0.1:1/api"),
    ]


def test_the_state_that_the_client_has_set_is_the_runs_and_its_lease_is_kept_and_given_back(
    yard: Yard, tmp_path: Path
) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    yard.client_does(
        f"open({str(begun)!r}, 'w').close()\nwhile not os.path.exists({str(go_on)!r}): time.sleep(.01)"
    )
    run_id, epoch = yard.claimed()
    thread, ended = executing(yard, run_id, epoch)
    wait_for(begun.exists)
    lease = current_recording().call(leases.read, run_id)
    assert lease is not None and lease.pid == os.getpid()
    propose(run_id, Running())
    propose(run_id, Completed())
    go_on.touch()
    thread.join()
    assert [state.name for state in ended] == ["Completed"]
    lease = current_recording().call(leases.read, run_id)
    assert lease is not None and lease.owner is None


def test_processes_that_do_not_obey_are_ended_with_all_that_they_started(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_run, "_OBEYS_WITHIN_S", 0.0)
    monkeypatch.setattr(stock_run, "_TERM_S", 0.1)
    pids = tmp_path / "pids"
    yard.client_does(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\ntime.sleep(600)"
    )
    run_id, epoch = yard.claimed()
    thread, ended = executing(yard, run_id, epoch)
    wait_for(pids.exists)
    propose(run_id, Running())
    propose(run_id, Cancelling())
    thread.join()
    assert [state.name for state in ended] == ["Cancelled"] and state_of(run_id) == "Cancelled"
    for pid in pids.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_without_the_client_the_run_says_what_is_missing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH")
    run_id, epoch = yard.claimed()
    ended = execute_claimed(run_id, epoch, yard.project)
    assert ended.name == "Crashed" and "not installed" in str(ended.message)
    lines = [line.message for line in current_recording().call(logs.read, flow_run_id=run_id)]
    assert any("HELIOSTAT_STOCK_PYTHON" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "is_stock"),
    [
        ("import prefect\n@prefect.flow\ndef moved(): ...", True),
        ("from prefect.flows import Flow\nmoved = Flow(len).with_options(name='x')", True),
        ("import prefect\nif True:\n    @prefect.flow(name='x')\n    async def moved(): ...", True),
        ("from heliostat import flow\n@flow\ndef moved(): ...", False),
        ("import prefect\nfrom heliostat import flow\n@flow\ndef moved(): prefect.runtime", False),
        ("def moved(:", False),
    ],
)
def test_the_text_of_a_file_tells_whose_flow_it_holds(tmp_path: Path, text: str, is_stock: bool) -> None:
    (tmp_path / "some.py").write_text(text)
    assert is_stock_flow("some.py:moved", tmp_path) is is_stock
    assert is_stock_flow("some:moved", tmp_path) is is_stock
