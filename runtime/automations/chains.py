"""Which automations led to an event. What they cause carries this chain, so that none triggers itself for
ever.

A chain begins with its root, an event that no automation caused. The chain is recorded in the payload of
events about an automation, in the labels of runs that one started or changed, and with waiting actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..events.records import Event

CHAIN = "heliostat.chain"
"""The name of a chain in a payload, and the prefix of the labels of runs."""

ROOT = "heliostat.chain-root"
"""A label of `prefect.automation.triggered`: the root of its chain."""

TRIGGERED = "prefect.automation.triggered"
PAUSED = "prefect.automation.paused"


@dataclass(frozen=True, slots=True)
class Chain:
    """`automations` are ids, the first one first. `is_own`: the last of them caused this event itself, and
    not something that led to it later.
    """

    root: str
    automations: tuple[str, ...]
    is_own: bool = True

    def admits(self, automation_id: object, most: int) -> bool:
        """Whether the automation may fire on an event that this chain led to."""
        if self.is_own and self.automations[-1] == str(automation_id):
            return False
        return len(self.automations) < most

    def as_json(self) -> dict[str, Any]:
        """The chain as it is written in a payload; `depth` is for people."""
        return {"root": self.root, "automations": list(self.automations), "depth": len(self.automations)}

    def as_labels(self, set_state: object | None = None) -> dict[str, Any]:
        """The chain as labels of a run; `set_state` is the state that the last automation gave to a run it
        did not start.
        """
        found: dict[str, Any] = {CHAIN: " ".join(self.automations), f"{CHAIN}.root": self.root}
        return found | {f"{CHAIN}.set-state": "" if set_state is None else str(set_state)}


def led_on(before: Chain | None, automation_id: object, root: object) -> Chain:
    """The chain of an automation's actions; `root` is its first event when no chain led to it."""
    if before is None:
        return Chain(str(root), (str(automation_id),))
    return Chain(before.root, (*before.automations, str(automation_id)))


def chain_in(document: Any) -> Chain | None:
    """The chain in a payload, or in the automation facts that an action has."""
    if not isinstance(document, Mapping):
        return None
    found: Any = cast("Mapping[str, Any]", document).get(CHAIN)
    try:
        automations = tuple(str(each) for each in found["automations"])
        return Chain(str(found["root"]), automations) if automations else None
    except (TypeError, KeyError):  # an event of another program
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
