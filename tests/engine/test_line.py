"""The line between a driver and its workers, both ends in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from heliostat.runtime import ids
from heliostat.runtime.engine.board import Board
from heliostat.runtime.engine.line import DriverLine, LineToDriver
from heliostat.runtime.engine.relay import RelayHost
from heliostat.runtime.journal.records import LogLine
from heliostat.runtime.terminal import Terminal


class Driver:
    """A driver's end that keeps the news it gets."""

    def __init__(self) -> None:
        self.news: list[tuple[Any, ...]] = []
        self.line = DriverLine("127.0.0.1", lambda *news: self.news.append(news), RelayHost(Terminal()))

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
    assert driver.news == [("running", "pack", 3, 1.0)]


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
