"""Routes that tell whether the server is up and which version it speaks."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from ...runtime.foundation import clock
from ...runtime.foundation.settings import current_settings
from ..access import new_token
from ..answers import JsonAnswer
from ..database_access import Db
from ..middleware import API_VERSION
from ..responses import CsrfToken, Ready

router = APIRouter(tags=["Service"])


@router.get("/health")
async def health() -> bool:
    """True while the server runs, whether or not the database answers."""
    return True


@router.get("/ready", response_model=Ready)
async def ready(db: Db) -> JsonAnswer:
    """Whether the database answers; 503 while it does not."""
    await db.ping()
    return JsonAnswer({"message": "OK"})


@router.get("/hello")
async def hello() -> str:
    """A greeting."""
    return "Hello from Heliostat."


@router.get("/version")
async def version() -> str:
    """The version of the standard API that this server speaks."""
    return API_VERSION


@router.get("/csrf-token", response_model=CsrfToken)
async def csrf_token(client: str) -> JsonAnswer:
    """A token for one client's writes; 422 while the server does not ask for such tokens."""
    if not current_settings().server_csrf_protection:
        raise HTTPException(422, "CSRF protection is disabled.")
    id, token, expiration = new_token(client)
    made = {"id": id, "created": clock.now(), "updated": clock.now()}
    return JsonAnswer({**made, "token": token, "client": client, "expiration": expiration})
