"""Whether a server's own Ray has its dashboard is a setting: it costs some 600 MiB of memory."""

import os
from types import SimpleNamespace
from typing import Any

import pytest

from heliostat.runtime.engine import ray_cluster
from heliostat.runtime.foundation.settings import override_settings


@pytest.fixture
def asked_of_ray(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `ray.init` is told; no Ray is started."""
    calls: list[dict[str, Any]] = []

    def init(**words: Any) -> SimpleNamespace:
        calls.append(words)
        url = None if words.get("include_dashboard") is False else "127.0.0.1:8265"
        return SimpleNamespace(dashboard_url=url, address_info={"gcs_address": "127.0.0.1:6379"})

    for place, name in (
        (ray_cluster, "use_own_token"),
        (ray_cluster, "use_cluster_token"),
        (ray_cluster.own_rays, "note"),
    ):
        monkeypatch.setattr(place, name, lambda *_: None)
    monkeypatch.setattr(ray_cluster.os, "environ", dict(os.environ))  # a start puts settings of Ray there
    monkeypatch.setattr(ray_cluster._ray, "init", init)
    return calls


def test_a_server_starts_its_ray_with_the_dashboard(asked_of_ray: list[dict[str, Any]]) -> None:
    assert ray_cluster.start_local() == "http://127.0.0.1:8265"
    assert asked_of_ray[0]["include_dashboard"] is None  # Ray's own default: when its packages are there


def test_a_server_starts_its_ray_without_the_dashboard_when_the_setting_says_so(
    asked_of_ray: list[dict[str, Any]],
) -> None:
    with override_settings(ray_dashboard=False):
        assert ray_cluster.start_local() is None
    assert asked_of_ray[0]["include_dashboard"] is False


def test_a_cluster_that_is_joined_is_asked_for_no_dashboard(asked_of_ray: list[dict[str, Any]]) -> None:
    """Ray refuses to join with the word."""
    with override_settings(ray_dashboard=False):
        ray_cluster._initialise("heliostat", "127.0.0.1:6379", is_server=True)
    assert "include_dashboard" not in asked_of_ray[0]
