"""Packs as Ray remote calls. Together with `ray_cluster` the only place of the runtime that knows Ray.

Ray's own retries are off: the engine counts every attempt. A call takes one pickled spec (and references to
large values) and returns one small reply; only while large values are expected does it have a second return
value.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import ray

from ..authoring.terminal import terminal_here
from ..foundation import clock
from ..foundation.errors import UserError
from ..foundation.settings import current_settings
from ..rules.deciding import PLACEMENT
from ..values import tracebacks
from . import payload, ray_cluster, worker
from .call_kind import Resources
from .calls import Columns, Row, SlicedColumns
from .code import module_by_value, ship_code
from .fanout import Fanout
from .lane import Answer, Loss, refused
from .line import DriverLine
from .outcomes import InStore
from .own_arguments import Taker
from .pack_group import Pack, PackGroup, ReadySpan
from .ray_losses import loss_of
from .ray_project import enter_project
from .relay import RelayHost
from .resolve import References, carries_futures
from .spool import Salvaged, name_of, salvage
from .stopping import take_interrupts
from .unsendable import refused_unsendable
from .wire import CODE_ALONG_BYTES, PackReply, PackSpec, Segment, WorkerCode, dump_lone, lone_key

_ray: Any = ray  # its types leave much open
_ANSWERS_AT_ONCE = 128
_UNTRACED_BELOW_S = 0.02
_LONE_BYTES = 16 * 1024  # from here on a constant may be one that goes to the object store
_FEW = 16  # answers; with less of them it is worth looking further
_MANY = 16 * 8  # calls in flight; below it answers are taken as they come
NO_REFERENCES = References()
_BATCH_PATIENCE_S = 0.06
_LOOK_EVERY_S = 1.0


def _execute(spec: bytes, *refs: Any) -> bytes | tuple[bytes, Any]:
    enter_project(ray_cluster.code_package)
    take_interrupts()
    reply, large = worker.execute(spec, refs)
    return reply if large is None else (reply, large)


def _execute_apart(spec: bytes, *refs: Any) -> tuple[bytes, Any]:
    enter_project(ray_cluster.code_package)
    take_interrupts()
    return worker.execute(spec, refs)


def _execute_alone(spec: bytes) -> bytes | tuple[bytes, Any]:
    reply, large = worker.execute_alone(spec)
    return reply if large is None else (reply, large)


def _salvage_here(name: str) -> Salvaged | None:
    return salvage(name)


class RayLane:
    """Sends packs to a Ray cluster; starts or joins one on creation. Raises RayUnavailable."""

    name = "ray"

    def __init__(self, address: str | None, on_news: Any) -> None:
        ray_cluster.connect(address)
        self._relay = RelayHost(terminal_here())
        self._line = DriverLine(ray_cluster.own_address(), on_news, self._relay)
        self._lease_s = current_settings().lease_s
        self._in_flight: dict[Any, Pack] = {}
        self._lock = threading.Lock()
        self._launched = threading.Condition(self._lock)  # something can be waited for
        self._refused: list[Answer] = []
        self._unplaced: dict[PackGroup, float] = {}  # since when (monotonic) no node can run a group
        self._look_at_s = 0.0
        self.taker: Taker | None = Taker(ray_cluster.put, ray_cluster.get)

    def slots(self, resources: Resources) -> int:
        return ray_cluster.slots(resources)

    def launch(self, pack: Pack) -> None:
        group = pack.group
        try:
            if group.shipped is None:
                self._ship(group)
        except Exception as error:
            self._refuse(refused(pack, error))
            return
        references = NO_REFERENCES
        try:
            apart = group.estimate.expects_large_values
            # When large values are no longer expected, most workers have the code already.
            spec = None if apart else _lone_spec(pack)
            is_lone = spec is not None
            if spec is None:
                references = References()
                spec = self._spec(pack, references)
        except Exception as error:
            self._refuse(refused_unsendable(pack, error))
            return
        group.estimate.observe_arguments(len(pack), len(spec))
        try:
            returned = self._remote(pack, apart, is_lone).remote(spec, *references.refs)
        except Exception as error:  # an option that Ray does not take, say
            self._refuse(refused(pack, UserError(f"Ray refuses task {group.code.name!r}: {error}")))
            return
        meta, pack.handle = returned if apart else (returned, None)
        with self._launched:
            if not self._in_flight:
                self._launched.notify()
            self._in_flight[meta] = pack

    def _refuse(self, answer: Answer) -> None:
        with self._launched:
            self._refused.append(answer)
            self._launched.notify()

    def poll(self, timeout_s: float) -> list[Answer | Loss]:
        with self._launched:
            self._launched.wait_for(lambda: self._in_flight or self._refused, timeout_s)
            refused, self._refused = self._refused, []
            many = len(self._in_flight) >= _MANY
            waiting = list(itertools.islice(self._in_flight, 2 * _ANSWERS_AT_ONCE if many else None))
        if refused or not waiting:
            return list(refused)
        if self._unplaced and (given_up := self._given_up()):
            return given_up
        ready = self._wait_for_many(waiting, timeout_s) if many else self._wait_for_first(waiting, timeout_s)
        if not ready:
            return []
        with self._lock:
            packs = [self._in_flight.pop(ref) for ref in ready]
        try:
            returned = _ray.get(ready)
        except Exception:  # one of them failed: each is asked alone, to find which and why
            taken = [self._take_one(ref, pack) for ref, pack in zip(ready, packs, strict=True)]
        else:
            arrivals = zip(ready, packs, returned, strict=True)
            taken = [self._arrived(ref, pack, each) for ref, pack, each in arrivals]
        return [each for each in taken if each is not None]

    def _wait_for_first(self, waiting: list[Any], timeout_s: float) -> list[Any]:
        """Wait for the first answer: with few calls in flight it is worth handling at once."""
        wanted = max(1, len(waiting) // 8)
        ready, _ = _ray.wait(waiting, num_returns=wanted, timeout=timeout_s, fetch_local=False)
        if wanted == len(ready) < min(len(waiting), _FEW):
            ready, _ = _ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)
        return ready

    def _wait_for_many(self, oldest: list[Any], timeout_s: float) -> list[Any]:
        """Wait for a batch of answers: with many calls in flight, looking at all of them costs more than it
        finds. Answers come roughly in the order of the calls; slow calls go to the end of the line.
        """
        patience_s = max(timeout_s, _BATCH_PATIENCE_S)
        ready, late = _ray.wait(oldest, num_returns=_ANSWERS_AT_ONCE, timeout=patience_s, fetch_local=False)
        if len(ready) >= _FEW:
            return ready
        with self._lock:
            for ref in late:
                self._in_flight[ref] = self._in_flight.pop(ref)
            others = list(itertools.islice(self._in_flight, len(self._in_flight) - len(late)))
        more, _ = _ray.wait(others, num_returns=len(others), timeout=0, fetch_local=False)
        return list({**dict.fromkeys(ready), **dict.fromkeys(more)})

    def cancel(self, pack: Pack, force: bool) -> None:
        if not force:  # else the worker might answer at once, and be killed while it executes another pack
            self._line.cancel(pack.pack_id)
        with self._lock:
            ref = next((ref for ref, flying in self._in_flight.items() if flying is pack), None)
        if ref is not None:
            with contextlib.suppress(Exception):
                _ray.cancel(ref, force=force, recursive=True)

    def salvage(self, pack: Pack) -> Salvaged | None:
        if len(pack) == 1:
            return Salvaged({}, 0)
        name = name_of(pack.group.flow_run.id, pack.pack_id)
        here = salvage(name)
        return here if here is not None else ray_cluster.ask_other_nodes(_salvage_here, name)

    def fetch(self, place: InStore) -> Any:
        return worker.large_value(ray_cluster.get(place.ref), place.position).load()

    @contextmanager
    def yielding(self) -> Generator[None]:
        yield

    def settle(self) -> None:
        self._line.settle()

    def close(self) -> None:
        with self._lock:
            waiting = list(self._in_flight)
            self._in_flight.clear()
        for ref in waiting:
            with contextlib.suppress(Exception):
                _ray.cancel(ref, force=True, recursive=True)
        self._line.close()
        self._relay.close()

    def _ship(self, group: PackGroup) -> None:
        if group.shipped is None:
            carrier = WorkerCode(
                group.code,
                group.flow_run,
                group.task_key,
                group.tags,
                self._lease_s,
                self._line.address,
                group.desk.journal.held,
            )
            self._tell_if_unmet(group)
            module = module_by_value(group.code)
            if module is not None:
                ray_cluster.send_by_value(module)
            group.shipped = ship_code(group.code, carrier)

    def _tell_if_unmet(self, group: PackGroup) -> None:
        unmet = ray_cluster.unmet(group.resources)
        if unmet is not None:
            limit_s = current_settings().unplaceable_s
            how_long = f" for {limit_s:g} s at most" if limit_s and not ray_cluster.grows() else ""
            advice = f"its calls wait{how_long} until such a node joins (cancel them, or ask for less)"
            text = f"task {group.code.name!r} {unmet}: {advice}"
            group.desk.say(logging.WARNING, text)
            group.desk.decided(PLACEMENT, "WAIT", text)
            group.is_unmet = True
            self._unplaced[group] = clock.monotonic_s()

    def _given_up(self) -> list[Answer | Loss]:
        """The calls that have waited too long for a node, if the cluster adds none by itself."""
        limit_s, now = current_settings().unplaceable_s, clock.monotonic_s()
        late = [group for group, since in self._unplaced.items() if limit_s and now - since >= limit_s]
        if not late or now < self._look_at_s or ray_cluster.grows():
            return []
        self._look_at_s = now + _LOOK_EVERY_S
        lost: list[Answer | Loss] = []
        for group in late:
            unmet = ray_cluster.unmet(group.resources)
            if unmet is None:
                del self._unplaced[group]
                continue
            with self._lock:
                flying = {ref: pack for ref, pack in self._in_flight.items() if pack.group is group}
                for ref in flying:
                    del self._in_flight[ref]
            for ref, pack in flying.items():
                with contextlib.suppress(Exception):  # it counts as lost, whether or not Ray can cancel it
                    _ray.cancel(ref)
                text = f"it {unmet}, and no such node came within {limit_s:g} s"
                lost.append(Loss(pack, "unschedulable", text, again=False))
        return lost

    def _spec(self, pack: Pack, references: References, with_code: bool = False) -> bytes:
        shipped = pack.group.shipped
        assert shipped is not None
        along = with_code or len(shipped.blob) <= CODE_ALONG_BYTES
        segments = [self._segment(span, references) for given in pack.spans for span in _in_a_row(given)]
        return PackSpec(
            pack.pack_id,
            shipped.key,
            shipped.blob if along else None,
            pack.spans[0].fanout.site.base,
            pack.spans[0].fanout.site.scope,
            segments,
            len(pack),
        ).dumps()

    def _segment(self, span: ReadySpan, references: References) -> Segment:
        fanout = span.fanout
        calls = fanout.calls
        content: SlicedColumns | list[Any]
        if len(span) > 1 and isinstance(calls, Columns) and not carries_futures_cached(fanout):
            content = references.columns(calls.slice(span.start, span.stop))
        else:
            content = references.rows(span)
        attempts: list[tuple[int, int]] | None = None
        if fanout.attempts:
            positions = range(span.start, span.stop)
            attempts = [(fanout.attempt_of(at), fanout.tries_of(at)) for at in positions]
        return Segment(fanout.index_of(span.start), attempts, content)

    def _remote(self, pack: Pack, apart: bool, is_lone: bool = False) -> Any:
        """The Ray task that carries packs of this kind; calls that take no time leave no trace in Ray's event
        log, which keeps a limited number and costs more than they do.
        """
        group = pack.group
        call_s = group.estimate.call_s
        quiet = call_s is not None and call_s < _UNTRACED_BELOW_S and len(pack) == 1
        remote = group.carriers.get((apart, is_lone, quiet))
        if remote is None:
            function = _execute_apart if apart else _execute_alone if is_lone else _execute
            remote = group.carriers[(apart, is_lone, quiet)] = ray_cluster.remote(
                function, group.code.name, group.resources, num_returns=2 if apart else 1, traced=not quiet
            )
        return remote

    def _take_one(self, ref: Any, pack: Pack) -> Answer | Loss | None:
        try:
            returned = _ray.get(ref)
        except Exception as error:
            return loss_of(pack, error)
        return self._arrived(ref, pack, returned)

    def _arrived(self, ref: Any, pack: Pack, returned: Any) -> Answer | Loss | None:
        if pack.group.is_unmet:
            pack.group.is_unmet = False
            self._unplaced.pop(pack.group, None)
            text = f"a node has what task {pack.group.code.name!r} asks for"
            pack.group.desk.decided(PLACEMENT, "ACCEPT", text)
        nested = isinstance(returned, tuple)
        blob: bytes = cast("Any", returned)[0] if nested else returned
        reply = PackReply.loads(blob)
        if reply.code_missing:
            self._resend_with_code(pack)
            return None
        if reply.one_by_one:
            pack.one_by_one = True
            return Answer(pack, reply.outcomes, 0.0, reply.node, reply.pid, {})
        if reply.broken is not None:
            return refused(pack, tracebacks.unship(reply.broken))
        large: dict[int, Any] = {}
        if nested or pack.handle is not None:
            holder = ref if nested else pack.handle
            large = {
                position: InStore(holder, position)
                for position, outcome in enumerate(reply.outcomes)
                if outcome is not None and outcome.kind == "memory"
            }
        return Answer(pack, reply.outcomes, reply.elapsed_s, reply.node, reply.pid, large)

    def _resend_with_code(self, pack: Pack) -> None:
        references = References()
        spec = self._spec(pack, references, with_code=True)
        meta, pack.handle = self._remote(pack, True).remote(spec, *references.refs)
        with self._lock:
            self._in_flight[meta] = pack


def _lone_spec(pack: Pack) -> bytes | None:
    """The spec of a single call at its first attempt whose arguments are small and plain; else None."""
    span, group = pack.spans[0], pack.group
    fanout, position = span.fanout, span.start
    if len(pack.spans) > 1 or span.stop - position > 1 or position in fanout.attempts or group.code.is_async:
        return None
    row = fanout.calls.row(position)
    if type(row) is not tuple:
        return None
    args, kwargs = plain = cast("Row", row)
    if not (all(map(payload.is_plain, args)) and all(map(payload.is_plain, kwargs.values()))):
        return None
    assert group.shipped is not None
    key = lone_key(group.shipped.key, fanout.site.base)
    spec = dump_lone(key, pack.pack_id, fanout.index_of(position), plain)
    return spec if len(spec) <= _LONE_BYTES else None


def _in_a_row(span: ReadySpan) -> list[ReadySpan]:
    """The parts of a span whose calls have consecutive indexes."""
    fanout = span.fanout
    if not fanout.moved:
        return [span]
    parts: list[ReadySpan] = []
    for position in range(span.start, span.stop):
        if parts and fanout.index_of(position) == fanout.index_of(position - 1) + 1:
            parts[-1].stop = position + 1
        else:
            parts.append(ReadySpan(fanout, position, position + 1, span.alone))
    return parts


def carries_futures_cached(fanout: Fanout) -> bool:
    """Whether any argument may hold futures, looked at once a fan-out."""
    if fanout.has_futures is None:
        fanout.has_futures = carries_futures(fanout)
    return fanout.has_futures
