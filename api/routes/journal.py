"""Beyond the standard: events of runs that execute elsewhere, many at a time."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ...runtime.foundation.settings import current_settings
from ...runtime.journal.sent_appends import load_appends, load_leases
from ...runtime.journal.wire_json import dump_acks
from ...runtime.store import leases
from ...runtime.store.commits import appends
from ..answers import JsonAnswer
from ..bodies import body_up_to
from ..database_access import Db

MOST_BYTES = 64 * 1024 * 1024  # of one body; a journal sends 16 MiB of events at most

router = APIRouter(prefix="/heliostat/journal", tags=["Heliostat"])


@router.post("")
async def append(request: Request, db: Db) -> Response:
    """Make appends durable together: an ack `[run, seq, fenced]` for each.

    Sending an append twice is harmless. 409 when events are missing before the first one of an append.
    """
    sent = load_appends(await body_up_to(request, MOST_BYTES))
    acks = await appends.commit(db, sent, current_settings().lease_s)
    return Response(dump_acks(acks), media_type="application/json")


@router.post("/leases")
async def renew(request: Request, db: Db) -> JsonAnswer:
    """Prolong leases `[run, epoch, owner]`; returns the runs that another owner holds by now."""
    held = load_leases(await body_up_to(request, MOST_BYTES))
    fenced = await leases.renew(db, held, current_settings().lease_s)
    return JsonAnswer({"fenced": sorted(fenced)})
