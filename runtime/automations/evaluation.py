"""Evaluates the triggers of one automation over events and time. Pure: callers load and store the counts.

A trigger counts in windows, one open at a time for each key. A reactive trigger fires as soon as its window
holds enough events, and is then quiet until the window's end. A proactive trigger must wait for the window's
end: only then is it certain that something did not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..events.records import Event
from .firings import Firing
from .triggers import CompositeTrigger, EventTrigger, Key, Trigger

LOOK_BACK = timedelta(minutes=15)
"""A first window accepts events that are this much older than the one that opened it: they may arrive
late.
"""

Place = tuple[str, Key]
"""The path of a trigger and the key of one of its windows."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one trigger has counted for one key since `start`, by the times of events, not of their
    arrival.
    """

    start: datetime
    end: datetime
    count: int = 0
    last: Event | None = None


class Evaluation:
    """The evaluation of one automation: give it events in order, then the time. `fired` has the root's
    firings.

    `windows` holds the open windows, `parts` the firings of children that their composite trigger has not
    used yet; `touched` and `touched_parts` name those that must be stored again.
    """

    def __init__(
        self,
        triggers: Mapping[str, Trigger],
        windows: dict[Place, Window],
        parts: dict[str, dict[str, Firing]],
    ) -> None:
        self._triggers = triggers
        self.windows = windows
        self.parts = parts
        self.touched: set[Place] = set()
        self.touched_parts: set[str] = set()
        self.fired: list[Firing] = []

    def see(self, event: Event) -> None:
        """Count an event."""
        for trigger in event_triggers(self._triggers):
            if trigger.covers(event):
                self._count(trigger, event)

    def look(self, now: datetime) -> None:
        """Close the windows that have ended; call it after all events until `now` were seen."""
        for trigger in event_triggers(self._triggers):
            if trigger.is_proactive and not trigger.after and not trigger.for_each:
                if (trigger.path, ()) not in self.windows:  # such a trigger counts from the beginning
                    self._set((trigger.path, ()), Window(now, now + trigger.within))
        for place, window in list(self.windows.items()):
            trigger = self._triggers.get(place[0])
            if isinstance(trigger, EventTrigger) and window.end <= now:
                if trigger.is_proactive:
                    self._judge(trigger, place, window, now, None)
                elif trigger.after and not trigger.is_immediate:
                    self._set(place, None)

    def _count(self, trigger: EventTrigger, event: Event) -> None:
        place, at = (trigger.path, trigger.key_of(event)), event.occurred
        window = self.windows.get(place)
        if window is not None and trigger.is_proactive and window.end <= at:
            self._judge(trigger, place, window, at, None)
            window = self.windows.get(place)
        expected, starts = trigger.expects(event.event), trigger.starts_after(event.event)
        if starts and (window is None or (window.end <= at and not trigger.is_immediate)):
            # The event that opens a window does not count as one of the events after it.
            window = Window(at, at + trigger.within, -1 if expected else 0, event)
            self._set(place, window)
        elif window is None and not trigger.after:
            window = Window(at - LOOK_BACK, at + trigger.within, 0, event)
            self._set(place, window)
        if expected and window is not None:
            self._judge(trigger, place, window, at, event)

    def _judge(
        self, trigger: EventTrigger, place: Place, window: Window, now: datetime, event: Event | None
    ) -> None:
        """Count an event, if one is given; then fire, wait, or go on to the next window."""
        if now < window.start:
            return  # the event happened before this window began
        unspent = event is not None
        if event is not None and (trigger.is_immediate or now < window.end):
            window = replace(window, count=window.count + 1, last=event)
            self._set(place, window)
            unspent = False
        is_met = trigger.is_met(window.count)
        fires = is_met and (not trigger.is_proactive or window.end <= now)
        if fires:
            labels = dict(zip(trigger.for_each, place[1], strict=True))
            at = event.occurred if event is not None else window.end
            self._fire(trigger, Firing(trigger.path, at, labels, event or window.last))
            self._set(place, None)
        elif now < window.end or trigger.is_immediate:
            opens = event is not None and trigger.starts_after(event.event)
            if event is not None and opens and trigger.is_proactive and not is_met:
                self._set(place, Window(now, now + trigger.within, 0, event))  # start counting again
            return
        if trigger.after or not trigger.within:
            self._set(place, None)
            return
        start = max(window.end, now)
        window = Window(start, start + trigger.within, int(unspent and trigger.is_proactive))
        self._set(place, window)
        if unspent and not trigger.is_proactive:
            self._judge(trigger, place, window, now, event)

    def _fire(self, trigger: Trigger, firing: Firing) -> None:
        if trigger.parent is None:
            self.fired.append(firing)
            return
        parent = self._triggers[trigger.parent]
        assert isinstance(parent, CompositeTrigger)
        if parent.required == 1:
            self._fire(parent, _composed(parent, [firing]))
            return
        parts = {**self.parts.get(parent.path, {}), firing.path: firing}
        if parent.within is not None:
            since = firing.at - parent.within
            parts = {path: part for path, part in parts.items() if part.at >= since}
        in_order = sorted(parts.values(), key=lambda part: part.at)
        is_ready = len(parts) >= parent.required
        if parent.in_order:
            is_ready = tuple(part.path for part in in_order) == parent.children
        self.parts[parent.path] = {} if is_ready else parts
        self.touched_parts.add(parent.path)
        if is_ready:
            self._fire(parent, _composed(parent, in_order))

    def _set(self, place: Place, window: Window | None) -> None:
        if window is None:
            self.windows.pop(place, None)
        else:
            self.windows[place] = window
        self.touched.add(place)


def event_triggers(triggers: Mapping[str, Trigger]) -> list[EventTrigger]:
    """The triggers that count events."""
    return [each for each in triggers.values() if isinstance(each, EventTrigger)]


def _composed(trigger: CompositeTrigger, parts: list[Firing]) -> Firing:
    last = max(parts, key=lambda part: part.at)
    event = next((part.event for part in reversed(parts) if part.event is not None), None)
    return Firing(trigger.path, last.at, last.labels, event, tuple(parts))
