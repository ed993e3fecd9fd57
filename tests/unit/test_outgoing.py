"""Requests of webhooks and notifications: where they go, and how much of the answer is read.

The story: a webhook that may not reach private networks asked for the addresses of its name, and then
connected to the name: a name server that answers otherwise the second time had it post to the server's own
network. Bodies of any size were read whole. Now it connects to an address that was checked, and stops reading
soon.
"""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from heliostat.api.actions import outgoing
from heliostat.api.actions.outcome import ActionFailed
from heliostat.api.actions.outgoing import Request, is_public, send

ENDLESS = 1 << 40


class Site(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[tuple[str, str | None]] = []
        self.headers: dict[str, str] = {}
        self.body = b"fine"
        self.status = 200
        self.sent = 0


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        site = cast("Site", self.server)
        site.asked.append((self.path, self.headers["Host"]))
        self.send_response(site.status)
        for name, value in site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        left = int(site.headers.get("Content-Length", len(site.body)))
        try:
            while left > 0:
                self.wfile.write(site.body)
                left -= len(site.body)
                site.sent += len(site.body)
        except OSError:
            pass  # nobody reads on

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Names:
    """A name server that gives one answer after another."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.answers.pop(0)]


def is_first(address: str) -> bool:
    return address == "127.0.0.1"


def request(site: Site, host: str = "hooks.example") -> Request:
    return Request("POST", f"http://{host}:{site.server_port}/in", {}, b"x")


async def test_a_host_whose_address_changes_after_the_check_gets_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer of the name server is never asked for: the one that was checked is connected to."""
    names = Names(["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    with pytest.raises(ActionFailed, match="private networks"):
        await send(request(site), anywhere=False)
    names.answers[:] = [["127.0.0.1"], ["127.0.0.2"]]
    monkeypatch.setattr(outgoing, "is_public", is_first)
    assert (await send(request(site), anywhere=False)).text == "fine"
    assert site.asked == [("/in", f"hooks.example:{site.server_port}")] and len(names.answers) == 1


async def test_one_private_address_among_others_is_enough_to_refuse(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(ActionFailed, match="private networks"):
        await send(request(site), anywhere=False)
    assert site.asked == []


async def test_the_next_address_is_tried_and_no_proxy_is_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would look for the name again."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(socket, "getaddrinfo", Names(["127.0.0.3", "127.0.0.1"]))
    monkeypatch.setattr(outgoing, "is_public", bool)
    assert (await send(request(site), anywhere=False)).status_code == 200


async def test_a_redirect_is_shown_and_not_followed(site: Site) -> None:
    site.status, site.headers = 302, {"Location": f"http://127.0.0.1:{site.server_port}/secret"}
    reply = await send(request(site, "127.0.0.1"))
    assert reply.status_code == 302 and [path for path, _ in site.asked] == ["/in"]


async def test_only_the_beginning_of_a_long_answer_is_read(site: Site) -> None:
    site.body, site.headers = b"x" * 65_536, {"Content-Length": str(ENDLESS)}
    reply = await send(request(site, "127.0.0.1"))
    assert reply.text == "x" * 65_536
    assert site.sent < ENDLESS


async def test_a_compressed_answer_grows_no_larger_than_the_limit(site: Site) -> None:
    site.body = gzip.compress(b"x" * 10_000_000)
    site.headers = {"Content-Encoding": "gzip"}
    assert (await send(request(site, "127.0.0.1"))).text == "x" * 65_536
    site.body = b"no gzip at all"
    assert (await send(request(site, "127.0.0.1"))).text == "no gzip at all"


@pytest.mark.parametrize("url", ["ftp://a.example", "http://", "nothing", "http://a.example:99999/"])
async def test_a_bad_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ActionFailed) as told:
        await send(Request("POST", url, {}, b""), anywhere=False)
    assert "a.example" not in str(told.value)


def test_public_addresses_are_those_that_no_private_network_uses() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"):
        assert is_public(address)
    for address in (
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "ff02::1",
        "2002:7f00:1::",
    ):  # fmt: skip
        assert not is_public(address), address
