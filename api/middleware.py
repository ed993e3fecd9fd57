"""What every request is held to before a route sees it."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import JsonAnswer
from .doors import is_own

API_VERSION = "0.8.4"  # of the standard that we speak
MINIMUM_API_VERSION = "0.8.0"
VERSION_HEADER = b"x-prefect-api-version"

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
OTHER_BODIES = {"/api/heliostat/code-packages/": frozenset({"application/zip", "application/octet-stream"})}
"""Where bodies of other types are taken."""

_WITH_BODIES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class ApiVersion:
    """Refuses clients that speak an older standard: 400. Without the header the newest is meant."""

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
    """Answers HEAD as GET is answered, without the body."""

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

        await self._app({**scope, "method": "GET"}, receive, without_body)


class JsonBodies:
    """Takes bodies of type JSON alone: 415. What comes without a type is read as JSON.

    Pages may send other types anywhere without asking first: texts and forms.
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
                why = f"A body is of the type application/json here, not {', '.join(kinds)[:100]!r}."
                await JsonAnswer({"detail": f"{why} Send the header Content-Type: application/json"}, 415)(
                    scope, receive, send
                )
                return
            if not kinds:
                scope = {**scope, "headers": [*scope["headers"], (b"content-type", b"application/json")]}
        await self._app(scope, receive, send)


def _has_body(headers: Headers) -> bool:
    """Whether there is something to read. Libraries of pages name a type where they send nothing: an empty
    request of a page of our own has no body.
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
