"""Waiting here and now for the slots of one call: direct calls, and those of the inline runner."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING
from uuid import UUID

from ..foundation import ids
from ..foundation.errors import NoSlotEver
from ..store.slot_rows import CLOSED, GRANTED, STUCK, WAITS, SlotAnswer, SlotWant
from . import call_records
from .relay import RelayRunJournal
from .slot_desk import SlotDesk, Slots
from .slot_relay import RelayedSlots

if TYPE_CHECKING:
    from .fanout import Fanout
    from .run_desk import RunDesk

_AWAKE_EVERY_S = 0.2  # a thread that waits can be interrupted only when it is awake


def slots_of(desk: RunDesk) -> Slots:
    """The source of slots for the calls of a run in this process."""
    journal = desk.journal
    return RelayedSlots.through(journal.line) if isinstance(journal, RelayRunJournal) else SlotDesk.here()


def are_limited_now(slots: Slots, tags: tuple[str, ...]) -> bool:
    """Whether calls with these tags need slots; asks for it, and waits, when it is not known."""
    while (limited := slots.are_limited(tags)) is None:
        known = threading.Event()
        slots.when_known(known.set)
        while not known.wait(_AWAKE_EVERY_S):
            pass
    return limited


def want_of(fanout: Fanout, position: int) -> SlotWant:
    """The question for slots of one call."""
    site = fanout.site
    return SlotWant(
        ids.uuid7(),
        list(fanout.kind.tags),
        site.flow_run_id,
        fanout.task_run_id(position),
        [*fanout.kind.flow_run.inside, *ids.calls_around(site.flow_run_id, site.scope)],
    )


def wait_for_slots(slots: Slots, fanout: Fanout, position: int) -> UUID | None:
    """Block until the call has its slots; returns the id to give back, None when nothing is limited.

    Raises NoSlotEver. The thread can be interrupted meanwhile: the call keeps no place in the queue then.
    """
    want = want_of(fanout, position)
    answers: list[SlotAnswer] = []
    told = threading.Event()

    def take(answer: SlotAnswer) -> None:
        if answer.verdict == WAITS:
            call_records.waits_for_slot(fanout, position, answer)
            return
        answers.append(answer)
        told.set()

    try:
        slots.ask(want, take)
        while not told.wait(_AWAKE_EVERY_S):
            pass
        return granted(answers[0])
    except NoSlotEver:
        raise
    except BaseException:
        slots.give_back(want.id)
        raise


async def slots_awaited(slots: Slots, fanout: Fanout, position: int) -> UUID | None:
    """Wait for the slots of a call on an event loop; gives the id of what it holds."""
    want = want_of(fanout, position)
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[SlotAnswer] = loop.create_future()

    def take(answer: SlotAnswer) -> None:
        if answer.verdict == WAITS:
            call_records.waits_for_slot(fanout, position, answer)
            return
        loop.call_soon_threadsafe(lambda: answered.done() or answered.set_result(answer))

    try:
        slots.ask(want, take)
        return granted(await answered)
    except NoSlotEver:
        raise
    except BaseException:
        slots.give_back(want.id)
        raise


class CallSlots:
    """The slots of one direct call: taken for each of its attempts."""

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._slots = slots_of(fanout.kind.desk)
        self._held: UUID | None = None

    def are_limited(self) -> bool:
        """Whether the call needs any. Blocks while that is asked."""
        return are_limited_now(self._slots, self._fanout.kind.tags)

    async def are_limited_async(self) -> bool:
        limited = self._slots.are_limited(self._fanout.kind.tags)
        return await asyncio.to_thread(self.are_limited) if limited is None else limited

    def take(self) -> None:
        """Block until the call has its slots. Raises NoSlotEver."""
        self._held = wait_for_slots(self._slots, self._fanout, 0)

    async def take_async(self) -> None:
        self._held = await slots_awaited(self._slots, self._fanout, 0)

    def give_back(self) -> None:
        """Give the slots back; harmless when none are held."""
        held, self._held = self._held, None
        if held is not None:
            self._slots.give_back(held)


def flush_slots() -> None:
    """Return when everything that this process gave back is free for others."""
    desk = SlotDesk.existing()
    if desk is not None:
        desk.flush()


def granted(answer: SlotAnswer) -> UUID | None:
    """The id to give back later; None when nothing is limited. Raises NoSlotEver."""
    if answer.verdict == CLOSED:
        raise NoSlotEver(
            f"the concurrency limit on tag {answer.tag!r} is 0: none of its tasks may start",
            hint=f"raise the limit of {answer.tag!r}, or delete it",
        )
    if answer.verdict == STUCK:
        raise NoSlotEver(
            f"this call needs a slot of tag {answer.tag!r}, whose limit is {answer.limit}; the calls that "
            "it is made inside hold all of them: it would wait for ever",
            hint="give the inner task another tag, or make the call from the flow",
        )
    return answer.id if answer.verdict == GRANTED else None
