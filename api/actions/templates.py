"""Templates in actions: texts that are written with what happened.

They see `event`, `automation`, `labels`, `firing`, `events`, and by name the objects that the event is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from ...runtime.automations.firings import event_as_json
from ...runtime.errors import NotFound
from ...runtime.events.records import RESOURCE_ID, RESOURCE_NAME, Event, Resource
from ...runtime.settings import current_settings
from ...runtime.store import deployments, flows, search, task_runs, variables, work_pools, work_queues
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.database import Database
from .. import wire, wire_deployments, wire_places
from ..answers import plain
from .outcome import ActionFailed
from .targets import first_of_kind

_OBJECTS = ("flow", "flow_run", "task_run", "deployment", "work_pool", "work_queue")
_MANY = 10_000
_STATE_LABELS = {
    "type": "prefect.state-type",
    "name": "prefect.state-name",
    "message": "prefect.state-message",
    "timestamp": "prefect.state-timestamp",
}


def is_template(value: Any) -> bool:
    """Whether a text may be one."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def fault_of(text: str) -> str | None:
    """What keeps a text from being a template; None when nothing does."""
    from jinja2 import TemplateSyntaxError

    try:
        _environment().parse(text)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    return None


class Writer:
    """Writes the templates of one action; asks the database for what they name, once."""

    def __init__(self, db: Database, due: DueAction) -> None:
        self._db, self._due = db, due
        self._known: dict[str, Any] | None = None

    async def write(self, text: str) -> str:
        """The text with everything in its place. Raises ActionFailed."""
        from jinja2 import TemplateError

        if not is_template(text):
            return text
        if self._known is None:
            self._known = await self._context()
        try:
            return _environment().from_string(text).render(**self._known)
        except TemplateError as error:
            raise ActionFailed(
                f"Template rendering failed: {error}", template_error=str(error), template_source=text[:1000]
            ) from error
        except Exception as error:  # what an expression of the template raised
            raise ActionFailed(f"Template rendering failed: {error!r}") from error

    async def write_within(self, value: Any) -> Any:
        """The same for every text inside a JSON value."""
        if isinstance(value, Mapping):
            fields = cast("Mapping[str, Any]", value)
            if fields.get("__prefect_kind") == "jinja" and isinstance(fields.get("template"), str):
                return await self.write(fields["template"])
            return {name: await self.write_within(inner) for name, inner in fields.items()}
        if isinstance(value, list):
            return [await self.write_within(inner) for inner in cast("list[Any]", value)]
        return await self.write(value) if is_template(value) else value

    async def _context(self) -> dict[str, Any]:
        firing, event = self._due.firing, self._due.event
        found: dict[str, Any] = {
            "automation": self._due.automation,
            "event": None if event is None else _shown_event(event),
            "labels": dict(firing.labels),
            "firing": {"triggered": firing.at, "triggering_labels": dict(firing.labels)},
            "events": [_shown_event(each) for each in firing.events()],
            "variables": {row.name: row.value for row in await variables.find(self._db, limit=_MANY)},
        }
        for kind in _OBJECTS:
            it = first_of_kind(event, kind.replace("_", "-"))
            found[kind] = None
            if it is not None:
                try:
                    found[kind] = await _read(self._db, kind, it)
                except NotFound:
                    continue  # it is gone: templates see nothing
        if event is not None:
            _state_as_it_was(found, event)
        return found


async def _read(db: Database, kind: str, it: UUID) -> Any:
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
    return plain(shown) | {"_kind": kind}


def _state_as_it_was(found: dict[str, Any], event: Event) -> None:
    """A run may have gone on since: the event tells the state that is meant."""
    for kind in ("flow_run", "task_run"):
        run, resource = found[kind], event.resource
        if run is None or not resource[RESOURCE_ID].endswith(str(run["id"])):
            continue
        if all(label in resource for label in _STATE_LABELS.values()):
            run["state"] = {name: resource[label] for name, label in _STATE_LABELS.items()}


def _shown_event(event: Event) -> dict[str, Any]:
    return {
        **event_as_json(event),
        "resource": _shown_resource(event.resource),
        "related": [_shown_resource(each) for each in event.related],
        "_kind": "event",
    }


def _shown_resource(resource: Resource) -> dict[str, Any]:
    """Its labels, and the two that everybody wants under short names."""
    return {**resource, "id": resource.get(RESOURCE_ID), "name": resource.get(RESOURCE_NAME)}


def _environment() -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    environment.filters["ui_url"] = _page  # pyright: ignore[reportArgumentType]
    environment.filters["ui_resource_events_url"] = _page  # pyright: ignore[reportArgumentType]
    return environment


def _page(it: Any) -> str:
    """Where a person can look at an object."""
    fields: dict[str, Any] = cast("dict[str, Any]", it) if isinstance(it, dict) else {}
    base = (current_settings().api_url or "").removesuffix("/api")
    kind, key = fields.get("_kind"), fields.get("id")
    places = {
        "flow": f"/flows/flow/{key}",
        "flow_run": f"/runs/flow-run/{key}",
        "task_run": f"/runs/task-run/{key}",
        "deployment": f"/deployments/deployment/{key}",
        "work_pool": f"/work-pools/work-pool/{fields.get('name')}",
        "event": f"/events/event/{str(fields.get('occurred'))[:10]}/{key}",
    }
    return base + places.get(str(kind), "")
