"""One flow run in this process: its identity, its recording, and how its calls are counted and sent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from ..authoring.context import FlowRunInfo, Numbering, current_scope, current_tags, task_run_info
from ..authoring.futures import TaskFuture, TaskFutureList
from ..authoring.options import TaskRunner
from ..authoring.threads import install as install_in_threads
from ..foundation import ids
from ..foundation.settings import current_settings
from ..records import CallSite
from ..values.caching import CacheFacts, source_of
from .cache_lookup import CacheLookup
from .call_kind import Resources
from .calls import Rows, sort_map_arguments
from .code import code_of
from .dispatcher import Dispatcher
from .fanout import Fanout
from .matching import Matching
from .open_calls import OpenCalls
from .pack_group import PackGroup
from .run_desk import RunDesk
from .shields import uninterrupted

if TYPE_CHECKING:
    from ..authoring.definitions import TaskDefinition

_CALLS_END_WITHIN_S = 1.0
_ENDLESS = 1 << 40  # numbers kept for a map over an iterator while it is read
CacheFinder = Callable[[Sequence[str]], Mapping[str, Any]]


class RunControl(Protocol):
    """What the body of a run may ask of its own run."""

    def pause(
        self, timeout_s: float, key: str | None, schema: Mapping[str, Any] | None, poll_s: float
    ) -> Any: ...
    def suspend(self, timeout_s: float | None, key: str | None, schema: Mapping[str, Any] | None) -> Any: ...


class Dispatching:
    """The dispatcher of a run and its sub-flows, made at the first `submit` or `map`."""

    def __init__(self, runner: TaskRunner) -> None:
        self.runner = runner
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None

    def get(self) -> Dispatcher:
        """Start dispatching if that has not happened; raises RayUnavailable."""
        with self._lock:
            if self._dispatcher is None:
                settings = current_settings()
                self._dispatcher = Dispatcher(
                    self.runner.lane, settings.pack_target_ms / 1000, settings.dispatch_window
                )
            return self._dispatcher

    @property
    def started(self) -> Dispatcher | None:
        return self._dispatcher

    def close(self) -> None:
        if self._dispatcher is not None:
            self._dispatcher.close()


class FlowSession:
    """Takes the calls that a flow's body makes."""

    def __init__(
        self,
        flow_run: FlowRunInfo,
        desk: RunDesk,
        dispatching: Dispatching,
        find_cached: CacheFinder,
        scope: str = "",
    ) -> None:
        install_in_threads(flow_session)
        self._scope = scope  # around everything that is called here: of work in a child process
        self.flow_run = flow_run
        self.calls = OpenCalls(flow_run, desk.say)
        self.desk = desk
        desk.session = self
        self.dispatching = dispatching
        self.control: RunControl | None = None  # of the run that this process executes
        self._find_cached = find_cached
        self._lock = threading.Lock()
        self._numbering = Numbering()
        self._groups: dict[tuple[Any, ...], tuple[TaskDefinition[Any, Any], PackGroup]] = {}

    @contextmanager
    def entered(self) -> Generator[None]:
        """Within the block calls of tasks and flows are calls of this run."""
        token = flow_session.set(self)
        try:
            yield
        finally:
            flow_session.reset(token)

    def go_on(self) -> None:
        """Calls that were held back while the run was paused may begin."""
        dispatcher = self.dispatching.started
        if dispatcher is not None:
            dispatcher.go_on()

    def submit(
        self,
        task: TaskDefinition[Any, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: tuple[Any, ...],
    ) -> TaskFuture[Any]:
        """Send one call."""
        with uninterrupted():
            dispatcher = self.dispatching.get()
            taker = dispatcher.lane.taker
            row: Any = (args, kwargs)
            calls = Rows([row if taker is None else taker.row(row)])
            fanout = self._fanout(dispatcher, task, calls, wait_for)
            dispatcher.enqueue(fanout, 0, 1)
        dispatcher.run_here(fanout)
        return TaskFuture(fanout, 0)

    def map(
        self,
        task: TaskDefinition[Any, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: tuple[Any, ...],
    ) -> TaskFutureList[Any]:
        """Send a call for each entry of the columns; with iterators, returns when the last has been read."""
        sorted_out = sort_map_arguments(task.name, args, kwargs)
        iterators = sorted_out.iterators
        with uninterrupted():
            dispatcher = self.dispatching.get()
            taker = dispatcher.lane.taker
            calls = sorted_out.columns if taker is None else taker.calls(sorted_out.columns)
            fanout = self._fanout(dispatcher, task, calls, wait_for, closed=iterators is None)
            if iterators is None:
                dispatcher.enqueue(fanout, 0, fanout.size)
        if iterators is None:
            dispatcher.run_here(fanout)
        else:
            try:
                dispatcher.feed(fanout, zip(*iterators, strict=False))
            finally:
                self._give_back_indexes(fanout)
        return TaskFutureList(fanout)

    def site_of(self, task_key: str, task_name: str, tags: tuple[str, ...] = (), **more: Any) -> CallSite:
        """The call site of a task in the present scope."""
        scope = self.scope_here()
        base = ids.task_run_base(self.flow_run.id, scope, task_key)
        known = self.desk.sites.get(base)
        if known is None or known.tags != tags:
            known = CallSite(self.flow_run.id, scope, task_key, task_name, base, tags, **more)
            if not scope:
                self.desk.sites[base] = known
        return known

    def scope_here(self) -> str:
        """The path of the calls around the calling code, in this process and in those that started it."""
        return self._scope + current_scope()

    def scope_of_process(self) -> str:
        """A scope for the calls of a piece of work that another process does; each has one of its own."""
        around = self.scope_here()
        with self._lock:
            counts, key = self._numbers_here().counts, (around, "process")
            number = counts[key] = counts.get(key, 0) + 1
        return f"{around}process[{number - 1}]/"

    def take_indexes(self, site: CallSite, count: int = 1) -> int:
        """Number `count` more calls of a site; returns the first number."""
        key = (site.scope, site.task_key)
        with self._lock:
            counts = self._numbers_here().counts
            first = counts.get(key, 0)
            counts[key] = first + count
            return first

    def matching_of(self, site: CallSite) -> Matching | None:
        """Which recorded call each call of a site is; None when the run is executed for the first time."""
        replay = self.desk.replay
        if replay is None:
            return None
        with self._lock:
            known = self._numbers_here().matchings
            if site.base not in known:
                known[site.base] = replay.matching(site)
            return known[site.base]

    def _numbers_here(self) -> Numbering:
        # Calls inside a task run are counted with it, so that its next attempt counts from the start again.
        around = task_run_info.get()
        if around is None:
            return self._numbering
        if around.numbering is None:
            around.numbering = Numbering()
        return around.numbering

    def _give_back_indexes(self, fanout: Fanout) -> None:
        # Unless another thread has called the same task meanwhile, its next call counts on from here.
        site, after = fanout.site, fanout.first_index + fanout.size
        with self._lock:
            counts = self._numbers_here().counts
            if counts[(site.scope, site.task_key)] == fanout.first_index + _ENDLESS:
                counts[(site.scope, site.task_key)] = after

    def forget_indexes(self) -> None:
        """Count from the start again, before another attempt of the flow's body."""
        with self._lock:
            self._numbering = Numbering()

    def group_of(self, task: TaskDefinition[Any, Any]) -> PackGroup:
        """The pack group of a task, which all of its calls share."""
        tags = (*task.tags, *(tag for tag in current_tags.get() if tag not in task.tags))
        key = (task.identity, tags)
        with self._lock:
            known = self._groups.get(key)
            if known is None:
                # The task is kept beside its group so that the ids in its identity are given to nothing else.
                known = self._groups[key] = (task, self._make_group(task, tags))
            return known[1]

    def site_of_task(self, task: TaskDefinition[Any, Any], group: PackGroup) -> CallSite:
        return self.site_of(
            task.task_key, task.name, group.tags, policy=task.policy_fields(), task_version=task.version
        )

    def _make_group(self, task: TaskDefinition[Any, Any], tags: tuple[str, ...]) -> PackGroup:
        code = code_of(task)
        resources = Resources(
            task.num_cpus,
            task.num_gpus,
            task.memory_bytes,
            tuple(sorted(task.resources.items())),
            task.runtime_env,
        )
        shown = FlowRunInfo(
            self.flow_run.id,
            self.flow_run.name,
            self.flow_run.flow_name,
            {},
            self.flow_run.tags,
            self.flow_run.run_count,
            self.flow_run.inside,
        )
        pack = task.pack
        return PackGroup(code, task.task_key, shown, self.desk, resources, tags, pack, self._cache_of(task))

    def _cache_of(self, task: TaskDefinition[Any, Any]) -> CacheLookup | None:
        if task.cache_policy is None:
            return None
        facts = CacheFacts(
            task.task_key, source_of(task.fn), self.flow_run.id, self.flow_run.parameters, task.fn
        )
        return CacheLookup(
            task.fn,
            task.cache_policy,
            facts,
            task.cache_expiration_s,
            task.refresh_cache,
            self._find_cached,
            lambda reason: self.desk.say(logging.WARNING, f"calls of {task.name!r} are {reason}"),
        )

    def _fanout(
        self,
        dispatcher: Dispatcher,
        task: TaskDefinition[Any, Any],
        calls: Any,
        wait_for: tuple[Any, ...],
        *,
        closed: bool = True,
    ) -> Fanout:
        self.calls.check()
        group = self.group_of(task)
        site = self.site_of_task(task, group)
        first = self.take_indexes(site, len(calls) if closed else _ENDLESS)
        matching = self.matching_of(site)
        fanout = Fanout(dispatcher, group, site, first, calls, wait_for, closed=closed, matching=matching)
        self.desk.watch(fanout)
        return fanout


flow_session: ContextVar[FlowSession | None] = ContextVar("heliostat_flow_session", default=None)


def end_calls_of(session: FlowSession | None) -> None:
    """Cancel the calls that a cancelled call has submitted in its worker."""
    dispatcher = None if session is None else session.dispatching.started
    if session is not None and dispatcher is not None and dispatcher.failed is None:
        dispatcher.cancel_run(session.desk, _CALLS_END_WITHIN_S)
