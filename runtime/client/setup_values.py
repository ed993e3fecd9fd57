"""The server's variables and blocks, for those who fill in what names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..projects.filling import Known
from .client import SyncHeliostatClient


def known_of(client: SyncHeliostatClient) -> Known:
    """What a client can ask for."""

    def variable(name: str) -> Any:
        return client.request("GET", f"/variables/name/{_quoted(name)}")["value"]

    def block(kind: str, name: str) -> Mapping[str, Any]:
        place = f"/block_types/slug/{_quoted(kind)}/block_documents/name/{_quoted(name)}"
        return client.request("GET", f"{place}?include_secrets=true")["data"]

    return Known(variable, block)


def _quoted(name: str) -> str:
    return quote(name, safe="")
