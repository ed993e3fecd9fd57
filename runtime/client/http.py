"""Requests to the API: how they are sent, when they are retried, and which errors they raise."""

from __future__ import annotations

import asyncio
import getpass
import os
import platform
import random
from collections.abc import Mapping
from typing import Any, cast

import httpx
import orjson

from ..foundation.errors import (
    Duplicate,
    NotAllowed,
    NotFound,
    RequestRefused,
    ServerFailed,
    ServerUnavailable,
    UnstorableValue,
)
from ..foundation.proxies import httpx_mounts
from ..foundation.server_access import ServerAccess
from ..foundation.settings import current_settings
from ..values.sayable import where_unsayable

TIMEOUT_S = 60.0
ATTEMPTS = 6  # the first and five retries, like the standard's clients
AGAIN = frozenset({408, 429, 502, 503})
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_DATA = (
    "parameters",
    "job_variables",
    "run_input",
)  # the author's data: must arrive unchanged, or not at all
_API_VERSION = "0.8.4"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Connection:
    """Sends requests to the API at `api_url`; paths are relative to it. Close it when done."""

    def __init__(
        self,
        api_url: str,
        *,
        auth_string: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        access = ServerAccess(self.api_url, auth_string or current_settings().api_auth_string)
        headers = {
            "X-Prefect-Api-Version": _API_VERSION,
            "Content-Type": "application/json",
            "User-Agent": f"heliostat ({_person()})",
        }
        self._http = httpx.AsyncClient(
            base_url=self.api_url,
            headers=headers,
            timeout=TIMEOUT_S,
            transport=transport,
            auth=access,
            mounts=httpx_mounts(self.api_url),
        )
        self._answered = False

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET."""
        return await self.json("GET", path, query=query)

    async def read(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON answer to a POST that only reads, and so may be repeated."""
        return await self.json("POST", path, body or {}, repeatable=True)

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        repeatable: bool | None = None,
    ) -> Any:
        """Send `body` as JSON; returns the answer's JSON, or None when it is empty.

        `repeatable`: the request may be sent again even if the server may have handled it; by default all
        methods but POST are. Raises ServerUnavailable, ServerFailed, and the error of `error_of` for a
        refusal.
        """
        content = None if body is None else _content(body)
        answer = await self.send(method, path, content, query=query, repeatable=repeatable)
        if not answer.content:
            return None
        try:
            return orjson.loads(answer.content)
        except ValueError:
            if "json" in answer.headers.get("content-type", ""):
                raise ServerFailed(f"the answer of {self.api_url}{path} is not valid JSON") from None
            return answer.text

    async def send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> httpx.Response:
        """The answer to a request, after retries; see `json`."""
        repeatable = method != "POST" if repeatable is None else repeatable
        params = {name: value for name, value in (query or {}).items() if value is not None}
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                answer = await self._http.request(
                    method, path, content=content, params=params, headers=dict(headers or {})
                )
            except httpx.HTTPError as error:
                # Before the first answer the address may be wrong: fail at once.
                harmless = repeatable or isinstance(error, _NEVER_SENT)
                if last or not self._answered or not harmless:
                    raise self._away(error) from error
                await asyncio.sleep(_pause_s(attempt))
                continue
            except httpx.InvalidURL as error:
                raise self._away(error) from error
            self._answered = True
            if answer.is_success:
                return answer
            if last or answer.status_code not in AGAIN:
                raise error_of(answer)
            await asyncio.sleep(_pause_s(attempt, answer.headers.get("Retry-After")))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _away(self, error: Exception) -> ServerUnavailable:
        why = str(error) or type(error).__name__
        return ServerUnavailable(
            f"No Heliostat server answers at {self.api_url} ({why}).",
            hint="start one with: heliostat server start; or set HELIOSTAT_API_URL to where one runs",
        )


def _person() -> str:
    """The user and machine of this client, recorded as the author of changes."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        name = f"uid {os.getuid()}"
    return f"{name}@{platform.node()}".encode("ascii", "replace").decode()


def _content(body: Any) -> bytes:
    """The request's JSON. Ids and times become the standard's texts; a value without a form in JSON is
    refused.
    """
    found = _changed_on_the_way(body)
    try:
        if found is None:
            return orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except (TypeError, ValueError) as error:
        found = str(error)
    raise UnstorableValue(
        f"the request cannot be sent: {found}",
        hint="Give plain data: texts, numbers, lists, and dicts with texts as keys.",
    )


def _changed_on_the_way(body: Any) -> str | None:
    """Where and why the author's data in a request would arrive changed; None when all arrives unchanged."""
    for entry in cast("list[Any]", body) if isinstance(body, list) else [body]:
        if not isinstance(entry, Mapping):
            continue
        fields = cast("Mapping[str, Any]", entry)
        for name in _DATA:
            found = where_unsayable(fields.get(name))
            if found is not None:
                return f"{name}.{found[0]}: {found[1]}"
        if isinstance(fields.get("schedules"), list):
            return _changed_on_the_way(fields["schedules"])
    return None


def error_of(answer: httpx.Response) -> Exception:
    """The error for an answer with status 300 or above."""
    status = answer.status_code
    text = refusal_text(answer)
    if status == 404:
        return NotFound(text or f"{answer.request.url.path} does not exist.")
    if status in (401, 403):
        hint = "set HELIOSTAT_API_AUTH_STRING=USER:PASSWORD" if status == 401 else None
        return NotAllowed(text or "The server does not allow this.", hint=hint)
    if status == 409:
        return Duplicate(text or "An object of this name exists already.")
    if 400 <= status < 500:
        return RequestRefused(text or f"The server answers {status}.", status)
    return ServerFailed(
        f"The server failed at {answer.request.method} {answer.request.url.path}: "
        f"{status}{f' {text}' if text else ''}",
        hint="its log says more; on this machine: heliostat server status",
    )


def refusal_text(answer: httpx.Response) -> str:
    """The message of an error answer, in any of the standard's shapes."""
    try:
        body = orjson.loads(answer.content)
    except ValueError:
        return answer.text[:500].strip()
    if not isinstance(body, dict):
        return str(body)[:500]
    said = cast("dict[str, Any]", body)
    problems = said.get("exception_detail")
    if isinstance(problems, list):
        return "; ".join(map(_problem, cast("list[Any]", problems))) or str(said.get("exception_message"))
    detail = said.get("detail", said.get("exception_message", ""))
    if isinstance(detail, list):
        return "; ".join(map(_problem, cast("list[Any]", detail)))
    return str(detail)


def _problem(problem: Any) -> str:
    """One validation error: the path of the field, and what is wrong with it."""
    if not isinstance(problem, dict):
        return str(problem)
    facts = cast("dict[str, Any]", problem)
    steps: list[Any] = facts.get("loc") or []
    place = ".".join(map(str, steps[1:] if steps[:1] == ["body"] else steps))
    message = str(facts.get("msg", "is not valid"))
    return f"{place}: {message}" if place else message


def _pause_s(attempt: int, asked: str | None = None) -> float:
    """The pause before the next attempt: doubled each time, with jitter, unless the server says how long."""
    try:
        if asked is not None:
            return min(max(float(asked), 0.0), 60.0)
    except ValueError:
        pass
    return min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S) * (1 + 0.2 * random.random())
