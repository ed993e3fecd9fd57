"""What a page can follow in its stream of changes, and in which words it hears of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from ...runtime.events.records import RESOURCE_NAME, Event
from ...runtime.foundation.ids import in_json
from ...runtime.store.database.rows import LogRow

FLOW_RUNS, FLOW_RUN, TASK_RUNS, LOGS = "flow_runs", "flow_run", "task_runs", "logs"
EVENTS, SETUP = "events", "setup"

MOST_LINES = 1_000  # of a run's log in one message
_LONGEST_LINE = 20_000
_MOST_CHARACTERS = 1_000_000
_MOST_EVENTS = 500

_ALONE = frozenset({FLOW_RUNS, EVENTS, SETUP})
_OF_A_RUN = frozenset({FLOW_RUN, TASK_RUNS, LOGS})
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS

KINDS = {
    "artifact-collection": "artifacts",
    "automation": "automations",
    "block-document": "block_documents",
    "concurrency-limit": "concurrency_limits",
    "deployment": "deployments",
    "flow": "flows",
    "variable": "variables",
    "work-pool": "work_pools",
    "work-queue": "work_queues",
}
"""The kinds of objects in the names of their events, and in messages about the setup."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing to follow: `flow_runs`, or `logs:<id of a flow run>`."""

    kind: str
    run: UUID | None = None

    def __str__(self) -> str:
        return self.kind if self.run is None else f"{self.kind}:{self.run}"


def topic_of(text: str) -> Topic:
    """Read a topic. Raises ValueError."""
    kind, colon, run = text.partition(":")
    if not colon and kind in _ALONE:
        return Topic(kind)
    if kind in _OF_A_RUN:
        try:
            return Topic(kind, UUID(run))
        except ValueError:
            raise ValueError(f"{text[:100]!r} is no topic: {kind}:<id of a flow run>") from None
    known = ", ".join([*sorted(_ALONE), *(f"{each}:<flow run id>" for each in sorted(_OF_A_RUN))])
    raise ValueError(f"{text[:100]!r} is no topic; there are: {known}")


def message(topic: Topic | str, data: dict[str, Any]) -> bytes:
    """One message; its event is the topic."""
    body = orjson.dumps(data, option=_OPTIONS, default=in_json)
    return b"event: %b\ndata: %b\n\n" % (str(topic).encode(), body)


def position(text: str) -> bytes:
    """What tells the client how far it has heard, without a message."""
    return b"id: %b\n\n" % text.encode()


def lines_message(topic: Topic, rows: Sequence[LogRow], skipped: bool = False) -> bytes:
    """New lines of a log. When there are too many, `skipped` says that lines before these are left out."""
    chosen: list[dict[str, Any]] = []
    characters = 0
    for row in reversed(rows):
        text = row.message[:_LONGEST_LINE]
        characters += len(text)
        if len(chosen) == MOST_LINES or (chosen and characters > _MOST_CHARACTERS):
            skipped = True
            break
        line = {
            "id": row.id,
            "task_run_id": row.task_run_id,
            "timestamp": row.timestamp,
            "level": row.level,
            "name": row.name,
            "message": text,
        }
        chosen.append(line | {"cut": True} if len(text) < len(row.message) else line)
    return message(topic, {"lines": chosen[::-1], "skipped": skipped})


def events_message(topic: Topic, events: Sequence[Event]) -> bytes:
    """New events in short; the newest of them when there are too many."""
    rows = [
        {
            "id": each.id,
            "event": each.event,
            "occurred": each.occurred,
            "resource_id": each.resource_id,
            "resource_name": each.resource.get(RESOURCE_NAME),
        }
        for each in events[-_MOST_EVENTS:]
    ]
    return message(topic, {"events": rows, "skipped": len(events) > _MOST_EVENTS})


def kind_of(event: Event) -> tuple[str, UUID | None] | None:
    """The kind and id of the object that an event of the setup is about; None for other events."""
    parts = event.resource_id.split(".", 2)
    if len(parts) < 3 or parts[0] != "prefect" or parts[1] not in KINDS:
        return None
    try:
        return KINDS[parts[1]], UUID(parts[2])
    except ValueError:
        return KINDS[parts[1]], None  # artifacts are known by key


def setup_message(topic: Topic, kinds: Iterable[str], ids: dict[str, set[UUID]]) -> bytes:
    """Which kinds of objects changed; with their ids where they are known, and an empty list elsewhere."""
    return message(topic, {"changed": {kind: sorted(ids.get(kind, ())) for kind in sorted(kinds)}})
