"""Recording to a server, for scripts, workers and served flows whose HELIOSTAT_API_URL is set."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine
from typing import Any, cast
from uuid import UUID

import httpx
import orjson

from ..foundation import clock, errors
from ..foundation.errors import BadSetting, DatabaseUnavailable, HeliostatError, Unavailable
from ..records import Owner
from ..store import flow_runs, leases
from ..store.database.rows import Adopted
from .contact import Contact
from .http_transport import HttpTransport, http_client, server_away
from .journal import Journal, JournalLimits
from .remote_verbs import remote_verb
from .thread_recording import ThreadRecording, open_recording

_log = logging.getLogger("heliostat.journal")

_AGAIN = frozenset({408, 429, 502, 503, 504})
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MOST_S = 2.0
_WARN_EVERY_S = 5.0
_CLOSE_PATIENCE_S = 5.0


class RemoteStore:
    """The store verbs of a server. Closing it closes the client that it was given."""

    def __init__(self, api_url: str, client: httpx.AsyncClient, contact: Contact | None = None) -> None:
        self._url = f"{api_url.rstrip('/')}/heliostat/recording"
        self._client = client
        self.contact = contact or Contact(api_url, math.inf)

    async def terms(self) -> dict[str, Any]:
        """The server's terms of recording: `lease_s`. Asks once, so that a start fails at once.

        Raises DatabaseUnavailable when nothing answers, BadSetting when something else than a server does.
        """
        try:
            answer = await self._client.get(self._url)
        except httpx.HTTPError as error:
            raise server_away(self._url, _why(error)) from error
        if answer.status_code in _AGAIN:
            raise server_away(self._url, f"it answers {answer.status_code}")
        try:
            found = cast("dict[str, Any]", answer.raise_for_status().json())
            return {"lease_s": float(found["lease_s"])}
        except (httpx.HTTPStatusError, ValueError, KeyError, TypeError) as error:
            raise BadSetting(
                f"what answers at {self._url} is not a Heliostat server that takes records"
                f" (status {answer.status_code})",
                hint="HELIOSTAT_API_URL is the address of the API, such as http://127.0.0.1:4200/api",
            ) from error

    async def ask(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a verb on the server; waits for a server that is away, as the journal does.

        Raises what the verb raises, ServerGone.
        """
        remote = remote_verb(verb)
        question = remote.dump_question(args, kwargs)
        began = warned = clock.monotonic_s()
        backoff_s, patience_s = _BACKOFF_FIRST_S, self.contact.patience_s
        while True:
            try:
                async with asyncio.timeout(None if math.isinf(patience_s) else patience_s):
                    return remote.load_answer(await self._post(remote.name, question))
            except TimeoutError:
                self.contact.check()  # otherwise the server answers other questions, and this one takes long
            except DatabaseUnavailable as error:
                self.contact.check()
                now = clock.monotonic_s()
                if now - warned >= _WARN_EVERY_S:
                    warned = now
                    _log.warning("still waiting after %.0f s: %s", now - began, error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)

    def adopt(
        self, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None
    ) -> Coroutine[Any, Any, Adopted]:
        return self.ask(flow_runs.adopt, (run_id, owner, lease_s, dead_epoch), {})

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> Coroutine[Any, Any, bool]:
        return self.ask(leases.release, (run_id, epoch, owner_id), {})

    def hurry(self) -> None:
        """From now on wait only some seconds for a server that does not answer."""
        self.contact.patience_s = min(self.contact.patience_s, _CLOSE_PATIENCE_S)

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, name: str, question: bytes) -> bytes:
        url = f"{self._url}/{name}"
        with self.contact.question():
            try:
                answer = await self._client.post(
                    url, content=question, headers={"content-type": "application/json"}
                )
            except httpx.HTTPError as error:
                raise server_away(url, _why(error)) from error
        if answer.status_code in _AGAIN:
            raise server_away(url, f"it answers {answer.status_code}")
        self.contact.answered()
        if answer.status_code == 200:
            return answer.content
        raise _failure(url, answer)


def record_to_server(api_url: str, limits: JournalLimits | None = None) -> ThreadRecording:
    """Check that the server answers, and start a journal to it; the server decides how long leases last.

    Raises DatabaseUnavailable, BadSetting.
    """

    async def start() -> tuple[RemoteStore, Journal, float]:
        client = http_client(api_url)
        store = RemoteStore(api_url, client)
        try:
            lease_s: float = (await store.terms())["lease_s"]
        except BaseException:
            await client.aclose()
            raise
        contact = store.contact = Contact(api_url, lease_s)
        journal = Journal(HttpTransport(api_url, client, contact), lease_s, limits, contact)
        contact.on_gone = journal.leave
        return store, journal, lease_s

    return open_recording(api_url, start())


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _failure(url: str, answer: httpx.Response) -> Exception:
    """The error that the verb raised on the server, as far as its answer tells."""
    try:
        told = cast("dict[str, Any]", orjson.loads(answer.content))
        kind: Any = getattr(errors, str(told.get("error")), None)
    except (orjson.JSONDecodeError, AttributeError):
        told, kind = {}, None
    if isinstance(kind, type) and issubclass(kind, HeliostatError):
        failure = kind(str(told.get("detail")))
        hint = told.get("hint")
        failure.hint = str(hint) if hint else failure.hint
        return failure
    return Unavailable(
        f"the server at {url} answers {answer.status_code}: {answer.text[:500]}", hint="see the server's log"
    )
