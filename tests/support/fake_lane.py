"""A lane under a test's control: it keeps what is launched and brings back what the test says."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from heliostat.runtime.authoring.context import FlowRunInfo
from heliostat.runtime.authoring.retry import RetryPolicy
from heliostat.runtime.authoring.terminal import Terminal
from heliostat.runtime.engine import payload
from heliostat.runtime.engine.call_kind import Resources
from heliostat.runtime.engine.calls import Columns, Rows
from heliostat.runtime.engine.code import TaskCode
from heliostat.runtime.engine.dispatcher import Dispatcher
from heliostat.runtime.engine.fanout import Fanout
from heliostat.runtime.engine.lane import Answer, Loss
from heliostat.runtime.engine.outcomes import COMPLETED, FAILED, RETRY, Extra, Outcome
from heliostat.runtime.engine.pack_group import Pack, PackGroup
from heliostat.runtime.engine.run_desk import RunDesk
from heliostat.runtime.engine.spool import Salvaged
from heliostat.runtime.foundation import ids
from heliostat.runtime.records import CallSite, Record, TaskRunBatch
from heliostat.runtime.values import tracebacks

PATIENCE_S = 10.0


class FakeLane:
    """Packs come to `launched`; `complete`, `answer` and `lose` end them in whatever order the test likes."""

    name = "fake"
    taker = None

    def __init__(self, on_news: Callable[..., None], slots: int = 2) -> None:
        self.on_news = on_news
        self.launched: list[Pack] = []
        self.cancelled: list[tuple[Pack, bool]] = []
        self.left: dict[str, Salvaged] = {}  # what lost packs left behind, by pack id
        self._slots = slots
        self._arrivals: queue.SimpleQueue[Answer | Loss] = queue.SimpleQueue()
        self._changed = threading.Condition()

    # For the test.

    def packs(self, count: int) -> list[Pack]:
        """The packs launched so far, as soon as there are that many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.launched) >= count, PATIENCE_S), (
                f"{len(self.launched)} packs were launched, not {count}"
            )
            return list(self.launched)

    def cancellations(self, count: int) -> list[tuple[Pack, bool]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.cancelled) >= count, PATIENCE_S)
            return list(self.cancelled)

    def complete(self, pack: Pack, elapsed_s: float = 0.01) -> None:
        """Every call completes with its own index as value."""
        indexes = [fanout.first_index + position for fanout, position in pack.members()]
        self.answer(pack, [completed(index) for index in indexes], elapsed_s)

    def answer(self, pack: Pack, outcomes: Sequence[Outcome | None], elapsed_s: float = 0.01) -> None:
        self._arrivals.put(Answer(pack, list(outcomes), elapsed_s, "node", 1, {}))

    def lose(
        self, pack: Pack, cause: str = "worker-killed", left: Salvaged | None = None, **more: Any
    ) -> None:
        if left is not None:
            self.left[pack.pack_id] = left
        self._arrivals.put(Loss(pack, cause, f"lost: {cause}", **more))

    def give_back(self, pack: Pack, positions: Sequence[int]) -> None:
        self.on_news("given back", pack.pack_id, positions, None)

    # For the dispatcher.

    def slots(self, resources: Resources) -> int:
        return self._slots

    def launch(self, pack: Pack) -> None:
        with self._changed:
            self.launched.append(pack)
            self._changed.notify_all()

    def poll(self, timeout_s: float) -> list[Answer | Loss]:
        try:
            return [self._arrivals.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def cancel(self, pack: Pack, force: bool) -> None:
        with self._changed:
            self.cancelled.append((pack, force))
            self._changed.notify_all()

    def salvage(self, pack: Pack) -> Salvaged | None:
        return self.left.pop(pack.pack_id, None)

    def fetch(self, place: Any) -> Any:
        raise AssertionError(f"nothing is kept here: {place}")

    @contextmanager
    def yielding(self) -> Generator[None]:
        yield

    def settle(self) -> None: ...

    def close(self) -> None: ...


class Notebook:
    """A journal that keeps its records."""

    held = None

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, record: Record) -> None:
        self.records.append(record)

    def wait_for_room(self) -> None: ...

    def states(self, index: int) -> list[str]:
        """The names of the states that were recorded of a call, in order."""
        found: list[str] = []
        for record in self.records:
            if isinstance(record, TaskRunBatch) and index in record.indexes:
                names = record.state_names
                row = list(record.indexes).index(index)
                found.append(names if isinstance(names, str) else names[row])
        return found


class Bench:
    """A dispatcher over a fake lane, one flow run, and ways to send it calls."""

    def __init__(self, slots: int = 2, pack_target_s: float = 0.1, max_window: int = 1000) -> None:
        lanes: list[FakeLane] = []

        def make(on_news: Callable[..., None]) -> FakeLane:
            lanes.append(FakeLane(on_news, slots))
            return lanes[0]

        self.dispatcher = Dispatcher(make, pack_target_s, max_window)  # type: ignore[arg-type]
        (self.lane,) = lanes
        self.journal = Notebook()
        self.flow_run = FlowRunInfo(ids.uuid7(), "run", "flow")
        self.desk = RunDesk(self.flow_run, self.journal, Terminal(level=100))
        self._sites = 0

    def group(self, pack: bool | int = True, crash_retries: int = 2, **code: Any) -> PackGroup:
        """A task that is never executed: the lane is a fake."""
        facts: dict[str, Any] = {
            "fn": len,
            "name": "work",
            "retry": RetryPolicy(),
            "timeout_s": None,
            "log_prints": False,
            "persist": False,
            "storage_url": "memory://none",
            "serializer": "pickle",
            "inline_limit_bytes": 1000,
            "crash_retries": crash_retries,
        }
        made = TaskCode(**(facts | code))
        return PackGroup(made, "work-1", self.flow_run, self.desk, Resources(), (), pack)

    def send(
        self, group: PackGroup, count: int = 1, wait_for: Sequence[Any] = (), args: Any = None
    ) -> Fanout:
        """A map of `count` calls, or (`args`) one call with these arguments."""
        self._sites += 1
        key = f"work-{self._sites}"
        base = ids.task_run_base(self.flow_run.id, "", key)
        site = CallSite(self.flow_run.id, "", key, "work", base)
        calls = Columns([(True, range(count))], {}, count) if args is None else Rows([(tuple(args), {})])
        fanout = Fanout(self.dispatcher, group, site, 0, calls, tuple(wait_for))
        self.dispatcher.enqueue(fanout, 0, len(calls))
        self.dispatcher.run_here(fanout)
        return fanout

    def close(self) -> None:
        self.dispatcher.close()


def completed(value: Any, run_count: int = 1) -> Outcome:
    return Outcome(COMPLETED, 1.0, 2.0, run_count, "inline", payload.dump(value))


def failed(message: str = "no") -> Outcome:
    return Outcome(FAILED, 1.0, 2.0, 1, None, tracebacks.ship(ValueError(message)), None, Extra(message))


def wants_retry(delay_s: float, run_count: int = 1) -> Outcome:
    extra = Extra("once more", timeline=[("RUNNING", "Running", 1.0, None)], retry_delay_s=delay_s)
    return Outcome(RETRY, 1.0, 2.0, run_count, None, None, None, extra)
