"""Addresses of this machine are never asked through the proxy that the environment names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_DIRECT: Mapping[str, None] = {"http://": None, "https://": None, "all://": None}


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine, where a proxy could not reach it."""
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
    """The `mounts` of an httpx client for that URL. HTTP_PROXY and NO_PROXY decide for other machines."""
    return _DIRECT if is_loopback(url) else None


def with_loopback_direct(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a process whose own client must ask this machine without a proxy."""
    named = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host for host in map(str.strip, named.split(",")) if host]
    if "*" in hosts:
        return dict(environment)
    told = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
    return {**environment, "no_proxy": told, "NO_PROXY": told}
