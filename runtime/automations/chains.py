"""Which automations led to an event. It is kept with what they cause, so that none feeds itself for ever.

A chain begins with an event that no automation caused, its root. It is recorded in the payload of the events
that tell of an automation, in the labels of runs that one started or moved, and with the actions that wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..events.records import Event

CHAIN = "heliostat.chain"
"""Under this name a chain is in a payload; labels of runs begin with it."""

ROOT = "heliostat.chain-root"
"""A label of `prefect.automation.triggered`: the root of its chain."""

TRIGGERED = "prefect.automation.triggered"
PAUSED = "prefect.automation.paused"


@dataclass(frozen=True, slots=True)
class Chain:
    """`automations` by their ids, the first one first. `is_own`: the last of them caused just this, and not
    something that followed after others had done their part.
    """

    root: str
    automations: tuple[str, ...]
    is_own: bool = True

    def admits(self, automation_id: object, most: int) -> bool:
        """Whether the automation may fire on what this chain led to."""
        if self.is_own and self.automations[-1] == str(automation_id):
            return False
        return len(self.automations) < most

    def as_json(self) -> dict[str, Any]:
        """As it is in a payload; `depth` is for people."""
        return {"root": self.root, "automations": list(self.automations), "depth": len(self.automations)}

    def as_labels(self, set_state: object | None = None) -> dict[str, Any]:
        """As it is with a run; `set_state` is the state that the last automation gave to a run of others."""
        found: dict[str, Any] = {CHAIN: " ".join(self.automations), f"{CHAIN}.root": self.root}
        return found | {f"{CHAIN}.set-state": "" if set_state is None else str(set_state)}


def led_on(before: Chain | None, automation_id: object, root: object) -> Chain:
    """The chain of what an automation does; `root` is where it begins when none led to it."""
    if before is None:
        return Chain(str(root), (str(automation_id),))
    return Chain(before.root, (*before.automations, str(automation_id)))


def chain_in(document: Any) -> Chain | None:
    """The chain in a payload, or in what an action knows of its automation."""
    if not isinstance(document, Mapping):
        return None
    found: Any = cast("Mapping[str, Any]", document).get(CHAIN)
    try:
        automations = tuple(str(each) for each in found["automations"])
        return Chain(str(found["root"]), automations) if automations else None
    except (TypeError, KeyError):  # somebody else's event
        return None


def chain_of_labels(labels: Any, event: Event) -> Chain | None:
    """The chain of an event of a run with these labels."""
    if not isinstance(labels, Mapping):
        return None
    known = cast("Mapping[str, Any]", labels)
    automations = tuple(str(known.get(CHAIN) or "").split())
    if not automations:
        return None
    set_state = str(known.get(f"{CHAIN}.set-state") or "")
    return Chain(str(known.get(f"{CHAIN}.root") or ""), automations, set_state in ("", str(event.id)))
