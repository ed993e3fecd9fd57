"""A picture of the cluster, for people who have no Ray dashboard at hand: nodes, who uses them, actors, news.

It is plain JSON, because it is kept in the database: the API's process shows it and never joins Ray.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
from ray._private import state as ray_state
from ray._private import worker as ray_worker
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import node_manager_pb2, node_manager_pb2_grpc

from ..runtime.store.clusters import Sample
from . import names

_ray: Any = ray
_state: Any = ray_state.state
_worker: Any = ray_worker
_channel: Any = init_grpc_channel
_messages: Any = node_manager_pb2
_stubs: Any = node_manager_pb2_grpc
_log = logging.getLogger("heliostat.keeper")

_ANSWERS_WITHIN_S = 3.0
_ASKED_AT_ONCE = 16
_NEWS_KEPT = 40
_ALIVE = 0  # in Ray's table of nodes
_PLACES = ("CPU", "GPU")


def take(
    actors: Sequence[Mapping[str, Any]],
    supervisors: Sequence[Mapping[str, Any]],
    before: Mapping[str, Any] | None,
    now_s: float,
) -> dict[str, Any]:
    """What is on the cluster now. `actors` are those that should live, `before` is the picture taken last."""
    infos: list[Any] = list(
        _worker.global_worker.gcs_client.get_all_node_info(timeout=_ANSWERS_WITHIN_S).values()
    )
    living = [info for info in infos if info.state == _ALIVE]
    free: dict[str, dict[str, float]] = _state.available_resources_per_node()
    with ThreadPoolExecutor(_ASKED_AT_ONCE, "heliostat-nodes") as threads:
        stats = list(threads.map(_stats_of, living))
    nodes = [
        _node(info, free.get(info.node_id.hex(), {}), told) for info, told in zip(living, stats, strict=True)
    ]
    nodes.sort(key=lambda node: (not node["is_head"], node["name"], node["id"]))
    picture = {
        "ray_version": str(_ray.__version__),
        "nodes": nodes,
        "actors": [_actor(each) for each in actors],
        "supervisors": [dict(each) for each in supervisors],
    }
    return {**picture, "news": news_between(before, picture, infos, now_s)}


def sample_of(picture: Mapping[str, Any]) -> Sample:
    """How much of the cluster is in use in a picture."""

    def total(name: str) -> float:
        return float(sum(node[name] or 0 for node in picture["nodes"]))

    return Sample(
        nodes=len(picture["nodes"]),
        cpu_used=total("cpus_used"),
        cpu_total=total("cpus"),
        gpu_used=total("gpus_used"),
        gpu_total=total("gpus"),
        memory_used=total("memory_used") or total("memory_set_aside"),
        memory_total=total("memory"),
        store_used=total("store_used"),
        store_total=total("store"),
    )


def news_between(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], infos: Sequence[Any], now_s: float
) -> list[dict[str, Any]]:
    """What has changed between two pictures, the newest first, followed by the news of the older one."""
    if before is None:
        return []
    why = {info.node_id.hex(): str(info.death_info.reason_message) for info in infos if info.state != _ALIVE}
    found: list[dict[str, Any]] = []

    def add(kind: str, name: str, text: str) -> None:
        found.append({"at": now_s, "kind": kind, "name": name, "text": text})

    old_nodes = {node["id"]: node for node in before.get("nodes", [])}
    new_nodes = {node["id"]: node for node in after["nodes"]}
    for node_id, node in old_nodes.items():
        if node_id not in new_nodes:
            add("node-lost", node["name"], why.get(node_id, "").strip() or "Ray no longer knows it")
    for node_id, node in new_nodes.items():
        if node_id not in old_nodes and old_nodes:
            add("node-joined", node["name"], f"{node['cpus']:g} CPUs, {node['gpus']:g} GPUs")
    restarts = {actor["name"]: (actor["restarts"], actor["pid"]) for actor in before.get("actors", [])}
    for actor in after["actors"]:
        was = restarts.get(actor["name"])
        if was is not None and actor["pid"] and was[1] and was[1] != actor["pid"]:
            add("actor-restarted", actor["name"], "it rebuilt its state from the database")
    return [*reversed(found), *before.get("news", [])][:_NEWS_KEPT]


def _stats_of(info: Any) -> Any | None:
    """What a node's raylet tells of its workers and its object store; None when it does not answer."""
    try:
        channel = _channel(f"{info.node_manager_address}:{info.node_manager_port}")
        try:
            asked = _messages.GetNodeStatsRequest(include_memory_info=False)
            stub = _stubs.NodeManagerServiceStub(channel)
            return stub.GetNodeStats(asked, timeout=_ANSWERS_WITHIN_S)
        finally:
            channel.close()
    except (
        Exception
    ) as error:  # Ray's own errors and those of its transport; the rest of the picture is known
        _log.debug("node %s tells nothing: %s", info.node_manager_hostname, error)
        return None


def _node(info: Any, free: Mapping[str, float], told: Any | None) -> dict[str, Any]:
    total: dict[str, float] = dict(info.resources_total)

    def used(name: str) -> float:
        return round(max(0.0, total.get(name, 0.0) - free.get(name, 0.0)), 4)

    store = int(total.get("object_store_memory", 0))
    physical = _memory_here() if info.node_id.hex() == _ray.get_runtime_context().get_node_id() else None
    return {
        "id": info.node_id.hex(),
        "name": info.node_manager_hostname or info.node_manager_address,
        "address": info.node_manager_address,
        "is_head": bool(info.is_head_node),
        "started": info.start_time_ms / 1000 or None,
        "cpus": total.get("CPU", 0.0),
        "cpus_used": used("CPU"),
        "gpus": total.get("GPU", 0.0),
        "gpus_used": used("GPU"),
        "accelerator": next(
            (n[len("accelerator_type:") :] for n in total if n.startswith("accelerator_type:")), None
        ),
        "memory": physical[1] if physical else int(total.get("memory", 0)),
        "memory_used": physical[0] if physical else None,
        "memory_set_aside": int(used("memory")),
        "store": store,
        "store_used": 0 if told is None else max(0, store - int(told.store_stats.object_store_bytes_avail)),
        "spilled": 0 if told is None else int(told.store_stats.spilled_bytes_total),
        "workers": [] if told is None else _busy(told.core_workers_stats),
    }


def _busy(workers: Sequence[Any]) -> list[dict[str, Any]]:
    """The processes that hold CPUs or GPUs."""
    found: list[dict[str, Any]] = []
    for each in workers:
        held = {
            name: sum(slot.allocation for slot in each.used_resources[name].resource_slots)
            for name in _PLACES
            if name in each.used_resources
        }
        if any(held.values()):
            found.append({"pid": each.pid, "cpus": held.get("CPU", 0.0), "gpus": held.get("GPU", 0.0)})
    return sorted(found, key=lambda each: each["pid"])


def _actor(each: Mapping[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    handle = names.find(str(each["name"]))
    if handle is not None:
        known = _state.actor_table(handle._actor_id.hex()) or {}
    started_ms = known.get("StartTime") or 0
    return {
        **each,
        "node_id": known["Address"]["NodeID"] if known else None,
        "pid": known.get("Pid"),
        "restarts": known.get("NumRestarts", 0),
        "started": started_ms / 1000 or None,
    }


def _memory_here() -> tuple[int, int] | None:
    """Memory of this machine in use, and all of it; None where that cannot be read."""
    if platform.system() != "Linux":
        return None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return sizes["MemTotal"] - sizes["MemAvailable"], sizes["MemTotal"]
    except (OSError, ValueError, KeyError, IndexError):
        return None
