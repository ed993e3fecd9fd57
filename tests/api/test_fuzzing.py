"""Whatever is sent, no answer is a fault of the server: requests that Schemathesis makes of our OpenAPI."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from heliostat.api.app import create_app

sys.path.append(str(Path(__file__).parents[1] / "support"))
from api_objects import seeds  # noqa: E402
from fuzzed_requests import ID_COUNT, FuzzedRequest, fuzzed_requests  # noqa: E402

EXAMPLES = 3


@pytest.fixture(scope="module")
def requests() -> Iterator[list[FuzzedRequest]]:
    yield fuzzed_requests(create_app("sqlite:////nowhere/unused.db").openapi(), EXAMPLES)


async def test_no_request_makes_the_server_fail(api: Any, requests: list[FuzzedRequest]) -> None:
    known = await seeds(api)
    ids = [value for value in known.values() if len(value) == 36][:ID_COUNT]
    failures: list[str] = []
    # What deletes comes last, so that the others find what they ask for.
    for request in sorted(requests, key=lambda request: request.method == "DELETE"):
        asked = request.with_ids(ids)
        answer = await send(api, asked)
        if answer.status_code >= 500:
            failures.append(f"{asked.label}: {asked.path} {asked.query} {asked.body!r}: {answer.text}")
    assert failures == []


async def send(api: Any, asked: FuzzedRequest) -> httpx.Response:
    # The path goes as it is: httpx would take dots and encoded slashes for what they mean in a file system.
    url = httpx.URL("http://test", raw_path=asked.path.encode())
    if asked.query:
        url = url.copy_merge_params(asked.query)
    headers = {name: value.encode("utf-8", "replace") for name, value in asked.headers.items()}
    return await api.request(asked.method, url, content=asked.body, headers=headers)
