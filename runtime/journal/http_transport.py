"""Appends over HTTP: the transport of processes whose records go to a server (HELIOSTAT_API_URL)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from ..foundation.errors import DatabaseUnavailable, JournalGap
from ..foundation.ids import in_json
from ..foundation.proxies import httpx_mounts
from ..foundation.settings import current_settings
from ..records import Ack, HeldLease, RunAppend
from .contact import Contact
from .wire_json import BadAppend, dump_appends, load_acks

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 30.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class HttpTransport:
    """A Transport to the API at `api_url` (".../api"). Close it after the journal that uses it."""

    def __init__(
        self, api_url: str, client: httpx.AsyncClient | None = None, contact: Contact | None = None
    ) -> None:
        self._url = f"{api_url.rstrip('/')}/heliostat/journal"
        self._client = client or http_client(api_url)
        self._contact = contact or Contact(api_url, math.inf)

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        """See Transport. Raises BadAppend when the server refuses the appends."""
        return load_acks(await self._post(self._url, dump_appends(appends)))

    async def renew(self, leases: Sequence[HeldLease]) -> set[UUID]:
        """See Transport."""
        answer = await self._post(f"{self._url}/leases", orjson.dumps({"leases": leases}, default=in_json))
        return {UUID(run_id) for run_id in orjson.loads(answer)["fenced"]}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _post(self, url: str, body: bytes) -> bytes:
        import httpx

        with self._contact.question():
            try:
                answer = await self._client.post(
                    url, content=body, headers={"content-type": "application/json"}
                )
            except httpx.HTTPError as error:
                raise self._away(f"{type(error).__name__}: {error}") from error
        if answer.status_code in _AGAIN:
            raise self._away(f"it answers {answer.status_code}")
        self._contact.answered()
        if answer.status_code == 200:
            return answer.content
        if answer.status_code == 409:
            raise JournalGap(answer.text)
        raise BadAppend(f"the server at {self._url} answers {answer.status_code}: {answer.text[:500]}")

    def _away(self, why: str) -> DatabaseUnavailable:
        return server_away(self._url, why)


def http_client(api_url: str) -> httpx.AsyncClient:
    """A client for sending records to a server, with the password of the settings."""
    import httpx

    from ..foundation.server_access import ServerAccess

    access = ServerAccess(api_url, current_settings().api_auth_string)
    return httpx.AsyncClient(timeout=_TIMEOUT_S, auth=access, mounts=httpx_mounts(api_url))


def server_away(url: str, why: str) -> DatabaseUnavailable:
    """The error for a server that does not answer."""
    return DatabaseUnavailable(
        f"cannot reach the Heliostat server at {url} ({why})",
        hint="check that it runs (heliostat server status) and that HELIOSTAT_API_URL is right",
    )
