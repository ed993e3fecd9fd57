"""Recording from inside a worker, which holds no database connection: its records travel to the driver.

In a worker `recording_here()` gives a `RelayRecording` with the same verbs as the driver's own recording;
each call and each record goes over the line and is answered or journalled there by `RelayHost`.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..authoring.context import FlowRunInfo
from ..authoring.terminal import Terminal, be_a_worker, in_worker
from ..foundation.errors import LeaseLost, RelayFailed
from ..journal.current import current_recording
from ..journal.recording import Recording
from ..records import HeldLease, Owner, Record
from .run_desk import RunDesk, add_to_run
from .slot_relay import SLOTS, SlotRelayHost

if TYPE_CHECKING:
    from ..store.database.rows import Adopted
    from .line import LineToDriver

CALL, CALL_WITHIN, ADOPT, RELEASE = "call", "call_within", "adopt", "release"
OPEN, BARRIER, CLOSE = "open", "barrier", "close"


class RelayRunJournal:
    """The journal of a run inside a worker: appends go to the driver, `barrier` waits for its answer."""

    failure: BaseException | None = None

    def __init__(self, line: LineToDriver, run_id: UUID, held: HeldLease | None) -> None:
        self.line = line
        self.held = held  # the lease that the driver, or the run's own process, writes with
        self._run_id = run_id

    def append(self, record: Record) -> None:
        self.line.record(self._run_id, record)

    def wait_for_room(self) -> None:
        """Nothing to do: the driver's journal has the buffer."""

    def barrier(self) -> Future[None]:
        return self.line.ask(BARRIER, self._run_id)

    def close(self) -> Future[None]:
        return self.line.ask(CLOSE, (self._run_id,))


class RelayJournal:
    """Opens journals of runs that begin in this worker."""

    def __init__(self, line: LineToDriver) -> None:
        self._line = line

    def open(
        self,
        run_id: UUID,
        epoch: int,
        owner: UUID,
        last_seq: int,
        on_fenced: Callable[[UUID], None] | None = None,
    ) -> RelayRunJournal:
        """Have the driver open the journal of a run. That the run is fenced shows at the next barrier."""
        self._line.ask(OPEN, (run_id, epoch, owner, last_seq)).result()
        return RelayRunJournal(self._line, run_id, (run_id, epoch, owner))


class RelayRecording:
    """The driver's recording, used from a worker."""

    is_usable = True
    hears_commands = polls_commands = False

    def __init__(self, line: LineToDriver, lease_s: float) -> None:
        self.line = line
        self.lease_s = lease_s
        self.journal = RelayJournal(line)

    def call(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a store verb where the database is, and wait for its value."""
        return self.line.ask(CALL, (verb, args, kwargs)).result()

    def call_within(self, timeout_s: float, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a store verb where the database is; the driver waits so long for the database."""
        return self.line.ask(CALL_WITHIN, (timeout_s, verb, args, kwargs)).result()

    def adopt(self, run_id: UUID, owner: Owner, dead_epoch: int | None) -> Adopted:
        """See Recording."""
        return self.line.ask(ADOPT, (run_id, owner, dead_epoch)).result()

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
        """See Recording."""
        return self.line.ask(RELEASE, (run_id, epoch, owner_id)).result()

    def close(self, timeout_s: float | None = None) -> None:
        """Nothing to do: the driver closes its recording."""


_relay: RelayRecording | None = None


def recording_here() -> Recording:
    """The recording of this process: in a worker one that goes through the driver."""
    return _relay if _relay is not None else current_recording()


def find_cached(keys: Sequence[str]) -> Any:
    """The cache entries under these keys."""
    from ..store.commits import cache  # only where it is asked: loading a database's drivers takes a second

    return recording_here().call(cache.get_many, keys)


def relay_through(line: LineToDriver | None, lease_s: float) -> None:
    """Let this process, a worker, record through a line from now on."""
    global _relay
    be_a_worker()
    _relay = None if line is None or not line.connected else RelayRecording(line, lease_s)


@contextmanager
def relaying_through(line: LineToDriver, lease_s: float) -> Generator[None]:
    """Within the block this process, a child of one that records, records through that line."""
    global _relay
    before, was_worker = _relay, in_worker()
    relay_through(line, lease_s)
    try:
        yield
    finally:
        _relay = before
        be_a_worker(was_worker)


def line_here() -> LineToDriver | None:
    """The line through which this process records; None when it records itself."""
    return None if _relay is None else _relay.line


def _forget_after_fork() -> None:
    global _relay
    _relay = None  # its connection is the parent's


os.register_at_fork(after_in_child=_forget_after_fork)


class RelayHost:
    """The driver's side: carries out requests of workers."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._desks: dict[UUID, RunDesk] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(8, "heliostat-relay")
        self._slots = SlotRelayHost()
        self._deeds: dict[str, Callable[..., Any]] = {
            CALL: self._call,
            CALL_WITHIN: self._call_within,
            ADOPT: self._adopt,
            RELEASE: self._release,
            OPEN: self._open,
            CLOSE: self._close,
        }

    def answer(
        self, kind: str, request: bytes, reply: Callable[[bool, Any], None], connection: Any = None
    ) -> None:
        """Do what is asked (pickled) on a thread of its own, then `reply(done, value or error)`."""
        if kind == SLOTS:
            try:
                self._slots.answer(pickle.loads(request), reply, connection)
            except Exception as error:
                reply(False, error)
            return

        def work() -> None:
            try:
                asked = pickle.loads(request)
            except Exception as error:
                reply(False, RelayFailed(f"what a worker asks ({kind!r}) cannot be read here: {error!r}"))
                return
            try:
                if kind == BARRIER:  # a barrier may take any time, so it holds no thread
                    self._desk(asked).journal.barrier().add_done_callback(told)
                    return
                value = self._deeds[kind](*asked)
            except BaseException as error:
                reply(False, error)
            else:
                reply(True, value)

        def told(barrier: Future[None]) -> None:
            failure = barrier.exception()
            with suppress(RuntimeError):  # closed, like the line, which tells the worker
                # Not on the journal's thread, which a worker that does not read must not hold up.
                self._threads.submit(reply, failure is None, failure)

        try:
            self._threads.submit(work)
        except RuntimeError:  # closed
            reply(False, LeaseLost("the process that drives this run is about to end"))

    def record(self, run_id: UUID, record: Record) -> None:
        """Journal what a worker tells of a run; log lines are shown too."""
        add_to_run(run_id, record)

    def lost(self, connection: Any) -> None:
        """A worker's line is gone."""
        self._slots.lost(connection)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, verb: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return current_recording().call(verb, *args, **kwargs)

    def _call_within(
        self, timeout_s: float, verb: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return current_recording().call_within(timeout_s, verb, *args, **kwargs)

    def _adopt(self, run_id: UUID, owner: Owner, dead_epoch: int | None) -> Adopted:
        return current_recording().adopt(run_id, owner, dead_epoch)

    def _release(self, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
        return current_recording().release(run_id, epoch, owner_id)

    def _open(self, run_id: UUID, epoch: int, owner: UUID, last_seq: int) -> None:
        from ..store import flow_runs  # here, where the database is: a worker does not load its drivers

        recording = current_recording()
        run = recording.call(flow_runs.read, run_id)
        journal = recording.journal.open(run_id, epoch, owner, last_seq)
        with self._lock:
            info = FlowRunInfo(run_id, run.name, run.flow_name)
            self._desks[run_id] = RunDesk(info, journal, self._terminal)

    def _close(self, run_id: UUID) -> None:
        self._desk(run_id, forget=True).journal.close()

    def _desk(self, run_id: UUID, forget: bool = False) -> Any:
        with self._lock:
            desk = self._desks.pop(run_id, None) if forget else self._desks.get(run_id)
        if desk is None:
            raise LeaseLost(f"flow run {run_id} is not open here")
        return desk
