"""What a server wants from a client: an account, and a token against forged requests."""

from __future__ import annotations

from collections.abc import Generator
from uuid import uuid4

import httpx

_TOKEN, _CLIENT = "Prefect-Csrf-Token", "Prefect-Csrf-Client"


class ServerAccess(httpx.Auth):
    """Puts the account of `auth_string` ("user:password") on every request, and a token once the server asks
    for one.

    A request that is refused because its token is missing or old is sent again with a new token.
    """

    requires_response_body = True

    def __init__(self, api_url: str, auth_string: str | None) -> None:
        user, colon, password = (auth_string or "").partition(":")
        self._basic = httpx.BasicAuth(user, password) if colon else None
        self._token_url = f"{api_url.rstrip('/')}/csrf-token"
        self._client = str(uuid4())
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """See httpx.Auth."""
        answer = yield self._signed(request)
        if answer.status_code != 403 or "CSRF" not in answer.text:
            return
        asked = httpx.Request("GET", self._token_url, params={"client": self._client})
        told = yield self._signed(asked)
        if told.status_code == 200:
            self._token = str(told.json()["token"])
        yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        if self._basic is not None:
            request = next(self._basic.auth_flow(request))
        if self._token is not None:
            request.headers[_TOKEN] = self._token
            request.headers[_CLIENT] = self._client
        return request
