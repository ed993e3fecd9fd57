"""A claimed run of a stock flow: the stock client's command executes it, in processes of its own.

The client uses this server's API as any other: it carries out the pull steps, sets the states, records tasks
and logs, and hears when the run is cancelled. Meanwhile this process keeps the run's lease, turns what the
client's processes print into log lines, and settles the run when they end.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import UUID

from ...foundation import clock
from ...foundation.errors import LeaseLost, ServerGone, StockClientMissing
from ...foundation.proxies import is_loopback, with_loopback_direct
from ...foundation.settings import current_settings
from ...foundation.withheld import without_secrets
from ...journal import run_passes
from ...journal.current import current_recording
from ...records import LogBatch, LogLine
from ...states import Cancelled, Crashed, State, StateType
from ...store import flow_run_changes, flow_runs
from ...store.commands import Command
from ..owner import owner_of_this_process
from .command_watch import watch
from .flow_results import Kept
from .flow_states import transition_of
from .stock_flows import PACKAGE

if TYPE_CHECKING:
    from ...store.database.rows import Adopted, FlowRunRow

_OBEYS_WITHIN_S = 30.0  # for the client to end a cancelled run and call its hooks
_TERM_S = 2.0
_LOOKS_EVERY_S = 1.0
_MARK = "\x1e"  # begins a printed copy of a log line that the client sends to the API itself
_IS_LOG = re.compile(r"\d\d:\d\d:\d\d\.\d{3} \| ([A-Z]+) *\| (\S+) - (.*)")
_SHOWN_LINES = 20


def execute_stock_run(adopted: Adopted) -> State:
    """Have the stock client execute the run; returns the state that it ended in, or was left in.

    Raises StockClientMissing before anything has begun, LeaseLost when another process takes the run away.
    """
    command, environment = _command(adopted.run.id), _environment(adopted.run.id)
    return _Execution(adopted).carry_out(command, environment)


def _command(run_id: UUID) -> list[str]:
    python = str(current_settings().stock_python or sys.executable)
    guard = str(Path(__file__).with_name("stock_guard.py"))
    if subprocess.run([python, "-c", _IS_THERE], capture_output=True).returncode:
        raise StockClientMissing(
            f"its flow is one of the package {PACKAGE}, which is not installed where the run is executed",
            hint=f"install it there, name it in the job variable runtime_env ({{'pip': ['{PACKAGE}']}}), or "
            "say with HELIOSTAT_STOCK_PYTHON which Python has it",
        )
    execute = [python, "-m", PACKAGE, "flow-run", "execute", str(run_id)]
    return [sys.executable, "-IS", guard, str(_TERM_S), *execute]


_IS_THERE = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({PACKAGE!r}) is None)"


def _environment(run_id: UUID) -> dict[str, str]:
    settings = current_settings()
    url = settings.public_api_url or settings.api_url
    if url is None:
        raise StockClientMissing(
            f"its flow is one of the package {PACKAGE}, which needs the address of a server",
            hint="set HELIOSTAT_PUBLIC_API_URL",
        )
    given = {
        "PREFECT_API_URL": url,
        "PREFECT__FLOW_RUN_ID": str(run_id),
        "PYTHONUNBUFFERED": "1",
        "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": f"{_MARK}%(levelname)s",
        "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": f"{_MARK}%(levelname)s",
        "PREFECT_LOGGING_COLORS": "false",
    }
    # A worker has given this process the run's pass; a supervisor has no password, and asks for the pass.
    auth = settings.api_auth_string
    if settings.api_url is None:
        auth = current_recording().call(run_passes.issue, run_id) or auth
    if auth is not None:
        given["PREFECT_API_AUTH_STRING"] = auth
    kept = without_secrets(os.environ)
    kept = {name: value for name, value in kept.items() if not name.startswith("HELIOSTAT_")}
    return with_loopback_direct(kept | given) if is_loopback(url) else kept | given


class _Execution:
    """The execution of one run while its processes live."""

    def __init__(self, adopted: Adopted) -> None:
        self._run, self._lease = adopted.run, adopted.lease
        self._recording = current_recording()
        self._owner = owner_of_this_process().id
        self._news = threading.Event()  # set when the processes have ended, or a command came for the run
        self._asked: Command | None = None
        self._asked_s = 0.0
        self._fenced = False
        self._said: list[str] = []  # the last lines, for the message of a run whose processes crash
        self._journal = self._recording.journal.open(
            self._run.id, self._lease.epoch, self._owner, self._lease.last_seq, self._on_fenced
        )

    def carry_out(self, command: list[str], environment: dict[str, str]) -> State:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",  # output may be any bytes, and is only shown
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(
            target=self._read, args=(process.stdout,), name="heliostat-stock-output", daemon=True
        )
        reader.start()
        if not self._recording.polls_commands:  # in a supervisor; a runner has recorded it already
            pid = f"{platform.node()}:{process.pid}"
            self._recording.call(flow_run_changes.change, self._run.id, {"infrastructure_pid": pid})
        watch().hold(self._run.id, self._recording, self._obey)
        try:
            self._wait(process)
        finally:
            watch().let_go(self._run.id)
            if process.stdin is not None:
                process.stdin.close()  # the guard ends the processes that are left
            process.wait()
            reader.join(_TERM_S)
        if isinstance(self._journal.failure, ServerGone):
            raise self._journal.failure
        if self._fenced:
            raise LeaseLost(f"flow run {self._run.id} has another owner by now")
        return self._settle(process.returncode)

    def _obey(self, command: Command) -> bool:
        if self._asked is None or self._asked.kind != command.kind:
            self._asked, self._asked_s = command, clock.monotonic_s()
            self._news.set()
        return True

    def _on_fenced(self, _: UUID) -> None:
        self._fenced = True
        self._news.set()

    def _wait(self, process: subprocess.Popen[str]) -> None:
        """Wait until the processes have ended, or do not obey a command in time."""
        told = free = False
        while process.poll() is None:
            self._news.wait(_LOOKS_EVERY_S)
            self._news.clear()
            if self._fenced:
                return
            asked = self._asked
            if asked is None or asked.kind not in ("cancel", "stop"):
                continue
            if asked.kind == "stop" and not free and not self._is_cancelled():
                # The run has probably ended by itself, and its hooks may take their time.
                free = self._recording.release(self._run.id, self._lease.epoch, self._owner)
            late_s = clock.monotonic_s() - self._asked_s
            if not told and not free and late_s >= _OBEYS_WITHIN_S and process.stdin is not None:
                told = True
                process.stdin.write("\n")
                process.stdin.flush()

    def _is_cancelled(self) -> bool:
        return self._read_run().state_type == "CANCELLED"

    def _read_run(self) -> FlowRunRow:
        return self._recording.call(flow_runs.read, self._run.id)

    def _settle(self, code: int) -> State:
        """The run's state after its processes have ended; it is recorded if they left the run unfinished."""
        self._journal.barrier().result()
        run = self._read_run()
        state = State(StateType(run.state_type or "PENDING"), name=run.state_name or "Pending")
        if state.is_final() or _waits_for_others(run):
            self._journal.close()
            self._recording.release(run.id, self._lease.epoch, self._owner)
            return state
        how = f"ended with exit code {code}" if code < 128 else f"was killed by signal {code - 128}"
        if state.is_cancelling():
            final = Cancelled(f"its process {how}")
        else:
            last = "".join(f"\n{line}" for line in self._said)
            final = Crashed(f"its process {how} before the run had ended{last}")
        self._journal.append(transition_of(final, Kept(), release=True))
        self._journal.barrier().result()
        self._journal.close()
        return final

    # What the processes say.

    def _read(self, output: IO[str]) -> None:
        for record in log_lines(output):
            self._said = [*self._said[1 - _SHOWN_LINES :], record.message]
            try:
                self._journal.append(LogBatch([record]))
            except Exception as error:  # the journal is fenced or closed: the run has another owner
                logging.getLogger("heliostat.internal").debug("a line is not recorded: %s", error)
        self._news.set()


def _waits_for_others(run: FlowRunRow) -> bool:
    """Whether a run may be without a process: it is suspended, or scheduled to begin again."""
    if run.state_type == "PAUSED":
        return run.state_name == "Suspended"
    return run.state_type == "SCHEDULED" and run.empirical_policy.get("retry_type") != "in_process"


def log_lines(lines: Iterable[str]) -> Iterator[LogLine]:
    """Printed lines as log lines, without those that the processes have sent to the API themselves. A
    traceback belongs to the line with which it was logged.
    """
    logged: LogLine | None = None  # the last logged line, as long as a traceback may follow
    is_sent = in_traceback = False
    for raw in lines:
        line = raw.rstrip()
        after_log = is_sent or logged is not None
        if after_log and (line.startswith(_TRACEBACK) or (in_traceback and _goes_on(line))):
            in_traceback = True
        elif in_traceback and after_log:  # the exception itself, perhaps after the traceback of its cause
            in_traceback = False
        elif after_log and line.startswith(_CHAINED):
            in_traceback = True
        elif line:
            if logged is not None:
                yield logged
            is_sent, logged = line.startswith(_MARK), _logged(line)
            if not is_sent and logged is None:
                yield LogLine(clock.epoch_s(), logging.INFO, "stdout", line)
            continue
        if logged is not None:
            logged = replace(logged, message=f"{logged.message}\n{line}")
    if logged is not None:
        yield logged


_TRACEBACK = ("Traceback ", "  + Exception Group Traceback")
_CHAINED = ("During handling of the above", "The above exception was")


def _goes_on(line: str) -> bool:
    return not line or line[0] == " " or line.startswith(_CHAINED)


def _logged(line: str) -> LogLine | None:
    found = _IS_LOG.fullmatch(line)
    if found is None:
        return None
    level = logging.getLevelNamesMapping().get(found[1], logging.INFO)
    return LogLine(clock.epoch_s(), level, found[2], found[3])
