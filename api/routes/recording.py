"""Beyond the standard: the store's verbs for processes that execute runs without a database connection."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from ...runtime.foundation.errors import HeliostatError, Unavailable
from ...runtime.foundation.settings import current_settings
from ...runtime.journal.remote_verbs import verb_named
from ..answers import JsonAnswer
from ..bodies import body_up_to
from ..database_access import Db
from ..errors import status_of
from .journal import MOST_BYTES

router = APIRouter(prefix="/heliostat/recording", tags=["Heliostat"])


@router.get("")
async def terms(db: Db) -> JsonAnswer:
    """The terms on which this server takes records: how many seconds a lease lasts."""
    return JsonAnswer({"lease_s": current_settings().lease_s})


@router.post("/{verb}")
async def ask(verb: str, request: Request, db: Db) -> Response:
    """Run one of the verbs that the engine needs; the body holds its arguments by name.

    When the verb fails, the answer names its error's class in `error`, beside `detail` and `hint`.
    """
    known = verb_named(verb)
    if known is None:
        raise HTTPException(404, f"There is no verb {verb!r}.")
    arguments = known.load_question(await body_up_to(request, MOST_BYTES))
    try:
        value = await known.verb(db, *arguments)
    except Unavailable:
        raise
    except HeliostatError as error:
        told = {"detail": str(error), "error": type(error).__name__, "hint": error.hint}
        return JsonAnswer(told, status_of(error))
    return Response(known.dump_answer(value), media_type="application/json")
