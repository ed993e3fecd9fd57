"""The processes that run a pool's flows: found, started, kept warm, recycled and ended.

`Hosts` decides which process executes which run and does not know Ray; a `Launcher` makes the processes.
Everything here belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..runtime.foundation import clock
from ..runtime.foundation.errors import BadJobVariables, HeliostatError
from ..runtime.foundation.long_lived import Tasks
from .assignments import Assignment, CodeSource, Described, Ended, ProcessSpec

_log = logging.getLogger("heliostat.actors")
_SMOOTHING = 0.2  # weight of the last run's time


class HostLost(HeliostatError):
    """The process that executed a run is gone; `last_lines` are the last lines that it wrote."""

    last_lines: tuple[str, ...] = ()


class Unplaceable(HeliostatError):
    """No process can be had for a run at the moment."""


class Process(Protocol):
    """One process on the cluster."""

    @property
    def name(self) -> str: ...
    async def describe(self) -> Described: ...
    async def execute(self, assignment: Assignment) -> Ended:
        """Execute a run to its end. Raises HostLost."""
        ...

    def kill(self) -> None: ...


class Launcher(Protocol):
    """Makes processes."""

    def launch(self, spec: ProcessSpec) -> Process: ...
    def unmet(self, spec: ProcessSpec) -> str | None:
        """Why no node that is up could ever hold a process of that specification; None when one could."""
        ...


@dataclass(frozen=True, slots=True)
class HostLimits:
    """How many processes a pool keeps, and for how long."""

    warm: int = 2  # blank processes of the default specification that wait for a run
    most: int = 64
    starting: int = 2  # at the same time: each start costs a core for half a second
    enough: int = 2  # with this many processes (shared: half) none is added while runs end quickly
    quick_s: float = 0.5
    shared_quick_s: float = 2.0  # runs side by side take longer, and more processes help little
    calm_s: float = (
        10.0  # after a death no warm process is started: the tasks of the run need processes first
    )
    runs: int = 500  # after which a process is replaced, for each run that it can execute at a time
    growth_bytes: int = 1024 * 1024 * 1024
    shared_runs: int = 32  # at a time in a shared process


@dataclass(slots=True, eq=False)
class Host:
    """A process as the pool sees it."""

    process: Process
    spec: ProcessSpec
    capacity: int
    code: CodeSource | None = None  # the code that it has loaded; None: none yet
    active: int = 0
    runs: int = 0
    first_rss_bytes: int = 0
    outputs: tuple[str, ...] = ()
    node: str = ""
    node_id: str = ""
    pid: int = 0
    rss_bytes: int = 0  # as of its start or its last run
    retiring: bool = False

    def suits(self, assignment: Assignment) -> bool:
        """Whether the process could take the run now."""
        if self.retiring or self.active >= self.capacity or self.spec != assignment.spec:
            return False
        if assignment.spec.isolation == "fresh":
            return self.runs == 0 and self.active == 0
        return self.code is None or self.code == assignment.code


@dataclass(slots=True, eq=False)
class _Waiting:
    assignment: Assignment
    since_s: float = field(default_factory=clock.monotonic_s)
    served: asyncio.Future[Host] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Hosts:
    """The processes of one pool."""

    def __init__(self, launcher: Launcher, limits: HostLimits | None = None) -> None:
        self._launcher = launcher
        self._limits = limits or HostLimits()
        self._hosts: list[Host] = []
        self._starting: dict[ProcessSpec, int] = {}
        self._waiting: deque[_Waiting] = deque()
        self._tasks = Tasks(_log)
        self._last_end_s = float("-inf")
        self._took_s: dict[str, float] = {}  # by isolation, smoothed: how long runs take
        self._last_death_s = float("-inf")
        self._look_again: asyncio.TimerHandle | None = None
        self.on_room: Callable[[], None] = lambda: None  # called when a process has become free

    @property
    def all(self) -> list[Host]:
        """Every process that is up."""
        return list(self._hosts)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a process."""
        return len(self._waiting)

    async def take(self, assignment: Assignment) -> Host:
        """A process for the run; waits for one. It goes back by `give_back`, or by `discard_dead` when it has
        died. Raises Unplaceable.
        """
        reason = self._launcher.unmet(assignment.spec)
        if reason is not None:
            raise Unplaceable(f"the run {reason}")
        waiting = _Waiting(assignment)
        self._waiting.append(waiting)
        self._serve()
        try:
            return await waiting.served
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            raise

    def give_back(self, host: Host, ended: Ended) -> None:
        """The run is over; the process is used again unless it has served its time."""
        host.active -= 1
        self._last_end_s = clock.monotonic_s()
        if host.runs:  # the first one loads the code
            took_s = self._took_s.get(host.spec.isolation, ended.took_s)
            self._took_s[host.spec.isolation] = took_s + _SMOOTHING * (ended.took_s - took_s)
        host.runs = max(host.runs, ended.runs)
        host.rss_bytes = ended.rss_bytes or host.rss_bytes
        limits = self._limits
        grown = host.first_rss_bytes and ended.rss_bytes - host.first_rss_bytes > limits.growth_bytes
        spent = host.runs >= limits.runs * host.capacity or host.spec.isolation == "fresh"
        if ended.error is not None or grown or spent or ended.state_type == "CRASHED":
            host.retiring = True
        if host.retiring and not host.active:
            self.discard(host)
        self._serve()
        self.on_room()

    def discard_dead(self, host: Host) -> None:
        """Drop a process that has died by itself."""
        self._last_death_s = clock.monotonic_s()
        self.discard(host)

    def discard(self, host: Host) -> None:
        """Drop a process, and end it if it still runs."""
        host.retiring = True
        if host in self._hosts:
            self._hosts.remove(host)
            host.process.kill()
        self._serve()

    def adopt(self, process: Process, described: Described) -> None:
        """Take in an idle process that an earlier pool actor started. It executes only runs that ask for the
        specification it was started with; a process for a single run has had its run.
        """
        if described.spec.isolation == "fresh":
            process.kill()
            return
        self._add(process, described.spec, described)
        self._serve()
        self.on_room()

    def warm_up(self) -> None:
        """Keep blank processes ready, but start none while many short runs come in: that would delay them."""
        if clock.monotonic_s() - self._last_death_s < self._limits.calm_s:
            return
        if self._ends_quickly() and len(self._hosts) >= self._limits.enough:
            return
        ordinary = ProcessSpec()
        blank = sum(1 for each in self._hosts if each.spec == ordinary and not each.active)
        for _ in range(blank + self._starting.get(ordinary, 0), self._limits.warm):
            self._start(ordinary)

    def shrink(self) -> None:
        """End idle processes beyond those that are kept warm, the longest-lived first."""
        idle = [each for each in self._hosts if not each.active]
        for host in idle[: max(0, len(idle) - max(self._limits.warm, self._limits.enough))]:
            self.discard(host)

    def close(self) -> None:
        """End every process."""
        if self._look_again is not None:
            self._look_again.cancel()
        self._tasks.cancel()
        for host in self._hosts:
            host.process.kill()
        self._hosts.clear()

    def _serve(self) -> None:
        """Give waiting runs to suitable processes, and start more processes where that helps."""
        left: deque[_Waiting] = deque()
        while self._waiting:
            waiting = self._waiting.popleft()
            if waiting.served.done():
                continue
            try:
                host = self._best_for(waiting)
            except Exception as error:  # the runs behind this one are served all the same
                waiting.served.set_exception(error)
                continue
            if host is None:
                left.append(waiting)
                continue
            host.active += 1
            if host.code is None:
                host.code = waiting.assignment.code
            waiting.served.set_result(host)
        self._waiting = left
        self._grow()
        if left and self._look_again is None:  # processes that should be free in a moment may not be
            later = asyncio.get_running_loop().call_later
            self._look_again = later(self._limits.quick_s, self._serve_again)

    def _serve_again(self) -> None:
        self._look_again = None
        self._serve()

    def _best_for(self, waiting: _Waiting) -> Host | None:
        suitable = [host for host in self._hosts if host.suits(waiting.assignment)]
        if all(host.code is None for host in suitable) and self._is_enough([waiting]):
            return None
        # Prefer a process that has loaded the code to a blank one; spread runs evenly over shared ones.
        return min(suitable, key=lambda host: (host.code is None, host.active), default=None)

    def _grow(self) -> None:
        wanted: dict[ProcessSpec, list[_Waiting]] = {}
        for each in self._waiting:
            wanted.setdefault(each.assignment.spec, []).append(each)
        for spec, waiting in wanted.items():
            starting = self._starting.get(spec, 0)
            places = starting * self._capacity_of(spec)
            if places >= len(waiting) or starting >= self._limits.starting:
                continue
            if self._is_enough(waiting):
                continue
            if len(self._hosts) + sum(self._starting.values()) >= self._limits.most and not self._make_room():
                continue
            self._start(spec)

    def _is_enough(self, waiting: list[_Waiting]) -> bool:
        """Whether busy processes will soon be free for these runs, which are all of one specification."""
        spec = waiting[0].assignment.spec
        if spec.isolation == "fresh":
            return False
        codes = {each.assignment.code for each in waiting}
        at_work = [each for each in self._hosts if each.spec == spec and each.code in codes]
        enough = max(1, self._limits.enough // 2) if spec.isolation == "shared" else self._limits.enough
        is_enough = len(at_work) >= enough and codes <= {each.code for each in at_work}
        # When many runs come at once, it is not known yet how soon the first ones end.
        are_new = all(clock.monotonic_s() - each.since_s < self._limits.quick_s for each in waiting)
        return is_enough and (
            self._ends_quickly(spec.isolation) or (are_new and self._is_quick(spec.isolation))
        )

    def _ends_quickly(self, isolation: str = "pooled") -> bool:
        ends = clock.monotonic_s() - self._last_end_s < self._limits.quick_s
        # A recent end says little of a shared process: among many runs one ends all the time.
        return ends and self._is_quick(isolation)

    def _is_quick(self, isolation: str) -> bool:
        limits = self._limits
        quick_s = limits.shared_quick_s if isolation == "shared" else limits.quick_s
        return self._took_s.get(isolation, 0.0) < quick_s

    def _make_room(self) -> bool:
        idle = next((each for each in self._hosts if not each.active), None)
        if idle is None:
            return False
        idle.retiring = True
        self._hosts.remove(idle)
        idle.process.kill()
        return True

    def _capacity_of(self, spec: ProcessSpec) -> int:
        return self._limits.shared_runs if spec.isolation == "shared" else 1

    def _start(self, spec: ProcessSpec) -> None:
        self._starting[spec] = self._starting.get(spec, 0) + 1
        self._tasks.start("start of a supervisor", self._bring_up(spec))

    async def _bring_up(self, spec: ProcessSpec) -> None:
        process: Process | None = None
        try:
            process = self._launcher.launch(spec)
            described = await process.describe()
        except Exception as error:
            _log.warning("a supervisor did not start: %s", error)
            if process is None and isinstance(error, TypeError | ValueError):
                refused = BadJobVariables(f"no process can be started for such a job: {error}")
                self._fail_waiting(spec, refused)  # trying again would not help
                return
            if process is not None:
                process.kill()
            self._fail_waiting(spec, Unplaceable(f"its process does not start: {error}"))
            return
        finally:
            self._starting[spec] -= 1
        self._add(process, spec, described)
        self._serve()
        self.on_room()

    def _add(self, process: Process, spec: ProcessSpec, described: Described) -> None:
        host = Host(process, spec, self._capacity_of(spec), described.code)
        host.first_rss_bytes, host.outputs, host.node = (
            described.rss_bytes,
            described.outputs,
            described.host,
        )
        host.node_id, host.pid, host.rss_bytes = described.node_id, described.pid, described.rss_bytes
        self._hosts.append(host)

    def _fail_waiting(self, spec: ProcessSpec, reason: HeliostatError) -> None:
        for waiting in [each for each in self._waiting if each.assignment.spec == spec]:
            self._waiting.remove(waiting)
            if not waiting.served.done():
                waiting.served.set_exception(reason)
