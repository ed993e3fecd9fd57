"""A message that tries a notification block: it arrives, or the answer says why it did not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

from .conftest import Client


@contextmanager
def listener(answer: int, heard: list[bytes]) -> Iterator[str]:
    """The address of a server that keeps what it is sent, and always gives one answer."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def a_block(api: Client, slug: str, data: dict[str, Any]) -> str:
    kind = (await api.get(f"/block_types/slug/{slug}")).json()
    asked = {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}
    [schema, *_] = (await api.post("/block_schemas/filter", json=asked)).json()
    body = {"name": "room", "data": data, "block_schema_id": schema["id"], "block_type_id": kind["id"]}
    made = await api.post("/block_documents/", json=body)
    assert made.status_code == 201, made.text
    return made.json()["id"]


async def test_a_message_arrives_at_the_address_of_the_block(api: Client) -> None:
    heard: list[bytes] = []
    with listener(200, heard) as address:
        block = await a_block(api, "slack-webhook", {"url": address})
        answer = await api.post(f"/heliostat/block_documents/{block}/send_test")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status_code"] == 200
    assert len(heard) == 1 and b"try this block" in heard[0]


async def test_a_refusal_of_the_other_side_is_told_without_the_address(api: Client) -> None:
    with listener(403, []) as address:
        block = await a_block(api, "slack-webhook", {"url": address})
        answer = await api.post(f"/heliostat/block_documents/{block}/send_test")
    assert answer.status_code == 422
    assert "answered 403" in answer.json()["detail"] and address not in answer.text


async def test_a_block_that_cannot_notify_is_refused(api: Client) -> None:
    block = await a_block(api, "secret", {"value": "x"})
    answer = await api.post(f"/heliostat/block_documents/{block}/send_test")
    assert answer.status_code == 422 and "cannot notify" in answer.json()["detail"]
