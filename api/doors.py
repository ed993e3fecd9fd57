"""Which web pages may send requests to this server, and under which host names.

A browser lets every page that a person visits send requests to servers on that person's machine and network.
This server executes code for its clients, and on loopback it demands no password. So it answers only its own
pages and those that the settings name: a request of another page (by `Origin` or `Sec-Fetch-Site`) is
refused, also on sockets and where browsers send it without a preflight. A page can make its own host name
resolve to this server (DNS rebinding) and would then count as one of its pages: so the name in `Host` must be
one that nobody else could have.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..runtime.foundation.setting_table import Settings
from .answers import JsonAnswer

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ALL_METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
_ANYWHERE = frozenset({"", "0.0.0.0", "::"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Nobody can register a name with one of these endings, so no page from the internet has one.
_PRIVATE = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".svc")
_SHOWN = 100


class Names:
    """The names under which a server answers requests.

    `host` is the address at which it listens (None: not known), `public_url` the one for other machines.
    """

    def __init__(self, settings: Settings, host: str | None = None, public_url: str | None = None) -> None:
        urls = (settings.public_api_url, settings.api_url, public_url)
        hosts = [*listed(settings.server_allowed_hosts, host or ""), *map(_host_of, urls)]
        self._names = {name for each in hosts if (name := each.lower().rstrip("."))}
        self._listens_anywhere = host in _ANYWHERE

    async def include(self, sent: str, local_address: str | None) -> bool:
        """Whether a `Host` header names this server, for a connection to that address of this machine."""
        address = _address(local_address)
        if "*" in self._names or (address is not None and address.is_global):
            return True
        name = _name_in(sent)
        if name is None:
            return False
        if name == "localhost" or name.endswith(".localhost") or _address(name) is not None:
            return True  # these never come from a name server
        if name in self._names or any(f"*.{parent}" in self._names for parent in _parents(name)):
            return True
        if address is not None and address.is_loopback and not self._listens_anywhere:
            return False
        return "." not in name or name.endswith(_PRIVATE) or await _is_of_this_machine(name)


class Doors:
    """Refuses requests of foreign pages or under foreign names: 403, with the setting to admit them."""

    def __init__(self, app: ASGIApp, names: Names, origins: Collection[str]) -> None:
        self._app = app
        self._names = names
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        local: tuple[str, int | None] | None = scope.get("server")
        for host in headers.getlist("host"):
            if not await self._names.include(host, local[0] if local else None):
                await _refuse(_foreign_name(host), scope, receive, send)
                return
        refusal = self._refusal_of_page(scope, headers)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
        elif (
            _is_preflight(scope, headers)
            and headers["origin"] not in self._origins
            and "*" not in self._origins
        ):
            # Of a page of this server: browsers send no preflight to their own origin, but behind a proxy the
            # server may look like another one.
            allowed = {
                "Access-Control-Allow-Origin": headers["origin"],
                "Access-Control-Allow-Methods": _ALL_METHODS,
                "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
                "Vary": "Origin",
            }
            await JsonAnswer("OK", 200, allowed)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal_of_page(self, scope: Scope, headers: Headers) -> str | None:
        origins = headers.getlist("origin")
        site = headers.get("sec-fetch-site")
        for origin in origins:
            if not ("*" in self._origins or origin in self._origins or is_own(origin, headers)):
                return _foreign_page(origin)
        if not origins and site in ("cross-site", "same-site") and scope.get("method", "GET") not in _READING:
            return _foreign_page(None)
        if _is_preflight(scope, headers) and "access-control-request-private-network" in headers:
            return "Pages of public networks may not use this server, which is in a private network."
        return None


def is_own(origin: str, headers: Headers) -> bool:
    """Whether a page of that origin came from this server, by the headers of the browser or of a proxy."""
    if headers.get("sec-fetch-site") == "same-origin":  # pages cannot set this header
        return True
    try:
        page = urlsplit(origin)
        default = _DEFAULT_PORTS[page.scheme]
        place = page.hostname, page.port or default
    except (KeyError, ValueError):
        return False
    asked = [*headers.getlist("host"), *listed(*headers.getlist("x-forwarded-host"))]
    return any(place == _place(host, default) for host in asked)


def listed(*values: str) -> list[str]:
    """The names in comma-separated values."""
    return [each.strip() for value in values for each in value.split(",") if each.strip()]


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    asks = "origin" in headers and "access-control-request-method" in headers
    return asks and scope.get("method") == "OPTIONS"


async def _refuse(why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await JsonAnswer({"detail": why}, 403)(scope, receive, send)


def _foreign_name(host: str) -> str:
    name = _name_in(host)
    shown = repr((name or host)[:_SHOWN])
    return (
        f"This server is not known by the name {shown}. If it is yours, start the server with "
        f"HELIOSTAT_SERVER_ALLOWED_HOSTS={name or 'NAME'}"
    )


def _foreign_page(origin: str | None) -> str:
    shown = "another origin" if origin is None else f"the origin {origin[:_SHOWN]!r}"
    return (
        f"Pages of {shown} may not use this server. To allow them, start the server with "
        f"HELIOSTAT_SERVER_CORS_ALLOWED_ORIGINS={(origin or 'ORIGIN')[:_SHOWN]}"
    )


def _place(host: str, default_port: int) -> tuple[str, int] | None:
    found = _HOST.fullmatch(host.strip().lower())
    return None if found is None else (found[1].strip("[]"), int(found[2] or default_port))


def _name_in(host: str) -> str | None:
    place = _place(host, 0)
    return None if place is None else place[0].rstrip(".")


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _host_of(url: str | None) -> str:
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""


def _parents(name: str) -> Iterable[str]:
    while "." in name:
        name = name.partition(".")[2]
        yield name


async def _is_of_this_machine(name: str) -> bool:
    own = socket.gethostname().lower()
    if name.partition(".")[0] != own.partition(".")[0]:
        return False
    return name == own or name == await asyncio.to_thread(_full_name)  # may ask a name server


@lru_cache(maxsize=1)
def _full_name() -> str:
    return socket.getfqdn().lower()
