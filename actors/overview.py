"""Supervisors and nodes on the cluster, in a few words, for people."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from . import names

_ray: Any = ray


def supervisors(timeout_s: float) -> list[dict[str, Any]]:
    """The supervisors of every pool, as the pools know them; none of a pool that does not answer."""
    known: list[dict[str, Any]] = []
    asked = [names.find(name) for name in names.living(f"{names.CONTROL}pool:")]
    for reply in [handle.supervisors.remote() for handle in asked if handle is not None]:
        try:
            known += _ray.get(reply, timeout=timeout_s)
        except (RayError, GetTimeoutError):
            continue
    return known


def nodes() -> list[dict[str, Any]]:
    """The nodes that are up."""
    return [
        {
            "node": node["NodeManagerHostname"],
            "address": node["NodeManagerAddress"],
            "cpus": node["Resources"].get("CPU", 0.0),
            "gpus": node["Resources"].get("GPU", 0.0),
            "memory_bytes": int(node["Resources"].get("memory", 0)),
        }
        for node in _ray.nodes()
        if node["Alive"]
    ]
