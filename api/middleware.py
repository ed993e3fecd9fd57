"""Checks of every request before a route sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import JsonAnswer
from .doors import is_own

API_VERSION = "0.8.4"  # of the standard that this server speaks
MINIMUM_API_VERSION = "0.8.0"
VERSION_HEADER = b"x-prefect-api-version"

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
OTHER_BODIES = {"/api/heliostat/code-packages/": frozenset({"application/zip", "application/octet-stream"})}
"""Paths that take bodies of other types."""

IS_HEAD = "heliostat.head"
"""Whether a request that a route sees as GET asks only for headers: a stream need not begin."""

_WITH_BODIES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ApiVersion:
    """Refuses clients that speak an older standard: 400. A request without the header means the newest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = next((value for name, value in scope["headers"] if name == VERSION_HEADER), None)
            refusal = None if not sent else _refusal(sent.decode("latin-1"))
            if refusal is not None:
                await JsonAnswer({"detail": refusal}, 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class HeadLikeGet:
    """Answers HEAD like GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", IS_HEAD: True}, receive, without_body)


class JsonBodies:
    """Refuses bodies that are not of type JSON: 415. A body without a type is read as JSON.

    Browsers let pages send texts and forms to any server without a preflight.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _WITH_BODIES:
            headers = Headers(scope=scope)
            kinds = headers.getlist("content-type")
            is_other = any(
                path in scope["path"] and set(map(_essence, kinds)) <= other
                for path, other in OTHER_BODIES.items()
            )
            if not is_other and not all(map(_is_json, kinds)) and _has_body(headers):
                why = f"A body must be of the type application/json, not {', '.join(kinds)[:100]!r}."
                await JsonAnswer({"detail": f"{why} Send the header Content-Type: application/json"}, 415)(
                    scope, receive, send
                )
                return
            if not kinds:
                scope = {**scope, "headers": [*scope["headers"], (b"content-type", b"application/json")]}
        await self._app(scope, receive, send)


class PathPrefixes:
    """Takes `prefix` off the paths that have it, and then gives those below `moved` their real path.

    A request for the prefix itself is sent to the page below it.
    """

    def __init__(self, app: ASGIApp, prefix: str, moved: Mapping[str, str]) -> None:
        self._app = app
        self._prefix = prefix
        self._moved = moved

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            if scope["type"] == "http" and self._prefix and scope["path"] == self._prefix:
                await RedirectResponse(f"{self._prefix}/")(scope, receive, send)
                return
            scope = _moved(scope, self._prefix, "")
            for old, new in self._moved.items():
                scope = _moved(scope, old, new)
        await self._app(scope, receive, send)


def _moved(scope: Scope, old: str, new: str) -> Scope:
    if not old or not scope["path"].startswith(f"{old}/"):
        return scope
    raw: bytes | None = scope.get("raw_path")
    if raw is not None and raw.startswith(f"{old}/".encode()):
        raw = new.encode() + raw.removeprefix(old.encode())
    else:
        raw = None  # it was encoded in another way
    return {**scope, "path": new + scope["path"].removeprefix(old), "raw_path": raw}


def _has_body(headers: Headers) -> bool:
    """Whether a request has a body. Libraries of pages name a type although they send nothing, so an empty
    request from a page of this server counts as one without a body.
    """
    if "transfer-encoding" in headers or headers.get("content-length", "0").strip() != "0":
        return True
    return not any(is_own(origin, headers) for origin in headers.getlist("origin"))


def _essence(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()


def _is_json(kind: str) -> bool:
    essence = _essence(kind)
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


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
