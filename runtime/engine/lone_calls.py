"""The short way of calls that travel alone: first attempts of a task that is not async, with plain arguments.

What such calls share is made once in a worker, since the cost of each step for a single call is paid on every
remote call. Everything else goes through packs, as `worker.execute` does it.
"""

from __future__ import annotations

import marshal
import os
import platform
import time
from typing import Any

from ..authoring.context import TaskRunInfo
from ..authoring.logging import capture_into
from ..foundation import clock
from ..values.caching import hash_of_marshalled
from .board import Board, Watcher
from .execution import Call, PackExecution
from .line import LineToDriver
from .session import FlowSession, end_calls_of, flow_session
from .wire import WorkerCode, dump_lone_reply
from .worker_state import state_of_this_worker

_NODE = platform.node()


class LoneCalls:
    """Executes calls of one call site that come alone, one at a time."""

    def __init__(
        self, worker_code: WorkerCode, scope: str, base: int, line: LineToDriver, session: FlowSession | None
    ) -> None:
        code = worker_code.code
        info = TaskRunInfo(
            worker_code.flow_run, code.name, worker_code.task_key, scope, base, tags=worker_code.tags
        )
        board = Board(1, lambda _position, _started: None)
        board.has_process = True
        self._execution = PackExecution(code, info, board)
        self._board = Watcher.of_this_process().lone
        self._line = line
        self._session = session
        self._capture = capture_into(line.log_sink, code.log_prints)
        self._pid = os.getpid()
        self._state = state_of_this_worker()

    def execute(self, pack_id: str, index: int, arguments: bytes) -> tuple[bytes, dict[int, Any] | None]:
        """The reply, and the value where it is too large to ride in it. `arguments` are marshalled."""
        began = time.perf_counter()
        execution, board = self._execution, self._board
        args, kwargs = marshal.loads(arguments)
        own = execution.board
        own.current[0] = now = clock.epoch_s()
        own.begin_anew()
        self._line.enter(pack_id, own)
        board.start(self._tell_running, pack_id, now)
        session = flow_session.set(self._session)
        try:
            with self._capture:
                outcome = execution.run_alone(Call(index, 1, 1, args, kwargs), hash_of_marshalled(arguments))
        finally:
            flow_session.reset(session)
            board.end()
            self._state.restore()
            self._line.leave(pack_id)
            if own.stop_asked:
                end_calls_of(self._session)
        reply = dump_lone_reply(_NODE, self._pid, time.perf_counter() - began, outcome)
        if not execution.values:
            return reply, None
        values, execution.values = execution.values, {}
        return reply, values

    def _tell_running(self, pack_id: str, started: float) -> None:
        self._line.running(pack_id, 0, started)
