"""The far side of a remote call: unpack a spec, execute its calls, answer.

It knows no Ray: a lane wraps `execute` in whatever carries calls to a process. `args` beyond the spec are the
large values that the spec's slots stand for.
"""

from __future__ import annotations

import logging
import os
import platform
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from ..authoring.context import TaskRunInfo
from ..authoring.logging import capture_into
from ..authoring.terminal import terminal_here
from ..values import serializers, tracebacks
from ..values.storage import storage_for
from . import spool as spool_files
from .board import Board
from .child_processes import Ticket
from .execution import Call, PackExecution
from .line import LineToDriver
from .local_lanes import ThreadTaskRunner
from .lone_calls import LoneCalls
from .outcomes import Outcome
from .own_arguments import Arguments, needs_making
from .payload import Own, RefSlot, StoredSlot
from .process_hooks import install as install_in_processes
from .relay import RelayRunJournal, find_cached, relay_through
from .run_desk import RunDesk
from .session import Dispatching, FlowSession, end_calls_of, flow_session
from .spool import Spool
from .wire import PackSpec, WorkerCode, dump_reply, load_lone, load_worker_code, lone_key
from .worker_state import state_of_this_worker

_log = logging.getLogger("heliostat.internal.worker")
_NODE = platform.node()
_KEPT_CODES = 256
_codes: OrderedDict[bytes, tuple[WorkerCode, LineToDriver]] = OrderedDict()
_sessions: OrderedDict[bytes, FlowSession] = OrderedDict()
_lone_calls: OrderedDict[bytes, LoneCalls] = OrderedDict()
_KEPT_SPOOLS = 8
_spools: deque[str] = deque()  # the files of the last packs here


def execute(spec_blob: bytes, refs: Sequence[Any]) -> tuple[bytes, dict[int, Any] | None]:
    """Execute one pack; returns the pickled PackReply and the values too large to ride in it (None: none)."""
    spec = PackSpec.loads(spec_blob)
    began = time.perf_counter()  # set again below, without costs that are paid only once
    nothing: list[Outcome | None] = [None] * spec.size
    try:
        known = _code_of(spec)
    except Exception as error:
        return _reply(began, nothing, broken=tracebacks.ship(error)), None
    if known is None:
        return _reply(began, nothing, code_missing=True), None
    began = time.perf_counter()
    try:
        calls = _calls_of(spec, refs)
    except Exception as error:
        if spec.size > 1:
            return _reply(began, nothing, one_by_one=True), None
        return _reply(began, nothing, broken=tracebacks.ship(error)), None
    if spec.size == 1 and not known[0].code.is_async:
        _expect_lone_calls(spec, *known)
    return _execute_calls(spec, *known, calls, began)


def execute_alone(lone_blob: bytes) -> tuple[bytes, dict[int, Any] | None]:
    """Execute a call that travels alone, once a pack of one has made its code and call site known."""
    key, pack_id, index, arguments = load_lone(lone_blob)
    lone_calls = _lone_calls.get(key)
    if lone_calls is None:
        return _reply(time.perf_counter(), [None], code_missing=True), None
    return lone_calls.execute(pack_id, index, arguments)


def _execute_calls(
    spec: PackSpec, worker_code: WorkerCode, line: LineToDriver, calls: list[Call], began: float
) -> tuple[bytes, dict[int, Any] | None]:
    board = Board(
        spec.size,
        lambda position, started: line.running(spec.pack_id, position, started),
        (lambda positions: line.given_back(spec.pack_id, positions)) if line.connected else None,
    )
    board.has_process = True
    spool = _spool_of(spec, worker_code.flow_run.id)
    code = worker_code.code
    info = TaskRunInfo(
        worker_code.flow_run, code.name, worker_code.task_key, spec.scope, spec.base, tags=worker_code.tags
    )
    execution = PackExecution(code, info, board, spool=spool)
    state = state_of_this_worker()
    line.enter(spec.pack_id, board)
    own_session = _session_of(spec.code_key, worker_code, line)
    session = flow_session.set(own_session)
    try:
        with capture_into(line.log_sink, code.log_prints):
            outcomes = execution.run(calls)
    finally:
        flow_session.reset(session)
        state.restore()
        line.leave(spec.pack_id)
        if board.stop_asked:
            end_calls_of(own_session)
        if spool is not None:
            spool.close()
    return _reply(began, outcomes), execution.values or None


def _expect_lone_calls(spec: PackSpec, worker_code: WorkerCode, line: LineToDriver) -> None:
    key = lone_key(spec.code_key, spec.base)
    if key in _lone_calls:
        return
    session = _session_of(spec.code_key, worker_code, line)
    _lone_calls[key] = LoneCalls(worker_code, spec.scope, spec.base, line, session)
    if len(_lone_calls) > _KEPT_CODES:
        _lone_calls.popitem(last=False)


def _session_of(code_key: bytes, worker_code: WorkerCode, line: LineToDriver) -> FlowSession | None:
    """The session for tasks and flows called inside these calls: they run here, the driver records them."""
    if not line.connected:
        return None
    session = _sessions.get(code_key)
    if session is None:
        relay_through(line, worker_code.lease_s)
        journal = RelayRunJournal(line, worker_code.flow_run.id, worker_code.held)
        desk = RunDesk(worker_code.flow_run, journal, terminal_here())
        install_in_processes(Ticket.here)
        session = FlowSession(worker_code.flow_run, desk, Dispatching(ThreadTaskRunner()), find_cached)
        _sessions[code_key] = session
        if len(_sessions) > _KEPT_CODES:
            _sessions.popitem(last=False)
    return session


def _reply(began: float, outcomes: list[Outcome | None], **nothing_done: Any) -> bytes:
    return dump_reply(_NODE, os.getpid(), time.perf_counter() - began, outcomes, **nothing_done)


def _code_of(spec: PackSpec) -> tuple[WorkerCode, LineToDriver] | None:
    known = _codes.get(spec.code_key)
    if known is None and spec.code_blob is not None:
        worker_code = load_worker_code(spec.code_blob)
        known = _codes[spec.code_key] = (worker_code, LineToDriver.to(worker_code.line))
        if len(_codes) > _KEPT_CODES:
            _codes.popitem(last=False)
    return known


def _calls_of(spec: PackSpec, refs: Sequence[Any]) -> list[Call]:
    def value_of(slot: RefSlot | StoredSlot) -> Any:
        if isinstance(slot, StoredSlot):
            return serializers.loads(storage_for(slot.url).read(slot.key), slot.serializer)
        value = refs[slot.slot]
        return value if slot.position < 0 else large_value(value, slot.position).load(value_of)

    calls: list[Call] = []
    for segment in spec.load_segments(value_of):
        rows = segment.rows()
        first = segment.first_index
        attempts = segment.attempts
        for at, row in enumerate(rows):
            attempt, tries = attempts[at] if attempts is not None else (1, 1)
            if needs_making(row):
                calls.append(Call(first + at, attempt, tries, (), {}, Arguments(row, value_of)))
            else:
                calls.append(Call(first + at, attempt, tries, *row))
    return calls


def large_value(returned: Any, position: int) -> Own:
    """A large value out of what a call returned: the dict of large values, or (reply, that dict)."""
    values: Any = cast("Any", returned)[1] if isinstance(returned, tuple) else returned
    return values[position]


def _spool_of(spec: PackSpec, flow_run_id: UUID) -> Spool | None:
    """Where the outcomes of a pack are kept meanwhile; None for a call that is alone, or without a place."""
    if spec.size == 1:
        return None
    name = spool_files.name_of(flow_run_id, spec.pack_id)
    if not _spools:
        spool_files.sweep()
    # A file goes some packs later: by then its answer is with the driver, and recorded there.
    elif len(_spools) == _KEPT_SPOOLS:
        spool_files.delete(_spools.popleft())
    _spools.append(name)
    try:
        return Spool(name, spec.base)
    except OSError as error:  # a full disk: the worker's death would cost the whole pack
        _log.warning("finished calls are not kept on this node: %s", error)
        return None
