"""Calls that may ride together: one task with one set of options in one run, and the packs made of them."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ..foundation import clock
from .call_kind import CallKind
from .code import ShippedCode
from .fanout import Fanout
from .packing import Estimate

_pack_numbers = itertools.count()
_PROCESS_MARK = os.urandom(6).hex()


@dataclass(slots=True)
class ReadySpan:
    """Consecutive calls that can be sent; `alone` keeps a suspect of a crash from company."""

    fanout: Fanout
    start: int
    stop: int
    alone: bool = False

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(slots=True, eq=False)
class PackGroup(CallKind):
    """A kind of call that is submitted: what is measured of it and what waits to be sent."""

    estimate: Estimate = field(default_factory=Estimate)
    ready: deque[ReadySpan] = field(default_factory=deque[ReadySpan])
    waiting: int = 0
    in_flight: int = 0
    is_long: bool = False  # a call was reported running
    slots: tuple[float, int] = (0.0, 1)  # until when (monotonic) it is known how many can run at a time
    shipped: ShippedCode | None = None
    is_unmet: bool = False  # no node of the cluster had what its calls ask for
    carriers: dict[Any, Any] = field(default_factory=dict[Any, Any])  # the lane's own

    def __post_init__(self) -> None:
        self.estimate.overlaps = self.code.is_async

    @property
    def wanted_size(self) -> int | None:
        if self.pack is True:
            return None
        return 1 if self.pack is False else int(self.pack)

    def add(self, span: ReadySpan, first: bool = False) -> None:
        """Queue calls for sending."""
        self.waiting += len(span)
        if first:
            self.ready.appendleft(span)
            return
        last = self.ready[-1] if self.ready else None
        if last and last.fanout is span.fanout and last.stop == span.start and not (last.alone or span.alone):
            last.stop = span.stop
        else:
            self.ready.append(span)

    def take_of(self, fanout: Fanout, count: int) -> list[ReadySpan]:
        """Remove up to `count` calls of one fan-out, from the first of them that are ready."""
        span = next((span for span in self.ready if span.fanout is fanout), None)
        if span is None:
            return []
        self.ready.remove(span)
        self.ready.appendleft(span)
        return self.take(min(count, len(span)))

    def take(self, count: int) -> list[ReadySpan]:
        """Remove up to `count` calls from the queue, in order and of one call site; a suspect comes alone."""
        taken: list[ReadySpan] = []
        while count > 0 and self.ready:
            head = self.ready[0]
            if taken and (head.alone or head.fanout.site.base != taken[0].fanout.site.base):
                break
            if head.alone or len(head) <= count:
                taken.append(self.ready.popleft())
                count -= len(head)
            else:
                taken.append(ReadySpan(head.fanout, head.start, head.start + count))
                head.start += count
                count = 0
            self.waiting -= len(taken[-1])
            if head.alone:
                break
        return taken


def group_of(fanout: Fanout) -> PackGroup:
    """What the calls of a fan-out that was submitted are sent from."""
    assert isinstance(fanout.kind, PackGroup), "a direct call is not sent"
    return fanout.kind


@dataclass(slots=True)
class PackNews:
    """What was heard of a pack while it is under way, by the position of its calls."""

    running: dict[int, float] = field(default_factory=dict[int, float])  # reported: when they started
    heard_of_s: dict[int, float] = field(default_factory=dict[int, float])  # when that came (monotonic)
    given_back: set[int] = field(default_factory=set[int])
    timed_out: set[int] = field(default_factory=set[int])


_NO_NEWS = PackNews()


@dataclass(slots=True, eq=False)
class Pack:
    """Calls that travel in one remote call."""

    group: PackGroup
    spans: list[ReadySpan]
    pack_id: str = field(default_factory=lambda: f"{_PROCESS_MARK}-{next(_pack_numbers)}")
    launched_at_s: float = field(default_factory=clock.epoch_s)
    told: PackNews | None = None  # few packs are heard of before they are done
    cancel_asked_s: float | None = None
    one_by_one: bool = False  # its calls must go alone to find out which of them is at fault
    handle: Any = None  # the lane's own
    slot: UUID | None = None  # what its call holds of the limits on its tags

    @property
    def news(self) -> PackNews:
        """To read what was heard."""
        return self.told or _NO_NEWS

    def hear(self) -> PackNews:
        """To add to it."""
        if self.told is None:
            self.told = PackNews()
        return self.told

    def __len__(self) -> int:
        return sum(map(len, self.spans))

    def members(self) -> Iterator[tuple[Fanout, int]]:
        """The calls in the order in which they are executed."""
        for span in self.spans:
            for position in range(span.start, span.stop):
                yield span.fanout, position

    def member(self, position_in_pack: int) -> tuple[Fanout, int]:
        for span in self.spans:
            if position_in_pack < len(span):
                return span.fanout, span.start + position_in_pack
            position_in_pack -= len(span)
        raise IndexError(position_in_pack)
