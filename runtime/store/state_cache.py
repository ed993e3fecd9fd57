"""States of task runs that clients orchestrate over REST, stored under their cache keys. They are in the
table of results of Heliostat's own tasks, with a prefix that keeps the keys apart.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from ..foundation import clock
from ..states import NO_VALUE, State, StateType
from .commits import cache
from .database.database import Database
from .database.wire_text import json_value, plain_text

_PREFIX = "state of a task run:"
_NEVER_KEPT = frozenset({"transition_id", "task_run_id", "flow_run_id"})


async def kept_within(db: Database, connection: AsyncConnection, proposed: State) -> State | None:
    """The state stored under a proposed state's cache key, as a new state named Cached; None without one."""
    key = _key(proposed)
    if key is None:
        return None
    hit = (await cache.get_many_within(db, connection, [key])).get(key)
    if hit is None:
        return None
    found: dict[str, Any] = orjson.loads(hit.result or b"{}")
    data = found.get("data", NO_VALUE)
    return State(StateType.COMPLETED, "Cached", found.get("message"), data, found.get("details") or {})


async def keep_within(db: Database, connection: AsyncConnection, state: State) -> None:
    """Store a state under its cache key, if it has one."""
    key = _key(state)
    if key is None:
        return
    details = {name: each for name, each in state.details.items() if name not in _NEVER_KEPT}
    facts: dict[str, Any] = {"message": state.message, "details": json_value(details)}
    if state.data is not NO_VALUE:
        facts["data"] = json_value(state.data)
    expires = state.moment("cache_expiration")
    text, now = orjson.dumps(facts), clock.epoch_s()
    await cache.put_within(db, connection, key, "inline", text, now, _epoch_s(expires))


def _key(state: State) -> str | None:
    key = state.details.get("cache_key")
    return None if not key else _PREFIX + plain_text(str(key))


def _epoch_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
