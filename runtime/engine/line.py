"""The line between a driver and the workers of its packs: news while a pack is under way.

A worker's answer comes through its lane when the pack is done. What must be known earlier takes the line, a
connection from the worker's process to the driver: log lines, calls that have run for a while, calls given
back; the other way, the wish to cancel. Losing the line loses nothing durable: logs then stop, calls are
given back no more.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import pickle
import platform
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge, wait
from typing import Any, ClassVar, Protocol
from uuid import UUID

from ..foundation.errors import LeaseLost, RelayFailed
from ..foundation.long_lived import keep_thread
from ..records import LogLine, Record
from ..values import tracebacks
from . import stopping
from .board import Board
from .payload import dump
from .wire import LineAddress

_log = logging.getLogger("heliostat.internal.line")
_FLUSH_EVERY_S = 0.2
_LINES_AT_ONCE = 500
_HANDSHAKE_S = 10  # longest silence of somebody who connects
_WELCOME = b"welcome"
_CANCELLED_KEPT = 10_000
_NODE = platform.node()
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}

RUNNING, GIVEN_BACK, LOGS, RECORD = "running", "given back", "logs", "record"
CANCEL, SYNC, ASK, ANSWER = "cancel", "sync", "ask", "answer"
News = tuple[str, Any, Any, Any] | tuple[str, Any, Any, Any, Any]  # from worker to driver
Order = tuple[str, Any, Any]  # from driver to worker


class Relay(Protocol):
    """Does what workers ask of the process that records."""

    def answer(
        self, kind: str, request: bytes, reply: Callable[[bool, Any], None], connection: Any = None
    ) -> None:
        """Do what is asked (pickled), then `reply(done, value or error)`; from any thread."""
        ...

    def record(self, run_id: UUID, record: Record) -> None:
        """Journal what a worker tells of a run."""
        ...

    def lost(self, connection: Any) -> None:
        """A worker's line is gone."""
        ...


class DriverLine:
    """The driver's end: listens, and hands each piece of news to `on_news(kind, a, b, c)` on its own
    thread.
    """

    def __init__(self, host: str, on_news: Callable[..., None], relay: Relay) -> None:
        self._on_news = on_news
        self._relay = relay
        secret = os.urandom(24)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.address = LineAddress(host, int(self._listener.getsockname()[1]), secret)
        self._connections: set[Connection[Any, Any]] = set()
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._synced = threading.Condition(self._lock)
        self._awaited: set[Connection[Any, Any]] = set()
        self._closed = False
        self._wake_reader, self._wake_writer = _pipe()
        keep_thread("heliostat-line-accept", self._accept, _log)
        self._reader = keep_thread("heliostat-line", self._read, _log)

    def cancel(self, pack_id: str) -> None:
        """Tell every worker that a pack is cancelled; the one that has it starts no further call."""
        self._tell_all((CANCEL, pack_id, None))

    def settle(self, timeout_s: float = 2.0) -> bool:
        """Wait until all that workers have told so far is taken in; False when one did not answer in time."""
        with self._synced:
            self._awaited = set(self._connections)
        self._tell_all((SYNC, None, None))
        with self._synced:
            return self._synced.wait_for(lambda: not (self._awaited & self._connections), timeout_s)

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else the thread that accepts waits on
        self._listener.close()
        self._wake()

    def _tell_all(self, order: Order) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            self._tell(connection, order)

    def _tell(self, connection: Any, order: Order) -> None:
        message = dump(order)
        with self._sending, suppress(OSError):
            connection.send_bytes(message)

    def _answer(self, connection: Any, number: int, kind: str, done: bool, value: Any) -> None:
        """Send an answer, or the reason why there is none, so that the worker never waits in vain."""
        try:
            # By itself: what cannot be unpickled over there must not take the line with it.
            blob = dump(value) if done else tracebacks.ship(value)
        except Exception as error:
            why = RelayFailed(f"the answer to {kind!r} cannot be sent to the worker: {error}")
            done, blob = False, tracebacks.ship(why)
        self._tell(connection, (ANSWER, number, (done, blob)))

    def _accept(self) -> None:
        while not self._closed:
            try:
                link, _ = self._listener.accept()
            except OSError:  # this side is closing, or the other side has gone already
                continue
            # A stranger who says nothing must not keep others waiting.
            threading.Thread(
                target=self._welcome, args=(link,), name="heliostat-line-hello", daemon=True
            ).start()

    def _welcome(self, link: socket.socket) -> None:
        try:
            connection = handshake(link, self.address.secret, asks_first=True)
        except Exception:  # a stranger without the secret
            return
        with self._lock:
            self._connections.add(connection)
        with suppress(OSError):
            connection.send_bytes(_WELCOME)
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_writer.send_bytes(b"x")

    def _read(self) -> None:
        while not self._closed:
            with self._lock:
                watched = [self._wake_reader, *self._connections]
            for ready in wait(watched):
                assert not isinstance(ready, int)
                self._read_from(ready)
        with self._lock:
            for connection in self._connections:
                connection.close()

    def _read_from(self, connection: Any) -> None:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            with self._synced:
                self._connections.discard(connection)
                self._synced.notify_all()
            connection.close()
            if connection is not self._wake_reader:
                self._relay.lost(connection)
            return
        if connection is self._wake_reader:
            return
        try:
            news = pickle.loads(message)
        except Exception:  # log lines and records are plain, and what is asked travels by itself
            _log.exception("news from a worker cannot be read")
            return
        if news[0] == SYNC:
            with self._synced:
                self._awaited.discard(connection)
                self._synced.notify_all()
            return
        if news[0] == ASK:
            _, kind, request, number = news

            def reply(done: bool, value: Any) -> None:
                self._answer(connection, number, kind, done, value)

            try:
                self._relay.answer(kind, request, reply, connection)
            except Exception as error:  # the worker that asks gets an answer, and the others are served
                _log.exception("what a worker asks (%s) could not be answered", kind)
                reply(False, error)
            return
        try:
            if news[0] == RECORD:
                self._relay.record(news[1], news[2])
            else:
                self._on_news(*news)
        except Exception:  # the news of other calls is to be heard still
            _log.exception("news from a worker could not be taken in")


class LineToDriver:
    """A worker's end; one a driver. Without an address, or when the driver cannot be reached, it stays
    mute.
    """

    _lines: ClassVar[dict[LineAddress | None, LineToDriver]] = {}
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, address: LineAddress | None) -> None:
        self.address = address
        self.connected = False
        self._boards: dict[str, Board] = {}
        self._cancelled: OrderedDict[str, None] = OrderedDict()  # packs that may still be on their way here
        self._asked: dict[int, Future[Any]] = {}
        self._numbers = itertools.count()
        self._waiting: list[tuple[UUID, LogLine]] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._due = threading.Event()
        if address is not None:
            self._connect(address)

    @classmethod
    def to(cls, address: LineAddress | None) -> LineToDriver:
        """The line of this process to that driver, made at first need."""
        line = cls._lines.get(address)
        if line is None:
            with cls._creation:
                line = cls._lines.setdefault(address, cls(address))
        return line

    @classmethod
    def forget_all(cls) -> None:
        """This process has none of the lines that were made."""
        for line in cls._lines.values():
            line.connected = False
        cls._lines, cls._creation = {}, threading.Lock()

    def enter(self, pack_id: str, board: Board) -> None:
        """A pack begins in this process."""
        self._boards[pack_id] = board
        if pack_id in self._cancelled:  # it was asked for before
            stopping.stop(board)

    def leave(self, pack_id: str) -> None:
        """A pack is over."""
        self._boards.pop(pack_id, None)
        if self._waiting:  # what a pack logged goes out before its answer does
            self._flush()

    def flush(self) -> None:
        """What was logged goes out now."""
        if self._waiting:
            self._flush()

    def running(self, pack_id: str, position: int, started: float) -> None:
        self._send((RUNNING, pack_id, position, started, (_NODE, os.getpid())))

    def given_back(self, pack_id: str, positions: Sequence[int]) -> None:
        self._send((GIVEN_BACK, pack_id, positions, None))

    def log_sink(self, flow_run_id: UUID, line: LogLine) -> None:
        """Take one log line; sent in batches."""
        with self._lock:
            self._waiting.append((flow_run_id, line))
            full = len(self._waiting) >= _LINES_AT_ONCE
        if full:
            self._flush()
        else:
            self._due.set()

    def record(self, flow_run_id: UUID, record: Record) -> None:
        """Have a record journalled by the driver; log lines before it go first."""
        if self._waiting:
            self._flush()
        self._send((RECORD, flow_run_id, record, None))

    def ask(self, kind: str, request: Any) -> Future[Any]:
        """Have something done by the driver; the future fails with LeaseLost when the line is lost, and with
        RelayFailed when question or answer cannot travel. Raises CannotPickle.
        """
        future: Future[Any] = Future()
        blob, number = dump(request), next(self._numbers)
        self._asked[number] = future
        self._send((ASK, kind, blob, number))
        if not self.connected:
            self._give_up_asking()
        return future

    def _give_up_asking(self) -> None:
        for number in list(self._asked):
            future = self._asked.pop(number, None)
            if future is not None and not future.done():
                future.set_exception(
                    LeaseLost(
                        "the process that drives this run cannot be reached any more",
                        hint="`heliostat flow-run inspect` shows whether the run goes on elsewhere",
                    )
                )

    def _connect(self, address: LineAddress) -> None:
        try:
            link = socket.create_connection((address.host, address.port), _HANDSHAKE_S)
            self._connection = handshake(link, address.secret, asks_first=False)
            self._connection.recv_bytes()  # then the driver waits for what is said here
        except Exception as error:
            _log.warning("no line to the driver at %s:%s: %s", address.host, address.port, error)
            return
        self.connected = True
        threading.Thread(target=self._listen, name="heliostat-line-in", daemon=True).start()
        keep_thread("heliostat-line-out", self._flush_often, _log)
        atexit.register(self._flush)

    def _flush_often(self) -> None:
        pause = threading.Event()
        while self.connected:
            self._due.wait()
            pause.wait(_FLUSH_EVERY_S)
            self._due.clear()
            self._flush()

    def _flush(self) -> None:
        # Taken and sent as one step: what is said after a flush must not overtake its lines.
        with self._flushing:
            with self._lock:
                lines, self._waiting = self._waiting, []
            if lines:
                self._send((LOGS, lines, os.getpid(), None))

    def _send(self, news: News) -> None:
        if not self.connected:
            return
        message = dump(news)
        try:
            with self._lock:
                self._connection.send_bytes(message)
        except OSError:
            self.connected = False

    def _listen(self) -> None:
        try:
            while True:
                message = self._connection.recv_bytes()
                try:
                    self._obey(*pickle.loads(message))
                except Exception:  # the next order is to be heard still
                    _log.exception("an order of the driver could not be carried out")
        except (EOFError, OSError):
            pass
        finally:
            self.connected = False
            self._give_up_asking()

    def _obey(self, kind: str, subject: Any, value: Any) -> None:
        if kind == SYNC:
            self._flush()
            self._send((SYNC, None, None, None))
        elif kind == ANSWER:
            future = self._asked.pop(subject, None)
            if future is not None:
                _settle(future, *value)
        elif kind == CANCEL:
            self._cancel(subject)

    def _cancel(self, pack_id: str) -> None:
        self._cancelled[pack_id] = None  # first: it may be about to begin
        if len(self._cancelled) > _CANCELLED_KEPT:
            self._cancelled.popitem(last=False)
        board = self._boards.get(pack_id)
        if board is not None:
            stopping.stop(board)


def _settle(future: Future[Any], done: bool, blob: bytes) -> None:
    """Resolve a future with an answer, or with RelayFailed when the answer cannot be read."""
    try:
        if done:
            future.set_result(pickle.loads(blob))
        else:
            future.set_exception(tracebacks.unship(blob))
    except Exception as error:
        if not future.done():
            future.set_exception(RelayFailed(f"the answer cannot be read in this worker: {error!r}"))


def _forget_after_fork() -> None:
    # Connections are the parent's: two processes that write on one would garble it.
    LineToDriver.forget_all()


os.register_at_fork(after_in_child=_forget_after_fork)


def handshake(link: socket.socket, secret: bytes, *, asks_first: bool) -> Connection[Any, Any]:
    """Let both sides show that they know the secret; raises when one does not, or says nothing in time."""
    link.settimeout(None)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _notice_loss(link)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", _HANDSHAKE_S, 0))
    connection: Connection[Any, Any] = Connection(link.detach())
    try:
        steps = [deliver_challenge, answer_challenge]
        for step in steps if asks_first else reversed(steps):
            step(connection, secret)
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    except BaseException:
        connection.close()
        raise
    return connection


def _notice_loss(link: socket.socket) -> None:
    """A machine that is gone says nothing any more: the system asks whether it is there."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _pipe() -> tuple[Any, Any]:
    from multiprocessing import Pipe

    return Pipe(duplex=False)
