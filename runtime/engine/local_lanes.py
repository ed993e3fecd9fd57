"""Lanes without Ray: calls run in this process, at once (`InlineLane`) or on threads (`ThreadLane`)."""

from __future__ import annotations

import contextvars
import os
import platform
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ..authoring.context import TaskRunInfo
from ..authoring.logging import capture_into
from ..authoring.terminal import in_worker
from ..foundation.errors import HeliostatError
from . import stopping
from .board import Board
from .call_kind import Resources
from .execution import PackExecution
from .lane import Answer, Lane, Loss, refused
from .outcomes import Kept
from .own_arguments import Taker
from .pack_group import Pack
from .resolve import resolved_calls
from .spool import Salvaged

_NODE = platform.node()


class _LocalLane:
    """What both share: executing a pack in this process with objects as they are."""

    def __init__(self, on_news: Callable[..., None]) -> None:
        self.taker: Taker | None = None  # calls get the author's own objects, as in plain Python
        self._on_news = on_news
        self._boards: dict[str, Board] = {}

    def settle(self) -> None:
        """Nothing is under way outside this process."""

    def salvage(self, pack: Pack) -> Salvaged | None:
        return None

    def fetch(self, place: Any) -> Any:
        raise HeliostatError(f"{place!r} is not a value of this lane")

    def cancel(self, pack: Pack, force: bool) -> None:
        board = self._boards.get(pack.pack_id)
        if board is not None:
            stopping.stop(board, again=force)

    def _execute(self, pack: Pack, gives_back: bool) -> tuple[Answer, BaseException | None]:
        """The answer, and what interrupted a call if something did."""
        began = time.perf_counter()
        group = pack.group
        try:
            calls = resolved_calls(pack)
        except Exception as error:
            return refused(pack, error), None
        site = pack.spans[0].fanout.site
        info = TaskRunInfo(
            group.flow_run, group.code.name, site.task_key, site.scope, site.base, tags=group.tags
        )
        news = self._on_news
        given: Callable[[Sequence[int]], None] | None = None
        if gives_back:
            given = lambda positions: news("given back", pack.pack_id, positions, None)  # noqa: E731
        board = Board(
            len(calls),
            lambda at, started: news("running", pack.pack_id, at, started, (_NODE, os.getpid())),
            given,
        )
        self._boards[pack.pack_id] = board
        if pack.cancel_asked_s is not None:
            stopping.stop(board)  # it was asked for while the pack waited for its thread
        execution = PackExecution(group.code, info, board, keep_objects=True, on_loop=_run_apart)
        session, desk = group.desk.session, group.desk
        capture = capture_into(desk.log_here, group.code.log_prints, passes_prints=not in_worker())
        try:
            with nullcontext() if session is None else session.entered(), capture:
                outcomes = execution.run(calls)
        finally:
            self._boards.pop(pack.pack_id, None)
        large = {position: Kept(value) for position, value in execution.values.items()}
        answer = Answer(pack, outcomes, time.perf_counter() - began, _NODE, os.getpid(), large)
        interrupted_by = execution.interrupted_by
        if isinstance(interrupted_by, stopping.CallCancelled) and interrupted_by.of is board:
            interrupted_by = None  # these calls were meant, and nothing else
        return answer, interrupted_by


class InlineLane(_LocalLane):
    """Runs each call where it is submitted, before `submit` returns."""

    name = "inline"

    def __init__(self, on_news: Callable[..., None]) -> None:
        super().__init__(on_news)
        self._answers: deque[Answer | Loss] = deque()

    def slots(self, resources: Resources) -> int:
        return 1

    def launch(self, pack: Pack) -> None:
        answer, interrupted_by = self._execute(pack, gives_back=False)
        self._answers.append(answer)
        if interrupted_by is not None:
            raise interrupted_by

    def poll(self, timeout_s: float) -> list[Answer | Loss]:
        answers: list[Answer | Loss] = []
        while self._answers:
            answers.append(self._answers.popleft())
        return answers

    @contextmanager
    def yielding(self) -> Generator[None]:
        yield

    def close(self) -> None:
        self._answers.clear()


class ThreadLane(_LocalLane):
    """Runs packs on threads of this process: right for waiting on the network, no help for computing."""

    name = "threads"

    def __init__(self, on_news: Callable[..., None], max_threads: int | None = None) -> None:
        super().__init__(on_news)
        self._max_threads = max_threads or min(32, 4 * (os.cpu_count() or 1))
        self._packs: queue.SimpleQueue[tuple[Pack, contextvars.Context] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer | Loss] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0
        self._own = threading.local()

    def slots(self, resources: Resources) -> int:
        return self._max_threads

    def launch(self, pack: Pack) -> None:
        with self._lock:
            self._busy += 1
            if self._busy > self._threads and self._threads < self._max_threads:
                self._start_thread()
        self._packs.put((pack, contextvars.copy_context()))

    def poll(self, timeout_s: float) -> list[Answer | Loss]:
        answers: list[Answer | Loss] = []
        try:
            answers.append(self._answers.get(timeout=timeout_s))
            while True:
                answers.append(self._answers.get_nowait())
        except queue.Empty:
            return answers

    @contextmanager
    def yielding(self) -> Generator[None]:
        """A thread that waits for other calls makes room for one more, so that nested waits end."""
        if not getattr(self._own, "works", False):
            yield
            return
        with self._lock:
            self._max_threads += 1
            if self._busy > self._threads:
                self._start_thread()
        try:
            yield
        finally:
            with self._lock:
                self._max_threads -= 1

    def close(self) -> None:
        with self._lock:
            for _ in range(self._threads):
                self._packs.put(None)

    def _start_thread(self) -> None:
        self._threads += 1
        name = f"heliostat-task-{self._threads}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        self._own.works = True
        while (taken := self._packs.get()) is not None:
            pack, context = taken
            try:
                answer, _ = context.run(self._execute, pack, True)
                self._answers.put(answer)
            except (
                BaseException
            ) as error:  # the author's code never gets here; do not lose the pack over a bug
                self._answers.put(Loss(pack, "lost", f"{type(error).__name__}: {error}", again=False))
            with self._lock:
                self._busy -= 1


@dataclass(frozen=True, slots=True)
class ThreadTaskRunner:
    """Tasks on threads of the flow's own process, at most `max_workers` at a time (None: four a core, up to
    32).
    """

    max_workers: int | None = None

    def lane(self, on_news: Callable[..., None]) -> Lane:
        return ThreadLane(on_news, self.max_workers)


@dataclass(frozen=True, slots=True)
class InlineTaskRunner:
    """Each task where it is submitted, before `submit` returns: for tests and debuggers."""

    def lane(self, on_news: Callable[..., None]) -> Lane:
        return InlineLane(on_news)


def _run_apart(run: Callable[[], Any]) -> Any:
    """Run an event loop of its own although this thread may have one that is running."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    done: list[Any] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: done.append(context.run(run)), name="heliostat-async-task")
    thread.start()
    thread.join()
    return done[0]
