"""Processes that serve a deployment: the last one pauses it, and the next one lets it go on.

Seen: a second process began to serve, as in a rolling restart, the first one ended, and the schedules were
paused under the second; a schedule that somebody had paused ran again when it was served again.
"""

from __future__ import annotations

from typing import Any

from heliostat.runtime.foundation.authorship import SERVE
from heliostat.runtime.store import deployments, servings
from heliostat.runtime.store.database.database import Database

LEASE_S = 60.0


async def test_only_the_last_process_that_serves_pauses_and_the_next_one_resumes(
    db: Database, given: Any
) -> None:
    row, _ = await given.deployment(db)
    first, second = given.owner(), given.owner()
    for owner in (first, second, first):
        assert await servings.hold(db, owner, [row.id], LEASE_S) == []
    assert [each.process_id for each in await servings.others(db, first.id, [row.id])] == [second.id]
    assert await servings.end(db, first.id, [row.id]) == []
    assert (await deployments.read(db, row.id)).paused is False
    assert await servings.end(db, second.id, [row.id]) == [row.id]
    ended = await deployments.read(db, row.id)
    assert (ended.paused, (ended.paused_by or {})["type"]) == (True, SERVE)
    assert await servings.hold(db, first, [row.id], LEASE_S) == []
    again = await deployments.read(db, row.id)
    assert (again.paused, again.paused_by) == (False, None)


async def test_what_somebody_paused_stays_paused_while_it_is_served(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db)
    owner = given.owner()
    await deployments.pause(db, row.id)
    assert await servings.hold(db, owner, [row.id], LEASE_S) == [row.id]
    await servings.end(db, owner.id, [row.id])
    assert await servings.hold(db, owner, [row.id], LEASE_S) == [row.id]
    assert (await deployments.read(db, row.id)).paused is True


async def test_a_process_that_was_killed_does_not_count_for_ever(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db)
    killed, silent, last = given.owner(), given.owner(), given.owner()
    await servings.hold(db, killed, [row.id], LEASE_S)
    await servings.hold(db, silent, [row.id], -1.0)  # its time is over
    await servings.hold(db, last, [row.id], LEASE_S)
    assert [each.process_id for each in await servings.others(db, last.id, [row.id])] == [killed.id]
    assert await servings.end(db, last.id, [row.id], gone=[killed.id]) == [row.id]


async def test_ending_without_a_pause_and_of_what_was_deleted_is_harmless(db: Database, given: Any) -> None:
    row, _ = await given.deployment(db)
    owner = given.owner()
    await servings.hold(db, owner, [row.id], LEASE_S)
    assert await servings.end(db, owner.id, [row.id], pause=False) == []
    await servings.hold(db, owner, [row.id], LEASE_S)
    await deployments.delete(db, row.id)
    assert await servings.hold(db, owner, [row.id], LEASE_S) == []
    assert await servings.end(db, owner.id, [row.id]) == []
