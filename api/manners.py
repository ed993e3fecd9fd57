"""What every request is held to before a route sees it."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from .answers import JsonAnswer

API_VERSION = "0.8.4"  # of the standard that we speak
MINIMUM_API_VERSION = "0.8.0"
VERSION_HEADER = b"x-prefect-api-version"

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
_WRITES = frozenset({"POST", "PUT", "PATCH"})


class ApiVersion:
    """Refuses clients that speak an older standard: 400. Without the header the newest is meant."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = next((value for name, value in scope["headers"] if name == VERSION_HEADER), None)
            refusal = None if sent is None else _refusal(sent.decode("latin-1"))
            if refusal is not None:
                await JsonAnswer({"detail": refusal}, 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class JsonUnlessSaid:
    """Reads a body that comes without a Content-Type as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _WRITES:
            headers: list[tuple[bytes, bytes]] = scope["headers"]
            if not any(name == b"content-type" for name, _ in headers):
                scope = {**scope, "headers": [*headers, (b"content-type", b"application/json")]}
        await self._app(scope, receive, send)


def _refusal(sent: str) -> str | None:
    version = _VERSION.fullmatch(sent)
    if version is None:
        return f"Invalid X-PREFECT-API-VERSION header format. Expected 'x.y.z', not {sent[:40]!r}."
    oldest = tuple(int(part) for part in MINIMUM_API_VERSION.split("."))
    if tuple(int(part) for part in version.groups()) < oldest:
        return (
            f"The API version {sent} is too old: this server speaks {MINIMUM_API_VERSION} to {API_VERSION}."
            " Upgrade the client."
        )
    return None
