"""Which addresses are asked through the proxy that the environment names: never those of this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DIRECT: Mapping[str, None] = {"http://": None, "https://": None, "all://": None}


def is_loopback(url: str) -> bool:
    """Whether a URL is one of this machine, which no proxy could reach."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def httpx_mounts(url: str) -> Mapping[str, None] | None:
    """`mounts` of an httpx client of that URL. Other addresses follow HTTP_PROXY and NO_PROXY."""
    return _DIRECT if is_loopback(url) else None


def with_loopback_direct(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process whose own client shall ask this machine without a proxy."""
    named = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host for host in map(str.strip, named.split(",")) if host]
    if "*" in hosts:
        return dict(environment)
    told = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
    return {**environment, "no_proxy": told, "NO_PROXY": told}
