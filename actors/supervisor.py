"""A process that executes flows: it adopts claimed runs one by one (a shared process many at a time).

`Supervisor` is the plain class; `SupervisorActor` hosts it on Ray. A run's body is executed in the calling
thread, which is the main thread unless the process is shared. Another thread hears commands for the runs and
hands them to the engine's watch, so that runs obey them as in any other process.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from ..runtime.authoring.terminal import be_a_worker
from ..runtime.engine.flow.claimed import execute_claimed
from ..runtime.engine.flow.command_watch import CommandListener, watch
from ..runtime.engine.owner import owner_of_this_process
from ..runtime.engine.ray_project import Project, use_project
from ..runtime.foundation import clock
from ..runtime.foundation.errors import CancelRun, HeliostatError, LeaseHeld, LeaseLost
from ..runtime.foundation.long_lived import keep_thread
from ..runtime.journal.current import use_recording
from ..runtime.journal.recording import Recording
from ..runtime.projects.code_packages import unpack_once
from ..runtime.projects.pull_steps import are_stock, project_folder
from ..runtime.running.known_values import known_here
from ..runtime.states import State
from ..runtime.store import code_packages, flow_runs
from ..runtime.store.commands import Command
from .assignments import Assignment, CodeSource, Described, Ended, ProcessSpec
from .surroundings import settle_in

if TYPE_CHECKING:
    from ..runtime.journal.thread_recording import ThreadRecording
    from .recording import JournalActorTransport

_log = logging.getLogger("heliostat.internal.supervisor")
_ASK_FOR_S = 20.0
_AGAIN_S = 0.5
_OBEY_AGAIN_S = 0.1  # for a run that is just beginning, or is between two attempts


class Commands(CommandListener, Protocol):
    """The source of commands for a supervisor's runs."""

    def wait(self, runs: Sequence[UUID], timeout_s: float) -> list[Command]: ...


class Supervisor:
    """Executes runs in the threads that call it. Its process records through `recording`."""

    def __init__(self, recording: Recording, commands: Commands, cache: Path | None = None) -> None:
        self._recording = recording
        self._commands = commands
        self._cache = cache
        self._code: CodeSource | None = None
        self._project: Path | None = None
        self._executed: set[UUID] = set()
        self._lock = threading.Lock()
        self._runs = 0
        watch().listener = self
        keep_thread("heliostat-commands", self._listen, _log)

    @property
    def code(self) -> CodeSource | None:
        """The code that this process has loaded; it cannot load any other."""
        return self._code

    @property
    def active(self) -> int:
        """How many runs this process executes now."""
        with self._lock:
            return len(self._executed)

    def execute(self, assignment: Assignment) -> Ended:
        """Execute one run to its end; never raises."""
        began = clock.monotonic_s()
        ended = self._execute(assignment)
        return replace(ended, took_s=clock.monotonic_s() - began, owner=owner_of_this_process().id)

    def _execute(self, assignment: Assignment) -> Ended:
        with self._lock:
            self._executed.add(assignment.run_id)
        try:
            project = self._bring_code(assignment.code)
            ended = execute_claimed(
                assignment.run_id, assignment.epoch, project, is_stock=are_stock(_steps_of(assignment.code))
            )
        except (KeyboardInterrupt, CancelRun, SystemExit):
            return self._told(assignment, None)  # the engine has recorded how it ended
        except (LeaseHeld, LeaseLost) as error:
            return Ended(None, None, str(error), self._runs, rss_bytes(), is_elsewhere=True)
        except BaseException as error:
            _log.warning("run %s: %s", assignment.run_id, error)
            self._commands.let_go(assignment.run_id)  # the run did not end here
            return self._told(assignment, None, f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._executed.discard(assignment.run_id)
                self._runs += 1
        return self._told(assignment, ended)

    def hold(self, run_id: UUID) -> None:
        """Hear commands for a run. A run that this process was given is held with its lease already."""
        if run_id not in self._executed:
            self._commands.hold(run_id)

    def let_go(self, run_id: UUID) -> None:
        """Hear no more commands for a run, unless this process was given it."""
        if run_id not in self._executed:
            self._commands.let_go(run_id)

    def _told(self, assignment: Assignment, ended: State | None, error: str | None = None) -> Ended:
        if ended is None and error is None:
            try:
                run = self._recording.call(flow_runs.read, assignment.run_id)
            except HeliostatError as gone:
                error = str(gone)
            else:
                return Ended(run.state_type, run.state_name, None, self._runs, rss_bytes())
        if ended is None:
            return Ended(None, None, error, self._runs, rss_bytes())
        return Ended(ended.type.value, ended.name, None, self._runs, rss_bytes())

    def _bring_code(self, code: CodeSource) -> Path | None:
        """The folder of the run's project on this machine."""
        with self._lock:
            if self._code is None:
                self._project = self._fetch(code)
                self._code = code
                folder = self._project
                use_project(None if folder is None else Project(str(folder), code.revision))
                if folder is not None and threading.current_thread() is threading.main_thread():
                    os.chdir(folder)
        if self._code != code:
            raise RuntimeError("this process has loaded other code already")
        return self._project

    def _fetch(self, code: CodeSource) -> Path | None:
        def fetch(revision: str) -> bytes:
            return self._recording.call(code_packages.get, revision)

        if code.revision is not None:
            return unpack_once(code.revision, fetch, self._cache)
        steps = _steps_of(code)
        if are_stock(steps):
            return None
        return project_folder(steps, code.path, fetch, known_here(self._recording))

    def _listen(self) -> None:
        unheeded: dict[UUID, Command] = {}  # for runs that cannot obey yet
        while True:
            with self._lock:
                runs = self._executed | set(watch().runs)
            try:
                heard = self._commands.wait(list(runs), _OBEY_AGAIN_S if unheeded else _ASK_FOR_S)
            except Exception as error:  # the journal actor is away, and comes back
                _log.debug("no commands heard: %s", error)
                clock.sleep(_AGAIN_S)
                continue
            unheeded |= {command.run_id: command for command in heard}
            with self._lock:
                executed = set(self._executed)
            unheeded = {
                run_id: command
                for run_id, command in unheeded.items()
                if not _is_told(command) and run_id in executed
            }


def _is_told(command: Command) -> bool:
    """Hand a command to its run; whether the run has heard it. An error here does not affect other runs."""
    try:
        return watch().tell(command)
    except Exception:
        _log.exception("flow run %s cannot be told to %s", command.run_id, command.kind)
        return False


def _steps_of(code: CodeSource) -> list[dict[str, Any]]:
    return json.loads(code.pull_steps or "[]")


def rss_bytes() -> int:
    """Memory that this process occupies."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except (OSError, IndexError, ValueError):
        return 0


class _JournalCommands:
    """Commands that come through the journal actor."""

    def __init__(self, recording: ThreadRecording, transport: JournalActorTransport, name: str) -> None:
        self._recording = recording
        self._transport = transport
        self._name = name

    def hold(self, run_id: UUID) -> None:
        self._transport.tell("hold", self._name, run_id)

    def let_go(self, run_id: UUID) -> None:
        self._transport.tell("let_go", self._name, run_id)

    def wait(self, runs: Sequence[UUID], timeout_s: float) -> list[Command]:
        asked = self._transport.ask("commands", self._name, list(runs), timeout_s, within_s=timeout_s + 10)
        return self._recording.run(asked)


class SupervisorActor:
    """`Supervisor` as an actor; with threads of its own (`max_concurrency`) it runs many flows at a time."""

    def __init__(self, name: str, mark: str, environment: dict[str, str], spec: ProcessSpec) -> None:
        settle_in(environment)
        from ..runtime.foundation.settings import current_settings
        from .recording import record_to_actor

        self._mark = mark
        self._name = name
        self._spec = spec
        be_a_worker()
        recording, transport = record_to_actor(current_settings().lease_s, supervisor=name)
        use_recording(recording)
        self._supervisor = Supervisor(recording, _JournalCommands(recording, transport, name))

    def version(self) -> str:
        return self._mark

    def execute(self, assignment: Assignment) -> Ended:
        return self._supervisor.execute(assignment)

    def describe(self) -> Described:
        import ray

        anything: Any = ray
        outputs = tuple(os.path.realpath(f"/proc/self/fd/{number}") for number in (1, 2))
        node_id: str = anything.get_runtime_context().get_node_id()
        return Described(
            self._name,
            os.getpid(),
            platform.node(),
            node_id,
            outputs,
            self._supervisor.code,
            rss_bytes(),
            self._mark,
            self._spec,
            self._supervisor.active,
        )
