"""Routes that tell whether and what the server is."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from ..answers import JsonAnswer
from ..database_access import Db
from ..manners import API_VERSION
from ..responses import Ready

router = APIRouter(tags=["Service"])


@router.get("/health")
async def health() -> bool:
    """True while the server runs, whatever else is away."""
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


@router.get("/csrf-token")
async def csrf_token(client: str) -> None:
    """A token for the writes of one client, where the server wants that."""
    raise HTTPException(422, "CSRF protection is disabled.")
