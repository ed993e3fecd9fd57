"""The target of an action: the object that it names, or the one that the event is about."""

from __future__ import annotations

from uuid import UUID

from ...runtime.events.records import RESOURCE_ID, Event, id_in
from ...runtime.store.automation_actions import DueAction
from .outcome import ActionFailed


def target(due: DueAction, kind: str) -> UUID:
    """The id of the deployment, work-pool, work-queue or automation. Raises ActionFailed."""
    chosen = due.action.get(f"{kind.replace('-', '_')}_id")
    if due.action.get("source", "selected") == "selected" and chosen:
        return UUID(chosen)
    found = first_of_kind(due.event, kind)
    if found is None:
        raise ActionFailed(f"No {kind.replace('-', ' ')} could be inferred")
    return found


def target_run(due: DueAction) -> UUID:
    """The flow run that the firing is about. Raises ActionFailed."""
    counted_for = id_in({RESOURCE_ID: due.firing.labels.get(RESOURCE_ID, "")}, "flow-run")
    found = counted_for or first_of_kind(due.event, "flow-run")
    if found is None:
        raise ActionFailed("No flow run could be inferred")
    return found


def first_of_kind(event: Event | None, kind: str) -> UUID | None:
    """The first resource of the event that is of a kind: its own, then the related ones."""
    if event is None:
        return None
    ids = (id_in(each, kind) for each in (event.resource, *event.related))
    return next((each for each in ids if each is not None), None)
