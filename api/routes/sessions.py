"""Signing in and out with a browser, and whether that is needed."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from ...runtime.foundation.settings import current_settings
from .. import sessions
from ..access import same, who_asks
from ..answers import JsonAnswer, no_content
from ..responses import Session

router = APIRouter(prefix="/heliostat/session", tags=["Session"])


class Login(BaseModel):
    """What a person types to sign in."""

    user: str = Field(max_length=1_000)
    password: str = Field(max_length=1_000)


@router.get("", response_model=Session)
async def read_session(request: Request) -> JsonAnswer:
    """Whether this server wants a password, whether this browser has given it, and whether writes need a
    token. Anybody may ask.
    """
    wanted = current_settings().server_auth_string
    return _answer(wanted, who_asks(request.scope, wanted) if wanted else None)


@router.post("", response_model=Session)
async def sign_in(login: Login, request: Request) -> JsonAnswer:
    """Sign this browser in with a cookie that lasts seven days; 401 when user or password is wrong."""
    wanted = current_settings().server_auth_string
    if not wanted:
        return _answer(None, None)
    if not same(f"{login.user}:{login.password}", wanted):
        raise HTTPException(401, "The user or the password is wrong.")
    answer = _answer(wanted, login.user)
    answer.set_cookie(
        sessions.cookie_name(wanted),
        sessions.new_value(wanted),
        max_age=int(sessions.VALID.total_seconds()),
        path=_path(),
        secure=_is_encrypted(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.delete("", status_code=204)
async def sign_out(request: Request) -> Response:
    """Sign this browser out. Harmless when it is not signed in."""
    answer = no_content()
    wanted = current_settings().server_auth_string
    if wanted:
        answer.delete_cookie(
            sessions.cookie_name(wanted),
            path=_path(),
            secure=_is_encrypted(request),
            httponly=True,
            samesite="strict",
        )
    return answer


def _answer(wanted: str | None, user: str | None) -> JsonAnswer:
    settings = current_settings()
    return JsonAnswer(
        {
            "password_wanted": bool(wanted),
            "signed_in": not wanted or user is not None,
            "user": user,
            "csrf_wanted": settings.server_csrf_protection,
        },
        headers={"Cache-Control": "no-store"},
    )


def _path() -> str:
    return current_settings().server_path_prefix or "/"


def _is_encrypted(request: Request) -> bool:
    # A proxy that ends TLS says so; a lie only keeps the liar's own browser out.
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").strip().lower())
