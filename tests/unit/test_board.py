"""What a process tells of the calls that it executes: which have run for long, and which it gives back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from heliostat.runtime.engine.board import (
    GIVE_BACK_AFTER_S,
    REPORT_RUNNING_AFTER_S,
    Board,
    LoneBoard,
    Watcher,
)
from heliostat.runtime.foundation import clock


class Told:
    """Notes what a board says."""

    def __init__(self) -> None:
        self.running: list[tuple[int, float]] = []
        self.given_back: list[list[int]] = []

    def board(self, size: int) -> Board:
        return Board(size, lambda *facts: self.running.append(facts), self._give_back)

    def _give_back(self, positions: Sequence[int]) -> None:
        self.given_back.append(list(positions))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def at() -> Iterator[Any]:
    """Set what time it is."""
    moment = [1_000.0]
    clock.set_wall_clock(lambda: moment[0])
    yield lambda seconds: moment.__setitem__(0, 1_000.0 + seconds)
    clock.set_wall_clock(None)


def test_a_call_is_reported_running_once_it_has_lasted_and_only_once(told: Told, at: Any) -> None:
    board = told.board(2)
    assert board.start(0, 1_000.0)
    at(REPORT_RUNNING_AFTER_S - 0.01)
    board.look()
    assert told.running == []
    at(REPORT_RUNNING_AFTER_S)
    board.look()
    board.look()
    assert told.running == [(0, 1_000.0)]


def test_short_calls_are_never_mentioned(told: Told, at: Any) -> None:
    board = told.board(2)
    board.start(0, 1_000.0)
    board.end(0)
    at(100)
    board.look()
    assert told.running == [] and told.given_back == []


def test_calls_behind_a_long_call_are_given_back_and_not_started(told: Told, at: Any) -> None:
    board = told.board(5)
    for position in (0, 1):
        assert board.start(position, 1_000.0)
    board.end(0)
    at(GIVE_BACK_AFTER_S)
    board.look()
    assert told.given_back == [[2, 3, 4]]
    assert not board.start(2, 1_002.0)
    at(GIVE_BACK_AFTER_S * 3)
    board.look()
    assert told.given_back == [[2, 3, 4]], "there is nothing left to give"


def test_a_long_last_call_gives_nothing_back(told: Told, at: Any) -> None:
    board = told.board(1)
    board.start(0, 1_000.0)
    at(GIVE_BACK_AFTER_S * 2)
    board.look()
    assert told.given_back == [] and told.running == [(0, 1_000.0)]


def test_a_board_without_a_listener_keeps_its_calls(at: Any) -> None:
    board = Board(3, lambda *_: None)
    board.start(0, 1_000.0)
    at(100)
    board.look()
    assert board.start(1, 1_100.0) and board.start(2, 1_100.0)


def test_a_cancelled_pack_starts_nothing_more(told: Told) -> None:
    board = told.board(3)
    assert board.start(0, 1_000.0)
    board.cancel()
    assert not board.start(1, 1_000.0)


def test_the_watcher_looks_at_boards_until_they_are_removed() -> None:
    told = threading.Event()
    board = Board(1, lambda *_: told.set())
    board.start(0, clock.epoch_s() - 10)
    watcher = Watcher.of_this_process()
    watcher.add(board)
    try:
        assert told.wait(10)
    finally:
        watcher.remove(board)
    assert Watcher.of_this_process() is watcher


def test_a_long_lone_call_is_reported_once_and_the_next_one_again(told: Told, at: Any) -> None:
    roused: list[None] = []
    board = LoneBoard(lambda: roused.append(None))
    tell = lambda pack_id, started: told.running.append((int(pack_id), started))  # noqa: E731
    board.start(tell, "1", 1_000.0)
    at(REPORT_RUNNING_AFTER_S)
    board.look()
    board.look()
    board.end()
    board.look()
    board.start(tell, "2", 1_000.0 + REPORT_RUNNING_AFTER_S)
    board.look()
    assert told.running == [(1, 1_000.0)] and len(roused) == 2
    at(2 * REPORT_RUNNING_AFTER_S)
    board.look()
    assert told.running[1:] == [(2, 1_000.0 + REPORT_RUNNING_AFTER_S)]


def test_the_watcher_sees_a_lone_call() -> None:
    seen = threading.Event()
    watcher = Watcher.of_this_process()
    watcher.lone.start(lambda _pack_id, _started: seen.set(), "1", clock.epoch_s() - 1)
    try:
        assert seen.wait(20)
    finally:
        watcher.lone.end()
