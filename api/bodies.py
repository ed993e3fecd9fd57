"""Bodies that are not JSON of a known shape, taken as bytes up to a limit."""

from __future__ import annotations

from fastapi import HTTPException, Request


async def body_up_to(request: Request, limit_bytes: int, what: str = "The body") -> bytes:
    """The body of a request; one that is too long is refused with 413 before all of it is read."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise HTTPException(413, f"{what} is longer than {limit_bytes} bytes.")
    return bytes(body)
