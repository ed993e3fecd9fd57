"""Leases of runs: who holds a run's lease may execute it. Taking it raises its epoch, which fences the old
holder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Double,
    Select,
    Uuid,
    and_,
    bindparam,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from ..foundation.errors import LeaseHeld, LeaseLost
from ..records import HeldLease, Owner
from .database.database import Database
from .database.prepared import is_one_of, prepared
from .database.rows import Lease, LeaseRow
from .database.tables import run_lease
from .database.types import Timestamp

NO_EPOCH = -1  # no lease has this epoch


async def take(
    db: Database,
    run_id: UUID,
    owner: Owner,
    lease_s: float,
    force: bool = False,
    dead_epoch: int | None = None,
    parent: HeldLease | None = None,
) -> Lease:
    """Make `owner` the run's only writer for `lease_s` seconds.

    Raises LeaseHeld while another owner's lease has not lapsed. `force` takes it anyway, to fence the holder.
    `dead_epoch` takes it if the lease still has that epoch, whose holder is known to be dead, so only one of
    several callers gets it. Taking one's own lease again raises its epoch. `parent` is the lease of a
    sub-flow's caller, checked by `prove`.
    """
    async with db.write() as connection:
        await prove(connection, parent, run_id)
        return await take_within(db, connection, run_id, owner, lease_s, force, dead_epoch)


async def prove(connection: AsyncConnection, held: HeldLease | None, child_id: UUID) -> None:
    """Raise LeaseLost unless `held` still is the lease of its run; it then stays so until the transaction
    ends. The caller of a sub-flow, the run `child_id`, proves so that it still holds the calling run: a
    process that was fenced without noticing must not take a sub-flow away from the run's new owner.
    """
    if held is None:
        return
    run_id = held[0]
    row = run_lease.c
    both = select(row.run_id, row.epoch, row.owner).where(row.run_id.in_((run_id, child_id)))
    # Locked in the order of journals, so that they cannot deadlock.
    found = await connection.execute(both.order_by(row.run_id).with_for_update())
    if not any((each.run_id, each.epoch, each.owner) == tuple(held) for each in found):
        raise LeaseLost(
            f"another process executes run {run_id} now, so this one cannot call its sub-flows",
            hint="this happens when a process seemed dead; the run continues in the other process",
        )


class Taking(NamedTuple):
    """The arguments of one `take`."""

    run_id: UUID
    owner: Owner
    lease_s: float
    dead_epoch: int | None = None


async def take_many_within(
    db: Database, connection: AsyncConnection, takings: Sequence[Taking]
) -> list[Lease | LeaseHeld]:
    """`take` for several runs within a larger transaction; LeaseHeld is returned, not raised."""
    # In one order, so that two transactions cannot deadlock.
    ordered = sorted(takings, key=lambda each: each.run_id)
    await connection.execute(_take_many_statement(db), [_facts_of(each) for each in ordered])
    ids = [each.run_id for each in takings]
    found = await connection.execute(_read_many_statement(db), {"runs": ids})
    now = {row.run_id: row for row in found}
    return [
        Lease(each.run_id, now[each.run_id].epoch, now[each.run_id].last_seq)
        if now[each.run_id].owner == each.owner.id
        else await _held(connection, each.run_id)
        for each in takings
    ]


def _facts_of(taking: Taking) -> dict[str, Any]:
    owner = taking.owner
    return {
        "run": taking.run_id,
        "owner": owner.id,
        "lease_s": taking.lease_s,
        "host": owner.host,
        "pid": owner.pid,
        "process_started": owner.process_started,
        "dead_epoch": NO_EPOCH if taking.dead_epoch is None else taking.dead_epoch,
    }


@prepared
def _take_many_statement(db: Database) -> Any:
    return _taking_statement(db, force=False)


@prepared
def _read_many_statement(db: Database) -> Select[Any, Any, Any, Any]:
    table = run_lease.c
    columns = (table.run_id, table.owner, table.epoch, table.last_seq)
    return select(*columns).where(is_one_of(db, table.run_id, "runs"))


async def take_within(
    db: Database,
    connection: AsyncConnection,
    run_id: UUID,
    owner: Owner,
    lease_s: float,
    force: bool = False,
    dead_epoch: int | None = None,
) -> Lease:
    """`take` within a larger transaction."""
    facts = _facts_of(Taking(run_id, owner, lease_s, dead_epoch))
    taken = (await connection.execute(_take_statement(db, force), facts)).first()
    if taken is None:
        raise await _held(connection, run_id)
    return Lease(run_id, taken.epoch, taken.last_seq)


@prepared
def _take_statement(db: Database, force: bool) -> ReturningInsert[Any, Any]:
    return _taking_statement(db, force).returning(run_lease.c.epoch, run_lease.c.last_seq)


def _taking_statement(db: Database, force: bool) -> Any:
    insert = sqlite.insert if db.is_sqlite else postgresql.insert
    holder: dict[str, Any] = {
        "owner": bindparam("owner", type_=Uuid()),
        "until": db.seconds_from_now(bindparam("lease_s", type_=Double())),
        "host": bindparam("host"),
        "pid": bindparam("pid"),
        "process_started": bindparam("process_started"),
    }
    free: ColumnElement[bool] = or_(
        run_lease.c.owner.is_(None),
        run_lease.c.owner == bindparam("owner", type_=Uuid()),
        run_lease.c.until <= db.now(),
        run_lease.c.epoch == bindparam("dead_epoch"),
    )
    return (
        insert(run_lease)
        .values(run_id=bindparam("run", type_=Uuid()), epoch=1, last_seq=0, **holder)
        .on_conflict_do_update(
            index_elements=["run_id"],
            set_={"epoch": run_lease.c.epoch + 1, **holder},
            where=true() if force else free,
        )
    )


async def renew(db: Database, leases: Iterable[tuple[UUID, int, UUID]], lease_s: float) -> set[UUID]:
    """Prolong leases given as `(run_id, epoch, owner id)`; returns the runs that another owner holds now."""
    fenced: set[UUID] = set()
    async with db.write() as connection:
        for run_id, epoch, owner_id in sorted(leases):
            renewed = await connection.execute(
                update(run_lease).where(_held_by(run_id, epoch, owner_id)).values(until=db.from_now(lease_s))
            )
            if not renewed.rowcount:
                fenced.add(run_id)
    return fenced


async def release(db: Database, run_id: UUID, epoch: int, owner_id: UUID) -> bool:
    """Release the lease, so that the next owner need not wait. False when it was no longer held."""
    async with db.write() as connection:
        released = await connection.execute(
            update(run_lease).where(_held_by(run_id, epoch, owner_id)).values(owner=None, until=db.now())
        )
        return bool(released.rowcount)


async def read(db: Database, run_id: UUID) -> LeaseRow | None:
    """The lease of a run; None when it never had one."""
    found = await read_many(db, [run_id])
    return found[0] if found else None


async def read_many(db: Database, run_ids: Sequence[UUID]) -> list[LeaseRow]:
    """The leases of some runs, without those that never had one."""
    async with db.read() as connection:
        return await read_many_within(db, connection, run_ids)


async def read_many_within(
    db: Database, connection: AsyncConnection, run_ids: Sequence[UUID]
) -> list[LeaseRow]:
    """`read_many` inside a transaction that is open."""
    now = type_coerce(db.now(), Timestamp()).label("now")
    rows = await connection.execute(select(run_lease, now).where(run_lease.c.run_id.in_(run_ids)))
    leases: list[LeaseRow] = []
    for row in rows.mappings():
        facts: dict[str, Any] = dict(row)
        left_s = (facts["until"] - facts.pop("now")).total_seconds()
        leases.append(LeaseRow(**facts, lapsed=left_s <= 0 or facts["owner"] is None, left_s=left_s))
    return leases


async def held_by(db: Database, owner_id: UUID) -> list[tuple[UUID, int]]:
    """`(run, epoch)` of the leases that an owner has not released, lapsed or not."""
    statement = select(run_lease.c.run_id, run_lease.c.epoch).where(run_lease.c.owner == owner_id)
    async with db.read() as connection:
        return [(row.run_id, row.epoch) for row in await connection.execute(statement)]


def _held_by(run_id: UUID, epoch: int, owner_id: UUID) -> ColumnElement[bool]:
    return and_(run_lease.c.run_id == run_id, run_lease.c.epoch == epoch, run_lease.c.owner == owner_id)


async def _held(connection: AsyncConnection, run_id: UUID) -> LeaseHeld:
    row = (await connection.execute(select(run_lease).where(run_lease.c.run_id == run_id))).one()
    return LeaseHeld(
        f"flow run {run_id} is being executed by process {row.pid} on {row.host} "
        f"until {row.until:%H:%M:%S} UTC",
        hint="wait for that process to end, or for its lease to lapse",
    )
