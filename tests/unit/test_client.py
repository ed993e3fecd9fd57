"""The client's manners, against a server that answers what a test says."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from heliostat.api.server.record import OwnRecord, ServerRecord
from heliostat.runtime.client import http
from heliostat.runtime.client.client import HeliostatClient, SyncHeliostatClient, get_client
from heliostat.runtime.foundation import errors
from heliostat.runtime.foundation.settings import override_settings

FLOW_ID = str(uuid4())
FLOW = {"id": FLOW_ID, "name": "etl", "tags": [], "created": "2026-01-01T00:00:00Z", "more": 1}

Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_pause_s", lambda *_: 0.0)


def client_of(answer: Answer, **options: str) -> SyncHeliostatClient:
    return get_client(
        sync_client=True, api_url="http://test/api", transport=httpx.MockTransport(answer), **options
    )


def always(status: int, body: object) -> Answer:
    return lambda _: httpx.Response(status, json=body)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (404, {"detail": "Flow not found"}, errors.NotFound, "Flow not found"),
        (401, {"exception_message": "Unauthorized"}, errors.NotAllowed, "Unauthorized"),
        (403, {"detail": "reserved"}, errors.NotAllowed, "reserved"),
        (409, {"detail": "there is one"}, errors.Duplicate, "there is one"),
        (400, {"detail": "no"}, errors.RequestRefused, "no"),
        (
            422,
            {"exception_message": "x", "exception_detail": [{"loc": ["body", "name"], "msg": "is empty"}]},
            errors.RequestRefused,
            "name: is empty",
        ),
        (500, {"exception_message": "Internal Server Error"}, errors.ServerFailed, "500"),
    ],
)
def test_a_refusal_becomes_the_error_of_its_kind_with_the_servers_words(
    status: int, body: object, kind: type[Exception], said: str
) -> None:
    with client_of(always(status, body)) as client, pytest.raises(kind, match=said):
        client.read_flow(uuid4())


@pytest.mark.parametrize("status", [408, 429, 502, 503])
def test_a_request_is_sent_again_after_a_failure_that_may_pass(status: int) -> None:
    answers = [httpx.Response(status), httpx.Response(status), httpx.Response(200, json=FLOW)]
    with client_of(lambda _: answers.pop(0)) as client:
        assert client.read_flow(uuid4()).name == "etl"
    assert answers == []


def test_a_server_that_keeps_failing_is_given_up_on() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(503, json={"exception_message": "Service Unavailable"})

    with client_of(answer) as client, pytest.raises(errors.ServerFailed):
        client.read_flow(uuid4())
    assert len(asked) == http.ATTEMPTS


def test_a_lost_connection_is_made_again_but_a_wrong_address_fails_at_once() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) in (1, 3):
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=FLOW)

    with client_of(answer) as client:
        with pytest.raises(errors.ServerUnavailable) as refused:
            client.read_flow(uuid4())
        assert "heliostat server start" in str(refused.value.hint)
        client.read_flow(uuid4())
        client.read_flow(uuid4())  # the third request is lost, the fourth answers
    assert len(asked) == 4


def test_a_post_that_may_have_been_done_is_not_sent_twice() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method == "POST":
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(200, json=FLOW)

    with client_of(answer) as client:
        client.read_flow(uuid4())
        with pytest.raises(errors.ServerUnavailable):
            client.create_work_pool("gpu", base_job_template={})
    assert asked == ["GET", "POST"]


def test_a_run_of_a_deployment_that_is_asked_for_again_is_the_same_run() -> None:
    """The request may have been done although its answer got lost."""
    keys: list[str] = []
    run = {"id": str(uuid4()), "name": "x", "flow_id": FLOW_ID}

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(json.loads(request.content)["idempotency_key"])
        return httpx.Response(503) if len(keys) == 1 else httpx.Response(201, json=run)

    with client_of(answer) as client:
        client.create_flow_run_from_deployment(uuid4())
        assert keys[0] == keys[1]
        client.create_flow_run_from_deployment(uuid4())
    assert keys[2] != keys[1]


def test_an_answer_that_is_not_from_the_api_raises_an_error_with_a_hint() -> None:
    with client_of(always(200, {"title": "a page"})) as client:
        with pytest.raises(errors.ServerFailed) as refused:
            client.read_flow(uuid4())
    assert "/api" in str(refused.value.hint)


def test_fields_that_the_client_does_not_know_are_kept() -> None:
    with client_of(always(200, FLOW)) as client:
        assert client.read_flow(uuid4()).to_json()["more"] == 1


def test_every_request_carries_the_password() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(200, json=FLOW)

    with override_settings(api_auth_string="me:secret"), client_of(answer) as client:
        client.read_flow(uuid4())
    assert seen == ["Basic " + base64.b64encode(b"me:secret").decode()]


def test_every_call_has_a_synchronous_form() -> None:
    def calls(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}

    coroutines = {
        name for name in calls(HeliostatClient) if inspect.iscoroutinefunction(getattr(HeliostatClient, name))
    }
    assert coroutines <= calls(SyncHeliostatClient)


def test_the_server_of_this_machine_is_found_where_none_is_set(heliostat_home: Path) -> None:
    with pytest.raises(errors.ServerUnavailable) as refused:
        get_client()
    assert "heliostat server start" in str(refused.value.hint)
    record = OwnRecord(4299)
    try:
        record.write(ServerRecord(1, "127.0.0.1", 4299, "http://127.0.0.1:4299/api", True, None))
        # A lock counts between descriptors of one process too, so this process sees its own record.
        with get_client(sync_client=True) as client:
            assert client.api_url == "http://127.0.0.1:4299/api"
        with override_settings(api_url="http://elsewhere/api"), get_client(sync_client=True) as client:
            assert client.api_url == "http://elsewhere/api"
    finally:
        record.close()
