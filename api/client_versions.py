"""The version of the stock client that asks: older ones refuse fields that they do not know."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Request

ClientVersion = tuple[int, int, int]

RESULT_STORAGE_OF_POOLS: ClientVersion = (3, 3, 8)
"""The first version that knows `default_result_storage_block_id` in a pool's storage configuration."""

_USER_AGENT = re.compile(r"prefect/(\d{1,6})\.(\d{1,6})\.(\d{1,6})\S* \(API \S+\)")


def version_of(user_agent: str) -> ClientVersion | None:
    """The version that a stock client's `User-Agent` tells; None for other clients."""
    told = _USER_AGENT.fullmatch(user_agent)
    return None if told is None else (int(told[1]), int(told[2]), int(told[3]))


async def client_version(request: Request) -> ClientVersion | None:
    """The version of the client that sent a request, for routes. Asynchronous, to stay on the event loop."""
    return version_of(request.headers.get("user-agent", ""))


Client = Annotated[ClientVersion | None, Depends(client_version)]
