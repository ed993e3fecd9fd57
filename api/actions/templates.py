"""Templates in actions: texts that are filled in with what happened.

Templates see `event`, `automation`, `labels`, `firing`, `firings`, `events`, `variables`, and the object that
the event is about, under the name of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson

from ...runtime.automations.firings import Firing, event_as_json
from ...runtime.events.records import RESOURCE_ID, Event
from ...runtime.foundation import bounded_calls
from ...runtime.foundation.errors import CallFailed, NotFound
from ...runtime.foundation.settings import current_settings
from ...runtime.store import deployments, flows, search, task_runs, variables, work_pools, work_queues
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.database.database import Database
from .. import wire, wire_deployments, wire_places
from ..errors import with_hint
from ..page_addresses import base_of
from .outcome import ActionFailed
from .targets import first_of_kind

_OBJECTS = ("flow", "flow_run", "task_run", "deployment", "work_pool", "work_queue")
_MANY = 10_000
LONGEST = 100_000
"""Most characters of a template; a longer one would take too long to parse."""
_STATE_LABELS = {
    "type": "prefect.state-type",
    "name": "prefect.state-name",
    "message": "prefect.state-message",
    "timestamp": "prefect.state-timestamp",
}


def fault_of(text: str) -> str | None:
    """Why a text is not a valid template; None when it is one."""
    from jinja2 import TemplateSyntaxError

    from .filling import syntax_checked

    if len(text) > LONGEST:
        return f"it is longer than {LONGEST:,} characters"
    try:
        syntax_checked(text)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    return None


class Writer:
    """Fills in the templates of one action; asks the database once for the objects that they name."""

    def __init__(self, db: Database, due: DueAction) -> None:
        self._db, self._due = db, due
        self._known: dict[str, Any] | None = None

    async def write(self, text: str) -> str:
        """The text filled in. Raises ActionFailed."""
        from .filling import is_template, text_of

        return await self._filled(text_of, text) if is_template(text) else text

    async def write_within(self, value: Any) -> Any:
        """A JSON value with every text inside it filled in. Raises ActionFailed."""
        from .filling import filled_within, holds_template

        return await self._filled(filled_within, value) if holds_template(value) else value

    async def _filled(self, fill: Callable[..., Any], given: Any) -> Any:
        if self._known is None:
            self._known = await self._context()
        settings = current_settings()
        pages = base_of(
            settings.api_url or "", settings.server_path_prefix, beside_stock=settings.stock_ui is not None
        )
        try:
            return await bounded_calls.call(fill, given, self._known, pages)
        except CallFailed as error:
            source = given if isinstance(given, str) else orjson.dumps(given).decode()
            raise ActionFailed(
                f"Template rendering failed: {with_hint(error)}",
                template_error=str(error),
                template_source=source[:1000],
            ) from error

    async def _context(self) -> dict[str, Any]:
        from .filling import Labels, Moment

        firing, event = self._due.firing, self._due.event
        found: dict[str, Any] = {
            "automation": self._due.automation,
            "labels": Labels(firing.labels),
            "firing": _shown_firing(firing),
            "firings": [_shown_firing(each) for each in reversed(firing.every())],
            "events": [_shown_event(each) for each in firing.events()],
            "variables": {row.name: row.value for row in await variables.find(self._db, limit=_MANY)},
        }
        if event is not None:
            found["event"] = _shown_event(event)
        for kind in _OBJECTS:
            it = first_of_kind(event, kind.replace("_", "-"))
            if it is not None:
                with suppress(NotFound):  # the object is gone: templates see nothing of it
                    found[kind] = await _read(self._db, kind, it)
        if event is not None:
            _state_as_it_was(found, event, Moment.told)
        return found


async def _read(db: Database, kind: str, it: UUID) -> Any:
    from .filling import seen

    if kind == "flow":
        shown = wire.flow(await flows.read(db, it))
    elif kind == "flow_run":
        shown = wire.flow_run_response(*await search.one_flow_run(db, it))
    elif kind == "task_run":
        row = await task_runs.read(db, it)
        shown = wire.task_run(row, task_runs.states_of(row))
    elif kind == "deployment":
        shown = wire_deployments.deployment(await deployments.read(db, it))
    elif kind == "work_pool":
        shown = wire_places.work_pool(await work_pools.read_by_id(db, it))
    else:
        shown = wire_places.work_queue(await work_queues.read_by_id(db, it))
    return seen(shown) | {"_kind": kind}


def _state_as_it_was(found: dict[str, Any], event: Event, told: Callable[[str], Any]) -> None:
    """Show the state that the event tells: the run may have moved on since."""
    for kind in ("flow_run", "task_run"):
        run, resource = found.get(kind), event.resource
        if run is None or not resource[RESOURCE_ID].endswith(str(run["id"])):
            continue
        if all(label in resource for label in _STATE_LABELS.values()):
            state = {name: resource[label] for name, label in _STATE_LABELS.items()}
            run["state"] = state | {"timestamp": told(state["timestamp"])}


def _shown_event(event: Event) -> dict[str, Any]:
    from .filling import Moment, Thing

    return {
        **event_as_json(event),
        "occurred": Moment.of(event.occurred),
        "received": None if event.received is None else Moment.of(event.received),
        "resource": Thing(event.resource),
        "related": [Thing(each) for each in event.related],
        "_kind": "event",
    }


def _shown_firing(firing: Firing) -> dict[str, Any]:
    from .filling import Labels, Moment

    event = None if firing.event is None else _shown_event(firing.event)
    return {
        "id": str(firing.id),
        "triggered": Moment.of(firing.at),
        "triggering_labels": Labels(firing.labels),
        "triggering_event": event,
    }
