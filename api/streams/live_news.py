"""What the events of one round mean for those who watch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from ...runtime.events.records import Event, id_in
from ...runtime.store import live_rows
from ...runtime.store.database.database import Database
from .live_topics import (
    EVENTS,
    FLOW_RUN,
    FLOW_RUNS,
    KINDS,
    SETUP,
    Topic,
    events_message,
    kind_of,
    message,
    setup_message,
)

_MOST_ROWS = 500
_FLOW_RUN, _TASK_RUN = "prefect.flow-run.", "prefect.task-run."
_OF_SETUP = tuple(f"prefect.{kind}." for kind in KINDS)


class News:
    """Gathers what happened, and makes the messages about it. `kinds` and `runs` are what is watched."""

    def __init__(self, watched: set[str], runs: set[UUID]) -> None:
        self._watched = watched
        self.runs = runs
        self.touched: set[UUID] = set()
        """Watched runs whose task runs changed, by events of their clients."""
        self.kinds: set[str] = set()
        self.is_stale = False
        """Whether flow runs changed of which no event tells."""
        self._changed: dict[UUID, None] = {}
        self._ids: dict[str, set[UUID]] = defaultdict(set)
        self._events: list[Event] = []

    def wants(self, name: str) -> bool:
        """Whether an event of this name concerns anybody."""
        if EVENTS in self._watched:
            return True
        if name.startswith(_FLOW_RUN):
            return FLOW_RUNS in self._watched or bool(self.runs)
        if name.startswith(_TASK_RUN):
            return bool(self.runs)
        return SETUP in self._watched and name.startswith(_OF_SETUP)

    def take(self, events: Iterable[Event]) -> None:
        """Add some events."""
        for each in events:
            if EVENTS in self._watched:
                self._events.append(each)
            if each.event.startswith(_FLOW_RUN):
                if (run := id_in(each.resource, "flow-run")) is not None:
                    self._changed[run] = None
            elif each.event.startswith(_TASK_RUN):
                for other in each.related_in_role("flow-run"):
                    if (run := id_in(other, "flow-run")) in self.runs and run is not None:
                        self.touched.add(run)
            elif (about := kind_of(each)) is not None:
                self.kinds.add(about[0])
                if about[1] is not None:
                    self._ids[about[0]].add(about[1])

    async def tell(self, db: Database, out: dict[Topic, list[bytes]]) -> None:
        """Put the messages about flow runs, events and the setup into `out`."""
        changed = list(self._changed)
        self.touched |= self.runs & self._changed.keys()
        is_stale = self.is_stale or len(changed) > _MOST_ROWS
        if self._watched & {FLOW_RUNS, FLOW_RUN}:
            rows = await live_rows.flow_runs(db, changed[-_MOST_ROWS:])
            if rows or is_stale:
                data = {"runs": rows, "stale": is_stale}
                out[Topic(FLOW_RUNS)].append(message(Topic(FLOW_RUNS), data))
            below: dict[UUID, list[object]] = defaultdict(list)
            for row in rows:
                if row["parent_flow_run_id"] in self.runs:
                    below[row["parent_flow_run_id"]].append(row)
            for run, children in below.items():
                out[Topic(FLOW_RUN, run)].append(message(Topic(FLOW_RUN, run), {"subflow_runs": children}))
        if self._events:
            out[Topic(EVENTS)].append(events_message(Topic(EVENTS), self._events))
        if self.kinds and SETUP in self._watched:
            out[Topic(SETUP)].append(setup_message(Topic(SETUP), self.kinds, self._ids))
