"""Beyond the standard: a message to try a notification block."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException

from ...runtime.store import block_documents
from ..actions.deliveries import notify
from ..actions.outcome import ActionFailed, Outcome
from ..answers import JsonAnswer
from ..database_access import Db
from ..errors import found

router = APIRouter(prefix="/heliostat/block_documents", tags=["Heliostat"])

_SUBJECT = "Heliostat: a message to try this block"
_BODY = "Somebody asked the server to send it. Nothing has happened to a run."


@router.post("/{id:uuid}/send_test", response_model=dict[str, Any])
async def send_test_message(id: UUID, db: Db) -> JsonAnswer:
    """Send a message over a notification block: 422 with the reason when it does not arrive."""
    block = await found(block_documents.read(db, id, secrets=True), "Block document")
    outcome = Outcome()
    try:
        await notify(block, _SUBJECT, _BODY, outcome)
    except ActionFailed as error:
        answered = outcome.details.get("status_code")
        reason = str(error) if answered is None else f"{error}: the other side answered {answered}"
        raise HTTPException(422, reason) from error
    return JsonAnswer(outcome.details)
