"""Browsers that have shown the password: a signed cookie, which scripts cannot read.

The cookie ends by itself, and at once when the password or the key of the server changes. Browsers send it
with requests of the server's own pages only (`SameSite=Strict`); because they take every port of a host for
one site, the origin of the page is compared too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

from ..runtime.foundation import clock
from ..runtime.foundation.encryption import signing_key
from .doors import is_own

VALID = timedelta(days=7)

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(auth_string: str) -> str:
    """Its name, which differs between servers: browsers mix the cookies of all ports of a host."""
    return f"heliostat_session_{_signed('name', auth_string)[:8]}"


def new_value(auth_string: str) -> str:
    """The value of a cookie that lets a browser in from now on."""
    head = f"{clock.epoch_s() + VALID.total_seconds():.0f}.{secrets.token_urlsafe(9)}"
    return f"{head}.{_signed(head, auth_string)}"


def is_valid(headers: Headers, method: str | None, auth_string: str) -> bool:
    """Whether a request comes from a page of this server in a browser that is signed in."""
    value = _cookie(headers, cookie_name(auth_string))
    return value is not None and _is_of_own_page(headers, method) and _is_good(value, auth_string)


def _is_good(value: str, auth_string: str) -> bool:
    head, _, signature = value.rpartition(".")
    seconds = head.partition(".")[0]
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > 12 or int(seconds) < clock.epoch_s():
        return False
    return hmac.compare_digest(signature.encode("utf-8", "replace"), _signed(head, auth_string).encode())


def _is_of_own_page(headers: Headers, method: str | None) -> bool:
    origins, site = headers.getlist("origin"), headers.get("sec-fetch-site")
    if not all(is_own(origin, headers) for origin in origins) or site in ("cross-site", "same-site"):
        return False
    # Browsers say the origin with writes and with websockets, which have no method.
    return bool(origins) or site == "same-origin" or method in _READING


def _cookie(headers: Headers, name: str) -> str | None:
    for header in headers.getlist("cookie"):
        try:
            found = SimpleCookie(header).get(name)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return None


def _signed(text: str, auth_string: str) -> str:
    # The password is part of the key, so that a changed password ends every session.
    key = hashlib.sha256(signing_key() + b"sessions" + auth_string.encode()).digest()
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
