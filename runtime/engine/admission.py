"""The gate before dispatch: a call goes through when everything that it waits for has ended well.

Calls whose upstream failed end here as NotReady; calls that a replay or the cache may answer are looked up by
the dispatcher; the rest joins the queue of its group. Everything runs under the dispatcher's lock.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from ..authoring.futures import TaskFuture
from ..foundation.errors import WaitCycle
from .calls import Columns
from .fanout import QUEUED, Fanout, fanout_of
from .nested_futures import futures_in
from .outcomes import CACHED, COMPLETED
from .pack_group import PackGroup, ReadySpan, group_of
from .resolve import carries_futures

Dependency = tuple[TaskFuture[Any], bool]  # the future, and whether its failure is allowed
_GATE = -1  # stands for "the whole fan-out" where a position is meant


class AfterTheGate(Protocol):
    """What admission asks of the dispatcher for calls that no longer wait."""

    def look_up_later(self, fanout: Fanout, start: int, stop: int) -> bool:
        """Whether the journal or the cache may answer these calls; if so, they are asked."""
        ...

    def end_not_ready(self, fanout: Fanout, start: int, stop: int, message: str) -> None:
        """End calls whose upstream failed."""
        ...

    def has_work(self, group: PackGroup) -> None:
        """Note that the group has calls to send."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    """Calls that wait as one until the fan-out's common dependencies have ended."""

    start: int
    stop: int


class Admission:
    """Tracks which calls wait for which others."""

    def __init__(self, dispatcher: AfterTheGate) -> None:
        self._dispatcher = dispatcher
        self._watchers: defaultdict[tuple[Fanout, int], list[tuple[Fanout, int]]] = defaultdict(list)
        self._behind_gate: defaultdict[Fanout, list[_Held]] = defaultdict(list)

    def enter(self, fanout: Fanout, start: int, stop: int) -> None:
        """Let new calls through that wait for nothing, and note what the others wait for."""
        if start == stop:
            return
        if fanout.pending_on.get(_GATE):
            self._behind_gate[fanout].append(_Held(start, stop))
            return
        common = self._common(fanout)
        if self._watch(fanout, _GATE, common):
            self._behind_gate[fanout].append(_Held(start, stop))
            return
        failed = _first_failure(common)
        if failed is not None:
            self._not_ready(fanout, start, stop, failed)
            return
        self._enter_singly(fanout, start, stop)

    def ended(self, fanout: Fanout, positions: Iterable[int]) -> None:
        """Let calls through that waited for these calls of `fanout`, which have ended."""
        if not fanout.watched:
            return
        for position in positions:
            for waiting, its_position in self._watchers.pop((fanout, position), ()):
                left = waiting.pending_on[its_position] - 1
                if left:
                    waiting.pending_on[its_position] = left
                    continue
                del waiting.pending_on[its_position]
                if its_position == _GATE:
                    for held in self._behind_gate.pop(waiting, []):
                        self.enter(waiting, held.start, held.stop)
                elif not waiting.is_settled(its_position):
                    self._admit_one(waiting, its_position)

    def check_for_cycle(self, fanout: Fanout, start: int, stop: int) -> None:
        """Raise WaitCycle when one of these calls, read from an iterator, waits for itself through others."""
        for position in range(start, stop):
            seen: set[tuple[Fanout, int]] = set()
            pending = [each for each, _ in self._own(fanout, position)]
            while pending:
                future = pending.pop()
                at = (fanout_of(future), future.position)
                if at == (fanout, position):
                    raise WaitCycle(
                        f"{fanout.name_of(position)} waits for itself",
                        hint="Look at wait_for and the arguments: calls must not wait for each other in a "
                        "circle.",
                    )
                if at in seen or future.done():
                    continue
                seen.add(at)
                pending.extend(each for each, _ in self._own(*at))

    def _enter_singly(self, fanout: Fanout, start: int, stop: int) -> None:
        if fanout.has_futures is None or (isinstance(fanout.calls, Columns) and fanout.calls.owned):
            fanout.has_futures = carries_futures(fanout)
        if not fanout.has_futures:
            self._admit(fanout, start, stop)
            return
        for position in range(start, stop):
            own = self._own(fanout, position)
            if not self._watch(fanout, position, own):
                self._admit_one(fanout, position, own)

    def _admit_one(self, fanout: Fanout, position: int, own: list[Dependency] | None = None) -> None:
        failed = _first_failure(own if own is not None else self._own(fanout, position))
        if failed is not None:
            self._not_ready(fanout, position, position + 1, failed)
        else:
            self._admit(fanout, position, position + 1)

    def _admit(self, fanout: Fanout, start: int, stop: int) -> None:
        """Queue calls whose upstream has ended, or ask the journal or the cache if these may answer."""
        if not self._dispatcher.look_up_later(fanout, start, stop):
            self.queue(fanout, start, stop)

    def queue(self, fanout: Fanout, start: int, stop: int) -> None:
        """Queue these calls, except those that have ended meanwhile."""
        group = group_of(fanout)
        self._dispatcher.has_work(group)
        if not any(map(fanout.is_settled, range(start, stop))):
            fanout.standing[start:stop] = bytes([QUEUED]) * (stop - start)
            group.add(ReadySpan(fanout, start, stop))
            return
        for position in range(start, stop):
            if not fanout.is_settled(position):
                fanout.standing[position] = QUEUED
                group.add(ReadySpan(fanout, position, position + 1))

    def _watch(self, fanout: Fanout, position: int, dependencies: list[Dependency]) -> bool:
        """Note what is still open among the dependencies; False when nothing is."""
        open_ones = {(fanout_of(future), future.position) for future, _ in dependencies if not future.done()}
        for upstream, its_position in open_ones:
            upstream.watched = True
            self._watchers[(upstream, its_position)].append((fanout, position))
        if open_ones:
            fanout.pending_on[position] = len(open_ones)
        return bool(open_ones)

    def _not_ready(self, fanout: Fanout, start: int, stop: int, failed: TaskFuture[Any]) -> None:
        message = failed.fanout.told_downstream(failed.position)
        self._dispatcher.end_not_ready(fanout, start, stop, message)

    def _common(self, fanout: Fanout) -> list[Dependency]:
        found = list(itertools.chain.from_iterable(map(futures_in, fanout.wait_for)))
        if isinstance(fanout.calls, Columns):
            found.extend(itertools.chain.from_iterable(map(futures_in, fanout.calls.constants())))
        return found

    def _own(self, fanout: Fanout, position: int) -> list[Dependency]:
        if fanout.is_settled(position):
            return []
        args, kwargs = fanout.calls.searchable(position)
        return list(itertools.chain.from_iterable(map(futures_in, (*args, *kwargs.values()))))


def _first_failure(dependencies: list[Dependency]) -> TaskFuture[Any] | None:
    for future, allowed in dependencies:
        if not allowed and future.fanout.status_of(future.position) not in _GOOD:
            return future
    return None


_GOOD = (COMPLETED, CACHED)
