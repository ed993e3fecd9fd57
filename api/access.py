"""Who may use the API: a password for all of it, and tokens against requests that other pages forge.

Both are off unless settings turn them on. API processes that share a key accept each other's tokens.
`sessions.py` lets a browser in that has shown the password once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..runtime.foundation import clock
from ..runtime.foundation.encryption import signing_key
from ..runtime.journal.run_passes import is_pass
from . import sessions
from .answers import JsonAnswer

SESSION_PATH = "/api/heliostat/session"
OPEN_PATHS = frozenset({"/api/health", "/api/ready", "/api/csrf-token", SESSION_PATH})
"""What a browser must be able to ask before it has shown a password; none of it tells what is recorded."""
TOKEN_VALID = timedelta(hours=1)

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NAMESPACE = UUID("6f1b1f0e-5d0e-4a53-9d5f-0f6f1a7d8c11")


class BasicAuth:
    """Lets in clients that know the password, processes of runs, and signed-in browsers; all others get 401.

    The answer has no `WWW-Authenticate`, so that browsers open no window of their own.
    """

    def __init__(self, app: ASGIApp, auth_string: str) -> None:
        self._app = app
        self._expected = auth_string

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_guarded(scope):
            if who_asks(scope, self._expected) is None:
                await JsonAnswer({"exception_message": "Unauthorized"}, 401)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class CsrfProtection:
    """Refuses writes without a token of this server: 403."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _WRITES and scope["path"].startswith("/api/"):
            token, client = _header(scope, b"prefect-csrf-token"), _header(scope, b"prefect-csrf-client")
            refusal = None
            if token is None:
                refusal = "Missing CSRF token."
            elif client is None:
                refusal = "Missing client identifier."
            elif not is_valid(token, client):
                refusal = "Invalid CSRF token or client identifier."
            if refusal is not None:
                await JsonAnswer({"detail": refusal}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def new_token(client: str) -> tuple[UUID, str, datetime]:
    """A token for one client's writes, with an id and the time when it expires."""
    expiration = (clock.now() + TOKEN_VALID).replace(microsecond=0)
    seconds = int(expiration.timestamp())
    return uuid5(_NAMESPACE, f"{client} {seconds}"), f"{seconds}.{_signature(client, seconds)}", expiration


def is_valid(token: str, client: str) -> bool:
    """Whether a token was made by this server for that client and has not expired."""
    seconds, _, signature = token.partition(".")
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > 12 or int(seconds) < clock.epoch_s():
        return False
    return same(signature, _signature(client, int(seconds)))


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, compared in a time that reveals nothing."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def is_admitted(given: str, auth_string: str) -> bool:
    """Whether `given` is the password or the secret of a run's process."""
    return same(given, auth_string) or is_pass(given, auth_string)


def who_asks(scope: Scope, auth_string: str) -> str | None:
    """The user that a request shows to be, by its login or its session; None when it may not use the API."""
    header = _header(scope, b"authorization")
    if header is not None:
        given = _basic(header)
        return given.partition(":")[0] if given is not None and is_admitted(given, auth_string) else None
    is_in = sessions.is_valid(Headers(scope=scope), scope.get("method"), auth_string)
    return auth_string.partition(":")[0] if is_in else None


def _signature(client: str, seconds: int) -> str:
    text = f"{seconds} {client}".encode("utf-8", "replace")
    return hmac.new(signing_key(), text, hashlib.sha256).hexdigest()


def _is_guarded(scope: Scope) -> bool:
    # Browsers send a preflight without credentials.
    path = scope["path"]
    return path.startswith("/api/") and path not in OPEN_PATHS and scope["method"] != "OPTIONS"


def _header(scope: Scope, name: bytes) -> str | None:
    found = next((value for key, value in scope["headers"] if key == name), None)
    return None if found is None else found.decode("latin-1")


def _basic(header: str | None) -> str | None:
    kind, _, encoded = (header or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
