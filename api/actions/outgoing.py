"""One request to the outside: only to checked addresses, reading no more of the answer than is shown.

A name may resolve to another address the next time. So where private networks are not allowed, the name is
resolved once, each of its addresses is checked, and the connection goes to one of them; certificate and
`Host` are still those of the name. Redirects are shown as the answer, not followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .outcome import ActionFailed

if TYPE_CHECKING:
    import httpx

_WITHIN_S = 10.0
_ALL_WITHIN_S = 25.0  # for the whole answer, also one that arrives byte by byte
_MOST_BYTES = 64 * 1024
_ENCODINGS = {"gzip": 47, "x-gzip": 47, "deflate": 47}  # the `wbits` by which zlib knows each encoding
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class Request(NamedTuple):
    """What to send, and where."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer; of a long body only the beginning."""

    status_code: int
    headers: dict[str, str]
    text: str


async def send(request: Request, *, verify: bool = True, anywhere: bool = True) -> Reply:
    """Send a request once; `anywhere` allows private networks.

    Raises ActionFailed. Its text does not hold the address, which may be a secret.
    """
    import httpx

    try:
        url = httpx.URL(request.url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ActionFailed("The address of the block is not one of http or https")
        async with asyncio.timeout(_ALL_WITHIN_S):
            if anywhere:
                async with httpx.AsyncClient(timeout=_WITHIN_S, verify=verify) as client:
                    return await _sent(client, request, url)
            addresses = await _checked_addresses(url)
            # A transport of our own skips any proxy, which would resolve the name again.
            transport = httpx.AsyncHTTPTransport(verify=verify)
            async with httpx.AsyncClient(timeout=_WITHIN_S, transport=transport) as client:
                return await _sent_to_one(client, request, url, addresses)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise ActionFailed(f"The call failed: {type(error).__name__}") from error


async def _sent_to_one(
    client: httpx.AsyncClient, request: Request, url: httpx.URL, addresses: list[str]
) -> Reply:
    """Send a request to the first of the addresses that takes the connection."""
    import httpx

    for address in addresses[:-1]:
        try:
            return await _sent(client, request, url, address)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await _sent(client, request, url, addresses[-1])


async def _sent(
    client: httpx.AsyncClient, request: Request, url: httpx.URL, address: str | None = None
) -> Reply:
    headers = {"Accept-Encoding": "identity", **request.headers}
    extensions: dict[str, Any] = {}
    if address is not None:
        if not any(name.lower() == "host" for name in headers):
            headers["Host"] = url.netloc.decode("ascii")
        extensions["sni_hostname"] = url.raw_host.decode("ascii")
        url = url.copy_with(host=address)
    stream = client.stream(request.method, url, headers=headers, content=request.body, extensions=extensions)
    async with stream as answer:
        read = bytearray()
        async for chunk in answer.aiter_raw():
            read += chunk
            if len(read) >= _MOST_BYTES:
                break
        return Reply(answer.status_code, dict(answer.headers), _text_of(answer, bytes(read[:_MOST_BYTES])))


def _text_of(answer: httpx.Response, raw: bytes) -> str:
    """The beginning of a body. A body that was compressed unasked is unpacked up to _MOST_BYTES."""
    window = _ENCODINGS.get(answer.headers.get("content-encoding", "").strip().lower())
    if window is not None:
        try:
            raw = zlib.decompressobj(window).decompress(raw, _MOST_BYTES)
        except zlib.error:
            pass  # shown as it arrived
    try:
        return raw.decode(answer.charset_encoding or "utf-8", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


async def _checked_addresses(url: httpx.URL) -> list[str]:
    """The addresses of a URL's host. Raises ActionFailed if one is in a private network, and OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.raw_host.decode("ascii"), url.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses or not all(map(is_public, addresses)):
        raise ActionFailed("The block does not allow addresses of private networks")
    return addresses


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet; an address that embeds another is judged by that one."""
    it = ipaddress.ip_address(address)
    if isinstance(it, ipaddress.IPv6Address):
        inner = it.ipv4_mapped or it.sixtofour or (it.teredo and it.teredo[1])
        if inner is None and it in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(it) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return it.is_global and not it.is_multicast
