"""Where the page of each thing is. The routes of `api/ui/src/shell/` answer these addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

OVERVIEW = "/"
RUNS = "/runs"
FLOWS = "/flows"
DEPLOYMENTS = "/deployments"
WORK_POOLS = "/work-pools"


def base_of(api_url: str, prefix: str = "", *, beside_stock: bool = False) -> str:
    """The address of the pages of the server with that API, without a slash at its end.

    `prefix` is the path that a proxy puts before it; `beside_stock`: pages of a stock package have the root.
    """
    root = api_url.rstrip("/").removesuffix("/api")
    if prefix and not root.endswith(prefix):
        root += prefix
    return f"{root}/ui" if beside_stock else root


def flow_run(it: object) -> str:
    return f"{RUNS}/{it}"


def flow_run_logs(it: object) -> str:
    return f"{RUNS}/{it}?tab=logs"


def task_run(it: object) -> str:
    return f"/task-runs/{it}"


def flow(it: object) -> str:
    return f"{FLOWS}/{it}"


def deployment(it: object) -> str:
    return f"{DEPLOYMENTS}/{it}"


def work_pool(name: str) -> str:
    return f"{WORK_POOLS}/{quote(name, safe='')}"


def automation(it: object) -> str:
    return f"/automations/{it}"


def block(it: object) -> str:
    return f"/blocks/{it}"


def artifact(key: str) -> str:
    return f"/artifacts/{quote(key, safe='')}"


_BY_KIND: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "flow": lambda fields: flow(fields.get("id")),
    "flow_run": lambda fields: flow_run(fields.get("id")),
    "task_run": lambda fields: task_run(fields.get("id")),
    "deployment": lambda fields: deployment(fields.get("id")),
    "work_pool": lambda fields: work_pool(str(fields.get("name"))),
    "event": lambda fields: "/events",
}


def of_kind(kind: str, fields: Mapping[str, Any]) -> str:
    """The page of an object in the standard's form; "" for kinds that have none."""
    page = _BY_KIND.get(kind)
    return "" if page is None else page(fields)
