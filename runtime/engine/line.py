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
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge, wait
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from ..errors import LeaseLost
from ..journal.records import LogLine, Record
from .board import Board
from .payload import dump
from .wire import LineAddress

if TYPE_CHECKING:
    from .relay import RelayHost

_log = logging.getLogger("heliostat.internal.line")
_FLUSH_EVERY_S = 0.2
_LINES_AT_ONCE = 500
_HANDSHAKE_S = 10  # longest silence of somebody who connects
_WELCOME = b"welcome"

RUNNING, GIVEN_BACK, LOGS, RECORD = "running", "given back", "logs", "record"
CANCEL, SYNC, ASK, ANSWER = "cancel", "sync", "ask", "answer"
News = tuple[str, Any, Any, Any]  # from worker to driver
Order = tuple[str, Any, Any]  # from driver to worker


class DriverLine:
    """The driver's end: listens, and hands each piece of news to `on_news(kind, a, b, c)` on its own
    thread.
    """

    def __init__(self, host: str, on_news: Callable[..., None], relay: RelayHost) -> None:
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
        threading.Thread(target=self._accept, name="heliostat-line-accept", daemon=True).start()
        self._reader = threading.Thread(target=self._read, name="heliostat-line", daemon=True)
        self._reader.start()

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

    def _accept(self) -> None:
        while not self._closed:
            try:
                link, _ = self._listener.accept()
            except OSError:  # we are closing, or the other side has gone already
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
        news = pickle.loads(message)
        if news[0] == SYNC:
            with self._synced:
                self._awaited.discard(connection)
                self._synced.notify_all()
            return
        if news[0] == ASK:
            _, kind, request, number = news
            self._relay.answer(
                kind,
                request,
                lambda done, value: self._tell(connection, (ANSWER, number, (done, value))),
                connection,
            )
            return
        try:
            if news[0] == RECORD:
                self._relay.record(news[1], news[2])
            else:
                self._on_news(*news)
        except Exception:
            _log.exception("news from a worker could not be taken in")


class LineToDriver:
    """A worker's end; one a driver. Without an address, or when the driver cannot be reached, it stays
    mute.
    """

    _lines: ClassVar[dict[LineAddress | None, LineToDriver]] = {}
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, address: LineAddress | None) -> None:
        self.connected = False
        self._boards: dict[str, Board] = {}
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

    def enter(self, pack_id: str, board: Board) -> None:
        """A pack begins in this process."""
        self._boards[pack_id] = board

    def leave(self, pack_id: str) -> None:
        """A pack is over."""
        self._boards.pop(pack_id, None)
        self.flush_before_answer()

    def flush_before_answer(self) -> None:
        """What a pack logged goes out before its answer does."""
        if self._waiting:
            self._flush()

    def running(self, pack_id: str, position: int, started: float) -> None:
        self._send((RUNNING, pack_id, position, started))

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
        """Have something done by the driver; the future fails with LeaseLost when the line is lost."""
        future: Future[Any] = Future()
        number = next(self._numbers)
        self._asked[number] = future
        self._send((ASK, kind, request, number))
        if not self.connected:
            self._give_up_asking()
        return future

    def _give_up_asking(self) -> None:
        for number in list(self._asked):
            future = self._asked.pop(number, None)
            if future is not None:
                future.set_exception(LeaseLost("the process that drives this run cannot be reached any more"))

    def _connect(self, address: LineAddress) -> None:
        try:
            link = socket.create_connection((address.host, address.port), _HANDSHAKE_S)
            self._connection = handshake(link, address.secret, asks_first=False)
            self._connection.recv_bytes()  # from now on the driver waits for our last words
        except Exception as error:
            _log.warning("no line to the driver at %s:%s: %s", address.host, address.port, error)
            return
        self.connected = True
        threading.Thread(target=self._listen, name="heliostat-line-in", daemon=True).start()
        threading.Thread(target=self._flush_often, name="heliostat-line-out", daemon=True).start()
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
        while True:
            try:
                kind, subject, value = pickle.loads(self._connection.recv_bytes())
            except (EOFError, OSError):
                self.connected = False
                self._give_up_asking()
                return
            if kind == SYNC:
                self._flush()
                self._send((SYNC, None, None, None))
            elif kind == ANSWER:
                self._take_answer(self._asked.pop(subject), *value)
            elif subject in self._boards:
                self._boards[subject].cancel()

    def _take_answer(self, future: Future[Any], done: bool, value: Any) -> None:
        if done:
            future.set_result(value)
        else:
            future.set_exception(value)


def handshake(link: socket.socket, secret: bytes, *, asks_first: bool) -> Connection[Any, Any]:
    """Let both sides show that they know the secret; raises when one does not, or says nothing in time."""
    link.settimeout(None)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


def _pipe() -> tuple[Any, Any]:
    from multiprocessing import Pipe

    return Pipe(duplex=False)
