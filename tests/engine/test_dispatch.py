"""Dispatching and settling over a lane that answers as the test says: lost, late, out of order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "support"))

from fake_lane import PATIENCE_S, Bench, completed, failed, wants_retry  # noqa: E402

from heliostat.runtime.authoring.futures import TaskFuture, allow_failure  # noqa: E402
from heliostat.runtime.engine.calls import Columns  # noqa: E402
from heliostat.runtime.engine.fanout import Fanout  # noqa: E402
from heliostat.runtime.engine.spool import Salvaged  # noqa: E402
from heliostat.runtime.foundation.errors import (  # noqa: E402
    HeliostatError,
    LeaseLost,
    RunCancelled,
    TaskCrashed,
    TaskTimedOut,
    UpstreamFailed,
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def _values(fanout: Fanout) -> list[Any]:
    assert fanout.wait_all(PATIENCE_S), f"still open: {fanout.counts()}"
    return [fanout.value_of(position, False) for position in range(fanout.size)]


def _serve(bench: Bench, fanout: Fanout, elapsed_s: float = 0.0001) -> list[int]:
    """Complete packs as they come until the fan-out has ended; returns their sizes."""
    sizes: list[int] = []
    while fanout.open_count:
        pack = bench.lane.packs(len(sizes) + 1)[len(sizes)]
        sizes.append(len(pack))
        bench.lane.complete(pack, elapsed_s * len(pack))
        fanout.dispatcher.wait_until(
            lambda: len(bench.lane.launched) > len(sizes) or not fanout.open_count, PATIENCE_S
        )
    return sizes


# Window and packs.


def test_the_first_calls_go_alone_and_few_and_packs_grow_from_what_was_measured(bench: Bench) -> None:
    fanout = bench.send(bench.group(), 5_000)
    assert [len(pack) for pack in bench.lane.packs(4)] == [1, 1, 1, 1], "twice the slots, singly"
    sizes = _serve(bench, fanout)
    assert max(sizes) > 100 and sum(sizes) == 5_000
    assert _values(fanout) == list(range(5_000))
    assert bench.desk.open_calls == 0


def test_a_window_bounds_what_is_under_way_and_an_answer_makes_room() -> None:
    bench = Bench(slots=2, max_window=6)
    try:
        fanout = bench.send(bench.group(pack=False), 20)
        assert len(bench.lane.packs(6)) == 6
        assert fanout.counts() == {"Running": 6, "Pending": 14}
        bench.lane.complete(bench.lane.launched[3])
        assert len(bench.lane.packs(7)) == 7
        assert fanout.is_settled(3) and not fanout.is_settled(0)
    finally:
        bench.close()


def test_an_authors_pack_size_is_kept(bench: Bench) -> None:
    bench.send(bench.group(pack=4), 10)
    assert [len(pack) for pack in bench.lane.packs(3)] == [4, 4, 2]


def test_of_a_paused_run_what_was_sent_ends_and_nothing_more_is_sent() -> None:
    bench = Bench(slots=2, max_window=4)
    try:
        fanout = bench.send(bench.group(pack=False), 6)
        sent = bench.lane.packs(4)
        bench.desk.gate.close()
        for pack in sent:
            bench.lane.complete(pack)
        assert bench.dispatcher.wait_until(lambda: fanout.open_count == 2, PATIENCE_S)
        later = bench.send(bench.group(pack=False), 1)
        assert (fanout.counts(), later.counts()) == ({"Completed": 4, "Pending": 2}, {"Pending": 1})
        assert len(bench.lane.launched) == 4
        bench.desk.gate.open()
        bench.dispatcher.go_on()
        for number in range(5, 8):
            bench.lane.complete(bench.lane.packs(number)[number - 1])
        assert _values(fanout) == list(range(6)) and _values(later) == [0]
    finally:
        bench.close()


def test_groups_take_turns(bench: Bench) -> None:
    first, second = bench.group(pack=1), bench.group(pack=1)
    bench.send(first, 3)
    bench.send(second, 3)
    kinds = [pack.group for pack in bench.lane.packs(6)]
    assert kinds.count(first) == kinds.count(second) == 3


def test_an_iterator_is_not_read_further_than_there_is_room(bench: Bench) -> None:
    read: list[int] = []

    def rows() -> Iterator[tuple[int]]:
        for number in range(20_000):
            read.append(number)
            yield (number,)

    group = bench.group()
    fanout = bench.send(group, 0)
    fanout.calls = Columns([(True, [])], {}, 0, owned=True)
    fanout.closed = False
    feeding = threading.Thread(target=bench.dispatcher.feed, args=(fanout, rows()))
    feeding.start()
    bench.lane.packs(4)
    with bench.dispatcher.changed:
        assert fanout.open_count <= 5_120 and len(read) <= 6_144
    answered = 0
    while feeding.is_alive() or fanout.open_count:
        launched = bench.lane.launched[answered:]
        for pack in launched:
            bench.lane.complete(pack, 0.0001 * len(pack))
        answered += len(launched)
        bench.dispatcher.wait_until(lambda known=answered: len(bench.lane.launched) > known, 0.01)
    feeding.join(PATIENCE_S)
    assert len(read) == 20_000 and fanout.size == 20_000
    assert fanout.wait_all(PATIENCE_S)


# Answers.


def test_answers_may_come_in_any_order(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=2), 8)
    for pack in reversed(bench.lane.packs(4)):
        bench.lane.complete(pack)
    assert _values(fanout) == list(range(8))
    assert [bench.journal.states(i) for i in range(8)] == [["Completed"]] * 8


def test_failures_and_successes_of_one_pack_are_told_apart(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=3), 3)
    (pack,) = bench.lane.packs(1)
    bench.lane.answer(pack, [completed("a"), failed("bad"), completed("c")])
    first, second, third = _values(fanout)
    assert (first, third) == ("a", "c") and isinstance(second, ValueError)
    assert fanout.counts() == {"Completed": 2, "Failed": 1}
    assert bench.journal.states(1) == ["Failed"]


def test_a_retry_waits_for_its_delay_and_keeps_count(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=2), 2)
    (pack,) = bench.lane.packs(1)
    bench.lane.answer(pack, [wants_retry(0.01), completed(1)])
    again = bench.lane.packs(2)[1]
    assert list(again.members()) == [(fanout, 0)]
    assert fanout.attempt_of(0) == 2 and fanout.tries_of(0) == 2
    bench.lane.answer(again, [completed("at last", run_count=2)])
    assert _values(fanout) == ["at last", 1]
    assert bench.journal.states(0) == ["AwaitingRetry", "Completed"]


def test_calls_given_back_go_elsewhere_and_end_once(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=4), 4)
    (pack,) = bench.lane.packs(1)
    bench.lane.give_back(pack, [2, 3])
    other = bench.lane.packs(2)[1]
    assert sorted(position for _, position in other.members()) == [2, 3]
    bench.lane.complete(other)
    bench.lane.answer(pack, [completed(0), completed(1), None, None])
    assert _values(fanout) == [0, 1, 2, 3]
    assert [bench.journal.states(i) for i in range(4)] == [["Completed"]] * 4


def test_calls_not_started_are_sent_again_even_when_the_news_of_it_comes_late(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=3), 3)
    (pack,) = bench.lane.packs(1)
    bench.lane.answer(pack, [completed(0), None, None])
    again = bench.lane.packs(2)[1]
    bench.lane.give_back(pack, [1, 2])
    assert sorted(position for _, position in again.members()) == [1, 2]
    bench.lane.complete(again)
    assert _values(fanout) == [0, 1, 2]
    assert len(bench.lane.launched) == 2


def test_news_that_a_call_runs_is_recorded_once_it_is_true(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=2), 2)
    (pack,) = bench.lane.packs(1)
    bench.lane.on_news("running", pack.pack_id, 1, 5.0)
    bench.lane.complete(pack)
    assert _values(fanout) == [0, 1]
    bench.lane.on_news("running", pack.pack_id, 0, 5.0)
    assert [bench.journal.states(i) for i in range(2)] == [["Completed"], ["Running", "Completed"]]


# Losses.


def test_what_a_lost_pack_had_finished_is_kept_and_its_suspect_runs_alone(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=4), 4)
    (pack,) = bench.lane.packs(1)
    bench.lane.lose(pack, left=Salvaged({0: completed("salvaged")}, running=1))
    second, third = bench.lane.packs(3)[1:]
    members = {tuple(p for _, p in each.members()) for each in (second, third)}
    assert members == {(1,), (2, 3)}
    for each in (second, third):
        bench.lane.complete(each)
    assert _values(fanout) == ["salvaged", 1, 2, 3]
    assert fanout.attempt_of(1) == 2 and fanout.tries_of(1) == 1, "a crash is no retry of the author's"
    assert bench.journal.states(1) == ["AwaitingRetry", "Completed"]
    assert bench.journal.states(2) == ["Completed"]


def test_when_nothing_is_known_all_of_a_lost_pack_are_suspects_and_go_alone(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=3), 3)
    bench.lane.lose(bench.lane.packs(1)[0])
    again = bench.lane.packs(4)[1:]
    assert [len(pack) for pack in again] == [1, 1, 1]
    for pack in again:
        bench.lane.complete(pack)
    assert _values(fanout) == [0, 1, 2]


def test_a_call_under_which_processes_keep_dying_ends_crashed_with_the_cause(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=1, crash_retries=2), 1)
    for number in range(3):
        bench.lane.lose(bench.lane.packs(number + 1)[number], "out-of-memory")
    (error,) = _values(fanout)
    assert isinstance(error, TaskCrashed) and error.cause == "out-of-memory"
    assert len(bench.lane.launched) == 3
    assert bench.journal.states(0) == ["AwaitingRetry", "AwaitingRetry", "Crashed"]


def test_a_loss_that_repeating_cannot_mend_ends_the_call_at_once(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=1), 1)
    bench.lane.lose(bench.lane.packs(1)[0], "environment", again=False)
    (error,) = _values(fanout)
    assert isinstance(error, TaskCrashed) and error.cause == "environment"
    assert len(bench.lane.launched) == 1


def test_a_salvaged_wish_for_a_retry_is_followed_once(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=2), 2)
    (pack,) = bench.lane.packs(1)
    bench.lane.lose(pack, left=Salvaged({0: wants_retry(0.01)}, running=1))
    for number in (1, 2):
        bench.lane.complete(bench.lane.packs(number + 1)[number])
    assert _values(fanout) == [0, 1]
    assert len(bench.lane.launched) == 3


def test_a_salvaged_outcome_whose_value_died_with_the_worker_is_made_again(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=2), 2)
    (pack,) = bench.lane.packs(1)
    large = completed(0)._replace(kind="memory", payload=None)
    bench.lane.lose(pack, left=Salvaged({0: large, 1: completed("kept")}, running=None))
    bench.lane.complete(bench.lane.packs(2)[1])
    assert _values(fanout) == [0, "kept"]


def test_calls_given_back_before_the_loss_are_not_sent_twice(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=3), 3)
    (pack,) = bench.lane.packs(1)
    bench.lane.give_back(pack, [1, 2])
    elsewhere = bench.lane.packs(2)[1]
    bench.lane.lose(pack, left=Salvaged({}, running=0))
    suspect = bench.lane.packs(3)[2]
    assert list(suspect.members()) == [(fanout, 0)]
    bench.lane.complete(elsewhere)
    bench.lane.complete(suspect)
    assert _values(fanout) == [0, 1, 2]
    assert len(bench.lane.launched) == 3


# Cancelling, limits and the end.


def test_cancelling_a_run_drops_what_waits_and_stops_what_runs(bench: Bench) -> None:
    fanout = bench.send(bench.group(pack=1), 1)
    behind = bench.send(bench.group(pack=2), 3, wait_for=[TaskFuture(fanout, 0)])
    (pack,) = bench.lane.packs(1)
    stopped: list[bool] = []
    cancelling = threading.Thread(target=lambda: stopped.append(bench.dispatcher.cancel_run(bench.desk)))
    cancelling.start()
    assert bench.lane.cancellations(1) == [(pack, False)]
    bench.lane.lose(pack, "cancelled")
    cancelling.join(PATIENCE_S)
    assert stopped == [True]
    assert all(isinstance(value, RunCancelled) for value in [*_values(fanout), *_values(behind)])
    assert fanout.counts() == {"Cancelled": 1} and behind.counts() == {"Cancelled": 3}
    assert bench.desk.open_calls == 0


def test_a_cancelled_call_that_does_not_stop_is_ended_by_force(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heliostat.runtime.engine import cancelling

    monkeypatch.setattr(cancelling, "FORCE_CANCEL_AFTER_S", 0.01)
    fanout = bench.send(bench.group(pack=1), 1)
    (pack,) = bench.lane.packs(1)
    assert fanout.cancel(0)
    assert bench.lane.cancellations(2)[:2] == [(pack, False), (pack, True)]
    bench.lane.lose(pack, "worker-killed")
    assert isinstance(_values(fanout)[0], RunCancelled)


def test_a_call_far_past_its_timeout_is_killed_and_timed_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heliostat.runtime.engine import cancelling

    monkeypatch.setattr(cancelling, "TIMEOUT_GRACE_S", 0.0)
    fanout = bench.send(bench.group(pack=2, timeout_s=0.01), 2)
    (pack,) = bench.lane.packs(1)
    bench.lane.on_news("running", pack.pack_id, 0, 1.0)
    assert bench.lane.cancellations(1)[0] == (pack, True)
    bench.lane.lose(pack, left=Salvaged({}, running=0))
    bench.lane.complete(bench.lane.packs(2)[1])
    late, other = _values(fanout)
    assert isinstance(late, TaskTimedOut) and other == 1
    assert bench.journal.states(0)[-1] == "TimedOut"


def test_a_failed_dispatcher_tells_everyone_who_waits(bench: Bench) -> None:
    fanout = bench.send(bench.group(), 1)
    told: list[str] = []

    def wait() -> None:
        try:
            fanout.wait_all()
        except LeaseLost as error:
            told.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    bench.dispatcher.fail(LeaseLost("taken over"))
    waiting.join(PATIENCE_S)
    assert told == ["taken over"]
    with pytest.raises(LeaseLost):
        bench.send(bench.group(), 1)


def test_after_closing_nothing_can_be_sent() -> None:
    bench = Bench()
    bench.close()
    with pytest.raises(HeliostatError, match="is over"):
        bench.send(bench.group(), 1)


# Who waits for whom.


def test_a_call_goes_when_the_last_of_what_it_waits_for_has_ended(bench: Bench) -> None:
    first, second = bench.send(bench.group(pack=1), 1), bench.send(bench.group(pack=1), 1)
    after = bench.send(bench.group(pack=1), args=[TaskFuture(first, 0), [TaskFuture(second, 0)]])
    one, two = bench.lane.packs(2)
    bench.lane.complete(one)
    assert first.wait_all(PATIENCE_S) and after.counts() == {"Pending": 1}
    assert len(bench.lane.launched) == 2
    bench.lane.complete(two)
    assert bench.lane.packs(3)[2].group is after.kind


def test_behind_a_failure_calls_end_not_ready_down_the_line(bench: Bench) -> None:
    first = bench.send(bench.group(pack=1), 1)
    second = bench.send(bench.group(pack=1), args=[TaskFuture(first, 0)])
    third = bench.send(bench.group(pack=1), args=[TaskFuture(second, 0)])
    tolerant = bench.send(bench.group(pack=1), args=[allow_failure(TaskFuture(second, 0))])
    bench.lane.answer(bench.lane.packs(1)[0], [failed()])
    assert isinstance(_values(third)[0], UpstreamFailed)
    assert second.counts() == third.counts() == {"NotReady": 1}
    bench.lane.complete(bench.lane.packs(2)[1])
    assert _values(tolerant) == [0]


def test_a_whole_fan_out_waits_at_one_gate(bench: Bench) -> None:
    first = bench.send(bench.group(pack=1), 1)
    many = bench.send(bench.group(pack=500), 1_000, wait_for=[TaskFuture(first, 0)])
    assert len(many.pending_on) == 1, "a thousand calls wait as one"
    bench.lane.complete(bench.lane.packs(1)[0])
    for number in (1, 2):
        bench.lane.complete(bench.lane.packs(number + 1)[number])
    assert _values(many) == list(range(1_000))
