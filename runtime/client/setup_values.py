"""The server's variables and blocks, for those who fill in what names them. Both raise NotFound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .client import SyncHeliostatClient


def read_variable(client: SyncHeliostatClient, name: str) -> Any:
    """The value of a variable."""
    return client.request("GET", f"/variables/name/{_quoted(name)}")["value"]


def read_block(client: SyncHeliostatClient, kind: str, name: str) -> Mapping[str, Any]:
    """The data of a block, secrets too, by the slug of its type and its name."""
    place = f"/block_types/slug/{_quoted(kind)}/block_documents/name/{_quoted(name)}"
    return client.request("GET", f"{place}?include_secrets=true")["data"]


def _quoted(name: str) -> str:
    return quote(name, safe="")
