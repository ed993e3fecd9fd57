"""Which runs a supervisor holds follows from the leases that it is given and gives back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heliostat.actors.journal_host import JournalActor, JournalHost
from heliostat.actors.recording import ActorStore
from heliostat.runtime.foundation import ids
from heliostat.runtime.foundation.errors import LeaseHeld, NotFound
from heliostat.runtime.store import flow_runs, leases
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.store.database.feed import Feed


class DirectTransport:
    """Asks a journal actor of this process."""

    def __init__(self, host: JournalHost) -> None:
        self._actor: Any = JournalActor.__new__(JournalActor)
        self._actor._host, self._actor._opening = host, asyncio.Lock()

    async def ask(self, method: str, *args: Any) -> Any:
        done, value = await getattr(self._actor, method)(*args)
        if done:
            return value
        raise value


async def test_a_supervisor_holds_what_it_adopts_until_the_lease_is_given_back(
    db: Database, given: Any
) -> None:
    feed = await Feed.open(db)
    host = JournalHost(db, feed, 15.0)
    transport: Any = DirectTransport(host)
    store = ActorStore(transport, "s1")
    owner, run_id = given.owner(), (await given.script(db, -1.0)).run_id
    held, gone = (await given.script(db, 60.0)).run_id, ids.uuid7()
    adopted = await store.adopt(run_id, owner, 15.0, None)
    assert adopted.run.id == run_id and adopted.lease.epoch == 2
    with pytest.raises(LeaseHeld):
        await store.adopt(held, owner, 15.0, None)
    with pytest.raises(NotFound):
        await store.adopt(gone, owner, 15.0, None)
    assert host.holders() == {run_id: "s1"}
    assert (await store.ask(flow_runs.read, (run_id,), {})).id == run_id
    assert await store.release(run_id, adopted.lease.epoch, owner.id)
    assert host.holders() == {}
    lease = await leases.read(db, run_id)
    assert lease is not None and lease.owner is None
    await host.close()
    await feed.close()
