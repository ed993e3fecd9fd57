"""The chains of automations behind events, and how often an automation has fired lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..automations.chains import ROOT, TRIGGERED, Chain, chain_in, chain_of_labels
from ..events.records import RESOURCE_ROLE, Event, id_in
from .database.tables import event, event_resource, flow_run, task_run

MINUTE = timedelta(minutes=1)
_REMEMBERED = timedelta(hours=1)
_MOST_REMEMBERED = 5_000
_MOST_PARENTS = 20
_EXECUTED = "prefect.automation.action.executed"
_PLACES = ("prefect.work-pool.", "prefect.work-queue.", "prefect.deployment.")
_SEEN_WITHIN = timedelta(seconds=30)  # a change of a place becomes an event within this time


@dataclass(slots=True)
class Chains:
    """Finds which automations led to events."""

    connection: AsyncConnection
    _known: dict[UUID, Chain | None] = field(default_factory=dict[UUID, "Chain | None"])

    async def learn(self, events: Iterable[Event]) -> None:
        """Look up the chains of events, so that `of` knows them."""
        of_runs: dict[UUID, list[Event]] = {}
        for each in events:
            if each.id in self._known:
                continue
            self._known[each.id] = chain_in(each.payload)
            if self._known[each.id] is not None:
                continue
            run_id = _run_of(each)
            if run_id is not None:
                of_runs.setdefault(run_id, []).append(each)
            elif each.resource_id.startswith(_PLACES):
                self._known[each.id] = await self._of_place(each)
        asked = {run_id: run_id for run_id in of_runs}  # a run, and the one of its parents to look at
        for _ in range(_MOST_PARENTS):
            if not asked:
                return
            rows = await self._runs(set(asked.values()))
            above: dict[UUID, UUID] = {}
            for run_id, at in asked.items():
                labels, parent = rows.get(at, (None, None))
                for each in of_runs[run_id]:
                    self._known[each.id] = chain_of_labels(labels, each)
                if parent is not None and self._known[of_runs[run_id][0].id] is None:
                    above[run_id] = parent
            asked = above

    def of(self, event: Event) -> Chain | None:
        """The chain that led to an event; None when no automation did."""
        return self._known.get(event.id)

    def longest(self, events: Iterable[Event]) -> Chain | None:
        """The longest chain that led to one of several events."""
        found = [chain for chain in map(self.of, events) if chain is not None]
        return max(found, key=lambda chain: len(chain.automations), default=None)

    async def _of_place(self, told: Event) -> Chain | None:
        """The chain of an automation's recent change of a pool, a queue or a deployment.

        Events of these are made by a service that sees a change without knowing its cause.
        """
        statement = (
            select(event.c.payload)
            .join(event_resource, event_resource.c.event_seq == event.c.seq)
            .where(
                event_resource.c.resource_id == told.resource_id,
                event_resource.c.role == "target",
                event.c.event == _EXECUTED,
                event.c.occurred > told.occurred - _SEEN_WITHIN,
                event.c.occurred < told.occurred + _SEEN_WITHIN,
            )
            .order_by(event.c.seq.desc())
            .limit(1)
        )
        done: Any = await self.connection.scalar(statement)
        if not isinstance(done, dict):
            return None
        pauses = str(cast("dict[str, Any]", done).get("action_type")).startswith("pause-")
        return chain_in(done) if pauses == told.event.endswith(".paused") else None

    async def _runs(self, run_ids: Iterable[UUID]) -> dict[UUID, tuple[Any, UUID | None]]:
        statement = (
            select(flow_run.c.id, flow_run.c.labels, task_run.c.flow_run_id)
            .outerjoin(task_run, task_run.c.id == flow_run.c.parent_task_run_id)
            .where(flow_run.c.id.in_(list(run_ids)))
        )
        return {row[0]: (row[1], row[2]) for row in await self.connection.execute(statement)}


@dataclass(slots=True)
class Firings:
    """How often one automation has fired: in the last minute, and lately for each root."""

    in_a_minute: int
    by_root: Counter[str]

    def admit(self, root: str | None, most_of_a_root: int) -> bool:
        """Count a firing, unless its root has had enough; `root` is None when no automation led to it."""
        if root is not None and self.by_root[root] >= most_of_a_root:
            return False
        self.in_a_minute += 1
        if root is not None:
            self.by_root[root] += 1
        return True


async def firings_of(
    connection: AsyncConnection, resource_id: str, since: datetime, now: datetime
) -> Firings:
    """The firings of one automation, by its events since it was last changed."""
    rows: Sequence[Any] = (
        await connection.execute(
            select(event.c.occurred, event.c.resource)
            .where(
                event.c.resource_id == resource_id,
                event.c.occurred > max(since, now - _REMEMBERED),
                event.c.event == TRIGGERED,
            )
            .order_by(event.c.occurred.desc())
            .limit(_MOST_REMEMBERED)
        )
    ).all()
    roots = (resource.get(ROOT) for _, resource in rows)
    return Firings(sum(at > now - MINUTE for at, _ in rows), Counter(root for root in roots if root))


def _run_of(told: Event) -> UUID | None:
    """The flow run that an event is about, or in which it happened."""
    own = id_in(told.resource, "flow-run")
    if own is not None:
        return own
    of_runs = (id_in(each, "flow-run") for each in told.related if each.get(RESOURCE_ROLE) == "flow-run")
    return next((each for each in of_runs if each is not None), None)
