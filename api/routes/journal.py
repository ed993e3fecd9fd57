"""Our own: events of runs that execute elsewhere, many at a time."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from ...runtime.journal.wire_json import dump_acks, load_appends, load_leases
from ...runtime.settings import current_settings
from ...runtime.store import appends, leases
from ..answers import JsonAnswer
from ..database_access import Db

MOST_BYTES = 64 * 1024 * 1024  # of one body; a journal sends 16 MiB of events at most

router = APIRouter(prefix="/heliostat/journal", tags=["Heliostat"])


@router.post("")
async def append(request: Request, db: Db) -> Response:
    """Make appends durable together: an ack `[run, seq, fenced]` for each.

    Sending the same again is harmless. 409 when events are missing before what an append starts with.
    """
    sent = load_appends(await read_body(request))
    acks = await appends.commit(db, sent, current_settings().lease_s)
    return Response(dump_acks(acks), media_type="application/json")


@router.post("/leases")
async def renew(request: Request, db: Db) -> JsonAnswer:
    """Prolong leases `[run, epoch, owner]`; gives the runs that somebody else holds by now."""
    held = load_leases(await read_body(request))
    fenced = await leases.renew(db, held, current_settings().lease_s)
    return JsonAnswer({"fenced": sorted(fenced)})


async def read_body(request: Request) -> bytes:
    """The body, unless it is too long: then 413, without reading all of it."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body is longer than {MOST_BYTES} bytes.")
    return bytes(body)
