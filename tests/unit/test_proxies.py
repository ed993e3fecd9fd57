"""Which addresses are this machine's own."""

from __future__ import annotations

import pytest

from heliostat.runtime.foundation.proxies import is_loopback, with_loopback_direct


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:4200/api", True),
        ("http://127.8.8.8/api", True),
        ("http://localhost:4200/api", True),
        ("https://api.localhost/api", True),
        ("http://[::1]:4200/api", True),
        ("http://0.0.0.0:4200/api", True),
        ("http://localhost.example.com/api", False),
        ("http://10.0.0.1:4200/api", False),
        ("http://[2001:db8::1]/api", False),
        ("no address", False),
    ],
)
def test_addresses_of_this_machine_are_told_from_others(url: str, own: bool) -> None:
    assert is_loopback(url) is own


def test_proxies_of_child_processes_keep_what_the_environment_says() -> None:
    told = with_loopback_direct({"NO_PROXY": "example.com, localhost", "HTTP_PROXY": "http://proxy"})
    assert told["NO_PROXY"] == told["no_proxy"] == "example.com,localhost,127.0.0.1,::1"
    assert told["HTTP_PROXY"] == "http://proxy"
    assert with_loopback_direct({"no_proxy": "*"}) == {"no_proxy": "*"}
