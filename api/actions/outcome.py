"""The outcome of an action, and the events that report it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...runtime.automations.chains import CHAIN
from ...runtime.events.records import RESOURCE_ID, RESOURCE_NAME, RESOURCE_ROLE, Event, Resource
from ...runtime.foundation import clock
from ...runtime.foundation.ids import uuid7
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.automation_evaluation import event_resource_of


class ActionFailed(Exception):
    """An action cannot be carried out, and trying again would not help."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.details = details


@dataclass(slots=True)
class Outcome:
    """What an action did, for its events; `related` are the resources that it touched."""

    details: dict[str, Any] = field(default_factory=dict[str, Any])
    related: list[Resource] = field(default_factory=list[Resource])

    def concerns(self, kind: str, it: object, role: str, name: str | None = None) -> None:
        """Add a resource to the related ones."""
        resource = {RESOURCE_ID: f"prefect.{kind}.{it}", RESOURCE_ROLE: role}
        self.related.append(resource if name is None else resource | {RESOURCE_NAME: name})


def cause_of(due: DueAction) -> dict[str, Any]:
    """The fields by which events that an action causes name the automations that led to it."""
    return {} if due.chain is None else {CHAIN: due.chain.as_json()}


def events_of(due: DueAction, outcome: Outcome, failure: ActionFailed | None) -> list[Event]:
    """`prefect.automation.action.triggered`, then `executed` or `failed`."""
    trigger = due.automation["trigger"]
    resource = {
        RESOURCE_ID: f"prefect.automation.{due.automation['id']}",
        RESOURCE_NAME: due.automation["name"],
        "prefect.trigger-type": trigger["type"],
    }
    if trigger["type"] == "event":
        resource["prefect.posture"] = trigger["posture"]
    related = [*outcome.related, event_resource_of(due.triggered_event_id, "automation-triggered-event")]
    if due.event is not None:
        related.append(event_resource_of(due.event.id, "triggering-event"))
    payload = {
        "action_index": due.place,
        "action_type": due.action["type"],
        "invocation": str(due.id),
        **cause_of(due),
    }
    now = clock.now()
    begun = Event(
        due.id,
        now,
        "prefect.automation.action.triggered",
        resource,
        related,
        payload,
        due.event.id if due.event else None,
        now,
    )
    name = "executed" if failure is None else "failed"
    told = payload | outcome.details
    if failure is not None:
        told |= {"reason": str(failure), **failure.details}
    ended = Event(uuid7(), now, f"prefect.automation.action.{name}", resource, related, told, begun.id, now)
    return [begun, ended]
