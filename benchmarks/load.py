"""Sends requests as fast as a server takes them, by a client that costs less than the server.

A full HTTP client takes more CPU for a request than the server does for its answer, so on one machine the
benchmark would measure the client.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

Request = tuple[str, Any]  # path and body of a POST


class Poured(NamedTuple):
    per_s: float
    answers: list[bytes]  # the bodies, in the order of the requests


async def pour(port: int, requests: Sequence[Request], connections: int = 32) -> Poured:
    """POST all `requests` over `connections` connections side by side.

    Raises RuntimeError with the first answer that is not 2xx.
    """
    answers = [b""] * len(requests)
    waiting = iter([(at, _as_bytes(path, body)) for at, (path, body) in enumerate(requests)])
    began = time.perf_counter()
    await asyncio.gather(*(_one_connection(port, waiting, answers) for _ in range(connections)))
    return Poured(len(requests) / (time.perf_counter() - began), answers)


def _as_bytes(path: str, body: Any) -> bytes:
    payload = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload


async def _one_connection(port: int, waiting: Iterator[tuple[int, bytes]], answers: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for at, request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            answers[at] = await reader.readexactly(_length_of(head))
            if not head.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(f"{head.decode()}{answers[at].decode()}")
    finally:
        writer.close()


def _length_of(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise RuntimeError(f"an answer without a length: {head.decode()}")
