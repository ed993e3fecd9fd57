"""The line between a driver and its workers, both ends in this process."""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from heliostat.runtime.authoring.terminal import Terminal
from heliostat.runtime.engine import relay
from heliostat.runtime.engine.board import Board
from heliostat.runtime.engine.line import DriverLine, LineToDriver
from heliostat.runtime.engine.relay import RelayHost
from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import CannotPickle, LeaseLost, RelayFailed
from heliostat.runtime.records import LogLine


class Driver:
    """A driver's end that keeps the news it gets."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []
        self.relay = RelayHost(Terminal())
        self.line = DriverLine("127.0.0.1", lambda *news: self.news.append(news), self.relay)

    def logged(self) -> list[str]:
        return [line.message for kind, lines, *_ in self.news if kind == "logs" for _, line in lines]


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.line.close()


def test_what_was_logged_before_is_in_when_the_line_has_settled(driver: Driver) -> None:
    run_id = ids.uuid7()
    workers = [LineToDriver(driver.line.address) for _ in range(4)]

    def log(worker: LineToDriver) -> None:
        for number in range(1_200):
            worker.log_sink(run_id, LogLine(1.0, 20, "test", str(number)))

    threads = [threading.Thread(target=log, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert driver.line.settle(timeout_s=20)
    assert sorted(map(int, driver.logged())) == sorted([*range(1_200)] * 4)


def test_a_stranger_who_says_nothing_keeps_nobody_waiting(driver: Driver) -> None:
    address = driver.line.address
    strangers = [socket.create_connection((address.host, address.port)) for _ in range(3)]
    worker = LineToDriver(address)
    assert worker.connected
    for stranger in strangers:
        stranger.close()


def test_nobody_gets_in_without_the_secret(driver: Driver) -> None:
    assert not LineToDriver(replace(driver.line.address, secret=b"guessed")).connected
    worker = LineToDriver(driver.line.address)
    worker.running("pack", 3, 1.0)
    assert driver.line.settle(timeout_s=20)
    assert driver.news == [("running", "pack", 3, 1.0, (platform.node(), os.getpid()))]


def test_a_worker_without_a_driver_stays_mute() -> None:
    driver = Driver()
    driver.line.close()
    worker = LineToDriver(driver.line.address)
    assert not worker.connected
    worker.log_sink(ids.uuid7(), LogLine(1.0, 20, "test", "into the void"))
    worker.running("pack", 0, 1.0)


def test_the_wish_to_cancel_reaches_the_pack_that_is_meant(driver: Driver) -> None:
    worker = LineToDriver(driver.line.address)
    meant, other = (Board(5, lambda *_: None) for _ in range(2))
    worker.enter("meant", meant)
    worker.enter("other", other)
    driver.line.cancel("meant")
    # The line keeps the order: when the driver's question is answered, the wish has arrived.
    assert driver.line.settle(timeout_s=20)
    assert (meant.cancelled, other.cancelled) == (True, False)


class CannotBePickled:
    def __reduce__(self) -> Any:
        raise TypeError("it holds an open file")


class CannotBeUnpickled:
    def __reduce__(self) -> Any:
        return _refuse, ()


class OddError(Exception):
    """Pickles, and cannot be made again: its constructor wants more."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class ErrorWithAFile(Exception):
    def __reduce__(self) -> Any:
        raise TypeError("it holds an open file")


def _refuse() -> None:
    raise ImportError("no such module here")


@pytest.fixture
def asked(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask as a worker does, where the driver's recording answers what `answer` gives."""
    worker = LineToDriver(driver.line.address)

    class Recording:
        def call(self, verb: Any, *args: Any) -> Any:
            return verb(*args)

    monkeypatch.setattr(relay, "current_recording", Recording)

    def ask(verb: Any, *args: Any) -> Any:
        return worker.ask(relay.CALL, (verb, args, {})).result(60)

    return ask


def answer(what: str) -> Any:
    """Stands for a store verb, on the driver's side."""
    if what == "unpicklable value":
        return CannotBePickled()
    if what == "value that cannot be read":
        return CannotBeUnpickled()
    if what == "odd error":
        raise OddError("what", "why")
    if what == "error with a file":
        raise ErrorWithAFile("cannot write")
    if what == "an end of the thread":
        raise SystemExit(3)
    return what


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("unpicklable value", RelayFailed, "cannot be sent to the worker"),
        ("value that cannot be read", RelayFailed, "cannot be read in this worker.*no such module here"),
        ("odd error", Exception, "what"),
        ("error with a file", Exception, "cannot write"),
        ("an end of the thread", BaseException, "3"),
    ],
)
def test_whoever_asks_is_answered_though_the_answer_cannot_travel(
    asked: Any, what: str, error: type[BaseException], words: str
) -> None:
    """A worker waited for ever: the thread that was to answer it died of the answer."""
    with pytest.raises(error, match=words):
        asked(answer, what)
    assert asked(answer, "the next") == "the next"


def test_whoever_asks_what_cannot_travel_is_told(asked: Any) -> None:
    with pytest.raises(CannotPickle, match="it holds an open file"):
        asked(answer, CannotBePickled())
    with pytest.raises(RelayFailed, match="cannot be read here.*no such module here"):
        asked(answer, CannotBeUnpickled())
    assert asked(answer, "the next") == "the next"


def test_a_driver_that_goes_away_fails_what_was_asked_of_it(driver: Driver, monkeypatch: Any) -> None:
    worker = LineToDriver(driver.line.address)
    asked, forever = threading.Event(), threading.Event()

    class Recording:
        def call(self, verb: Any) -> Any:
            asked.set()
            forever.wait()

    monkeypatch.setattr(relay, "current_recording", Recording)
    waiting = worker.ask(relay.CALL, (answer, (), {}))
    assert asked.wait(60)
    driver.line.close()
    with pytest.raises(LeaseLost, match="cannot be reached any more"):
        waiting.result(60)
    with pytest.raises(LeaseLost, match="cannot be reached any more"):
        worker.ask(relay.CALL, (answer, (), {})).result(60)
    forever.set()


def test_a_relay_that_takes_nothing_more_says_so(driver: Driver) -> None:
    worker = LineToDriver(driver.line.address)
    driver.relay.close()
    with pytest.raises(LeaseLost, match="is about to end"):
        worker.ask(relay.CALL, (answer, (), {})).result(60)


def test_many_who_wait_for_the_journal_keep_nobody_else_waiting(driver: Driver, asked: Any) -> None:
    worker = LineToDriver(driver.line.address)
    run_id, barrier = ids.uuid7(), Future[None]()
    desk = SimpleNamespace(journal=SimpleNamespace(barrier=lambda: barrier))
    driver.relay._desks[run_id] = desk  # pyright: ignore[reportPrivateUsage, reportArgumentType]
    waiting = [worker.ask(relay.BARRIER, run_id) for _ in range(50)]
    assert asked(answer, "meanwhile") == "meanwhile"
    barrier.set_exception(LeaseLost("another process executes the run"))
    for each in waiting:
        with pytest.raises(LeaseLost, match="another process"):
            each.result(60)


def test_an_order_that_cannot_be_read_does_not_end_the_line(driver: Driver, asked: Any) -> None:
    worker = LineToDriver(driver.line.address)
    asked(answer, "connected")
    driver.line._tell_all(("answer", 77, (True, b"no such question")))  # pyright: ignore[reportPrivateUsage]
    driver.line._tell_all(("answer", CannotBeUnpickled(), None))  # pyright: ignore[reportPrivateUsage]
    board = Board(3, lambda *_: None)
    worker.enter("pack", board)
    driver.line.cancel("pack")
    assert asked(answer, "the next") == "the next"
    assert driver.line.settle(timeout_s=20)
    assert board.cancelled


def test_what_was_cancelled_before_it_begins_is_not_started(driver: Driver) -> None:
    worker = LineToDriver(driver.line.address)
    driver.line.cancel("pack")
    assert driver.line.settle(timeout_s=20)
    board = Board(3, lambda *_: None)
    worker.enter("pack", board)
    assert not board.start(0, 1.0)
