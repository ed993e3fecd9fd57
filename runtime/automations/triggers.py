"""Triggers in the form that is evaluated: an automation's tree as a flat dict by path.

The path of a trigger is its place in the tree: `""` for the root, `"0"` for a child, `"0.1"` below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from ..events.filters import Specification
from ..events.matching import has_labels, value_fits
from ..events.records import RESOURCE_ID, RESOURCE_ROLE, Event

_AUTOMATION = "prefect.automation"  # prefix of the names of events about automations, and of their resources

Key = tuple[str, ...]
"""The values of the labels in `for_each`: each combination is counted separately."""


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Fires when `threshold` events came within a time, or (proactive) when fewer came."""

    path: str
    parent: str | None
    is_proactive: bool
    threshold: int
    within: timedelta
    expect: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    for_each: tuple[str, ...] = ()
    match: Specification = field(default_factory=dict[str, "str | list[str]"])
    match_related: tuple[Specification, ...] = ()
    names_automations: bool = False

    def covers_name(self, name: str) -> bool:
        """Whether events of this name may concern the trigger at all."""
        return self.expects(name) or self.starts_after(name)

    def covers(self, event: Event) -> bool:
        """Whether the event concerns the trigger. An event about an automation does only when the trigger
        names automations: otherwise a thousand automations that expect every event would fire on each other's
        firings, a million times for each event.
        """
        if not self.covers_name(event.event):
            return False
        if not self.names_automations and tells_of_automations(event.event):
            return False
        if self.match and not has_labels(event.resource, self.match):
            return False
        return all(any(has_labels(each, wanted) for each in event.related) for wanted in self.match_related)

    def expects(self, name: str) -> bool:
        """Whether the trigger counts events of this name; without `expect` it counts all."""
        return not self.expect or any(value_fits(name, each) for each in self.expect)

    def starts_after(self, name: str) -> bool:
        """Whether the trigger starts counting after an event of this name."""
        return any(value_fits(name, each) for each in self.after)

    def key_of(self, event: Event) -> Key:
        """The key under which the event is counted."""
        return tuple(label_of(event, label) for label in self.for_each)

    def is_met(self, count: int) -> bool:
        """Whether this number of events is a reason to fire."""
        return count < self.threshold if self.is_proactive else count >= self.threshold

    @property
    def is_immediate(self) -> bool:
        """Whether the trigger fires on each event, without a time window."""
        return not self.is_proactive and not self.within


@dataclass(frozen=True, slots=True)
class CompositeTrigger:
    """Fires when enough of its children fired; `in_order`: all of them, in their order."""

    path: str
    parent: str | None
    children: tuple[str, ...]
    required: int
    in_order: bool
    within: timedelta | None


Trigger = EventTrigger | CompositeTrigger


def read_triggers(document: Mapping[str, Any]) -> dict[str, Trigger]:
    """The triggers of an automation's JSON by their paths; the root is under `""`."""
    found: dict[str, Trigger] = {}
    _read(document, "", None, found)
    return found


def tells_of_automations(name: str) -> bool:
    """Whether events of this name are about an automation."""
    return name.startswith(_AUTOMATION)


def label_of(event: Event, label: str) -> str:
    """A label of the event's resource, or of a related resource when `label` begins with `related:ROLE:`."""
    if label.startswith("related:"):
        _, role, name = [*label.split(":", 2), "", ""][:3]
        found = (each for each in event.related if each.get(RESOURCE_ROLE) == role and name in each)
        return next((each[name] for each in found), "")
    return event.resource.get(label, "")


def _read(document: Mapping[str, Any], path: str, parent: str | None, found: dict[str, Trigger]) -> None:
    if document["type"] == "event":
        found[path] = _event_trigger(document, path, parent)
        return
    inner = cast("list[dict[str, Any]]", document["triggers"])
    children = tuple(f"{path}.{place}" if path else str(place) for place in range(len(inner)))
    in_order = document["type"] == "sequence"
    require: Any = "all" if in_order else document["require"]
    words = {"any": 1, "all": len(inner)}
    required = words[require] if require in words else int(require)
    found[path] = CompositeTrigger(path, parent, children, required, in_order, _span(document.get("within")))
    for child, trigger in zip(children, inner, strict=True):
        _read(trigger, child, path, found)


def _event_trigger(document: Mapping[str, Any], path: str, parent: str | None) -> EventTrigger:
    related: Any = document.get("match_related") or []
    every = cast("list[Specification]", related if isinstance(related, list) else [related])
    matches = [match for match in (document.get("match") or {}, *every) if match]
    named = [*(document.get("expect") or ()), *(document.get("after") or ()), *_ids_in(matches)]
    return EventTrigger(
        path=path,
        parent=parent,
        is_proactive=document["posture"] == "Proactive",
        threshold=int(document["threshold"]),
        within=_span(document["within"]) or timedelta(0),
        expect=frozenset(document.get("expect") or ()),
        after=frozenset(document.get("after") or ()),
        for_each=tuple(sorted(document.get("for_each") or ())),
        match=document.get("match") or {},
        match_related=tuple(each for each in every if each),
        names_automations=any(each.startswith(_AUTOMATION) for each in named),
    )


def _ids_in(matches: list[Specification]) -> list[str]:
    """The resource ids in specifications, which may be patterns."""
    found: list[str] = []
    for match in matches:
        ids = match.get(RESOURCE_ID) or []
        found += [ids] if isinstance(ids, str) else ids
    return found


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
