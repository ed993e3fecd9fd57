"""Errors as statuses and bodies in the standard's shapes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError

from ..runtime.foundation import errors
from ..runtime.store.database.wire_text import json_value
from .answers import JsonAnswer
from .schemas import INVALID_LIMIT

_log = logging.getLogger("heliostat.api")

T = TypeVar("T")

STATUSES: tuple[tuple[type[errors.HeliostatError], int], ...] = (
    (errors.NotFound, 404),
    (errors.PackageTooLarge, 413),
    (errors.Reserved, 403),
    (errors.UnresolvedParameter, 400),
    (errors.BadBlock, 400),
    (errors.GraphTooLarge, 400),
    (errors.Unavailable, 503),
    (errors.NoFreeSlots, 423),
    (errors.Conflict, 409),
    (errors.UserError, 422),
)
"""The first match wins; an error that is not listed is a fault of the server: 500."""


def install(app: FastAPI) -> None:
    """Let `app` answer every error in the standard's form."""
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(errors.HeliostatError, _ours)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(UnicodeEncodeError, _half_a_character)
    app.add_exception_handler(Exception, _unexpected)


async def there(reading: Awaitable[T], what: str) -> T:
    """The value, or a 404 in the form of store errors, `{"exception_message": "Flow run not found"}`."""
    try:
        return await reading
    except errors.NotFound as error:
        raise errors.NotFound(f"{what} not found") from error


async def found(reading: Awaitable[T], what: str) -> T:
    """The value, or a 404 in the form of errors of routes: `{"detail": "Flow run not found"}`."""
    try:
        return await reading
    except errors.NotFound as error:
        raise HTTPException(404, f"{what} not found") from error


@contextmanager
def conflicting(what: str) -> Generator[None]:
    """Turn errors of parameters that do not fit into a 409: `{"detail": "<what>: ..."}`."""
    try:
        yield
    except errors.ParameterMismatch as error:
        raise HTTPException(409, f"{what}: {with_hint(error)}") from error


async def _invalid_request(request: Request, error: Exception) -> JsonAnswer:
    assert isinstance(error, RequestValidationError)
    for each in error.errors():
        if each["type"] == INVALID_LIMIT:
            return JsonAnswer({"detail": each["msg"]}, 422)
    faults = [_fault(each) for each in error.errors()]
    # The input may hold values that no answer can: huge numbers, half surrogates, a thousand nested lists.
    answer = {
        "exception_message": "Invalid request received.",
        "exception_detail": faults,
        "request_body": _shown(error.body),
    }
    return JsonAnswer(json_value(answer), 422)


def _fault(told: Mapping[str, Any]) -> dict[str, Any]:
    fault = {name: _shown(told.get(name)) for name in ("type", "loc", "msg", "input")}
    # `ctx` holds the parts of the message: an error among them is in the message already.
    facts: dict[str, Any] = told.get("ctx") or {}
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
    return {**fault, "ctx": plain} if plain else fault


def status_of(error: errors.HeliostatError) -> int:
    """The status of an answer that reports this error."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


async def _ours(request: Request, error: Exception) -> JsonAnswer:
    assert isinstance(error, errors.HeliostatError)
    status = status_of(error)
    if status == 404:
        return JsonAnswer({"exception_message": str(error)}, 404)
    if status == 503:
        _log.warning("%s %s: %s", request.method, request.url.path, error)
        return JsonAnswer({"exception_message": "Service Unavailable"}, 503)
    if status == 500:
        return await _unexpected(request, error)
    headers = None
    if isinstance(error, errors.NoFreeSlots) and error.limit != 0:
        # A limit of 0 never lets anything through: without a time to wait, clients give up.
        headers = {"Retry-After": f"{error.retry_after_s:.3f}"}
    return JsonAnswer({"detail": with_hint(error)}, status, headers)


async def _too_deep(request: Request, error: Exception) -> JsonAnswer:
    _log.warning("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return JsonAnswer({"detail": "The request holds values that are nested too deeply."}, 422)


async def _half_a_character(request: Request, error: Exception) -> JsonAnswer:
    _log.warning("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return JsonAnswer({"detail": "The request holds half of a surrogate pair, which is no text."}, 422)


async def _unexpected(request: Request, error: Exception) -> JsonAnswer:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JsonAnswer({"exception_message": "Internal Server Error"}, 500)


def with_hint(error: errors.HeliostatError) -> str:
    """The error in one line, with what to do next."""
    return str(error) if error.hint is None else f"{error} ({error.hint})"


def _shown(sent: Any) -> Any:
    return sent[:1000].decode("utf-8", "replace") if isinstance(sent, bytes) else sent
