"""Joins or starts Ray, and asks the cluster about nodes and resources."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pickle import PicklingError
from types import ModuleType
from typing import Any, TypeVar, cast

import ray
from ray._private import services
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ..foundation import clock, own_rays
from ..foundation.errors import CannotPickle, RayUnavailable
from ..foundation.settings import current_settings
from ..foundation.standard_streams import stderr_present
from ..foundation.withheld import withheld
from . import programs
from .call_kind import Resources
from .interrupts import sigterm_kept
from .ray_access import use_cluster_token, use_own_token
from .ray_project import with_project

T = TypeVar("T")
NAMESPACE = "heliostat"  # the namespace of scripts; servers add a part that identifies their database
JOURNAL = "journal"  # the actor through which the database is reached
_ASK_TIMEOUT_S = 20.0
_LISTENS_WITHIN_S = 5.0
_NODES_OWN = ("node:", "object_store_memory", "accelerator_type:")  # resources that no task asks for
_connecting = threading.Lock()
_services: Any = services
_ray: Any = ray  # Ray's own types are loose; everything that we take from it is typed here


def connect(address: str | None) -> None:
    """Join the cluster at `address` ("auto": one that runs on this machine), or start a local Ray when it is
    None.

    Does nothing in a process that has joined one already. Raises RayUnavailable.
    """
    with _connecting:
        if _ray.is_initialized():
            return
        named = _named(address)
        try:
            _check_that_it_listens(named)
            _initialise(NAMESPACE, named, is_server=False)
        except Exception as error:
            where = f"a Ray cluster at {address!r}" if address else "a local Ray"
            doing = "joined" if address else "started"
            raise RayUnavailable(
                f"{where} cannot be {doing}: {_first_line(error)}",
                hint="Check HELIOSTAT_RAY_ADDRESS (`ray status --address ...`) and the cluster's token "
                "(RAY_AUTH_TOKEN_PATH), unset it for a local Ray, or use task_runner='threads'.",
            ) from error


def _named(address: str | None) -> str:
    """The address to join; "local" starts a Ray, "auto" has Ray look for one."""
    if address not in (None, "auto"):
        return address
    if told := os.environ.get("RAY_ADDRESS"):
        return told
    own = own_rays.addresses()
    if address == "auto":
        return own[0] if own else address
    started: str | None = _services.find_bootstrap_address(None)  # by `ray start` on this machine
    with suppress(OSError):
        if started:
            _check_that_it_listens(started)
            return started
    return "local"


def start_local(namespace: str = NAMESPACE) -> str | None:
    """Start a Ray that ends with this process; returns its dashboard's address. Raises RayUnavailable."""
    # Workers of a supervisor that died hold their CPUs until they are gone, and do not heed Ray's SIGTERM: by
    # default they are killed after 5 s, in which the run that goes on gets none.
    os.environ.setdefault("RAY_kill_worker_timeout_milliseconds", "300")
    # Ray gives its workers a very low priority: beside other busy programs on the machine, a new worker takes
    # ten times as long to start, and so do the tasks that wait for it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    return _started(namespace, "local")


def join(address: str, namespace: str = NAMESPACE) -> str | None:
    """Join a cluster as a driver of control actors; returns the address of its dashboard."""
    named = _named(address)
    try:
        _check_that_it_listens(named)
    except OSError as error:
        raise RayUnavailable(
            f"nothing listens at the Ray address {address!r} ({error})",
            hint="Start Ray there (`ray start --head`), or leave --ray-address out for a local one.",
        ) from error
    return _started(namespace, named)


def _started(namespace: str, address: str) -> str | None:
    with _connecting:
        try:
            context = _initialise(namespace, address, is_server=True)
        except RayUnavailable:
            raise
        except Exception as error:
            raise RayUnavailable(f"Ray cannot be started or joined: {_first_line(error)}") from error
    url: str = context.dashboard_url or ""
    return f"http://{url}" if url else None


def _initialise(namespace: str, address: str, *, is_server: bool) -> Any:
    """Start a Ray ("local") or join one, with the token that it asks for. A script's own has no dashboard:
    it lives as long as the script, and would start seconds later.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # Otherwise Ray replaces `print` at a worker's first line, and prints are no longer recorded.
    os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")
    is_new = address == "local"
    if is_new or own_rays.is_own(address):
        use_own_token()
    else:
        use_cluster_token()
    shows_dashboard = is_server and current_settings().ray_dashboard
    # Ray's processes, and so all of its workers, inherit what is set here.
    with sigterm_kept(), stderr_present(), withheld() if is_new else nullcontext():
        began_s = clock.epoch_s()
        try:
            context = _ray.init(
                address=address,
                namespace=namespace,
                ignore_reinit_error=True,
                logging_level=logging.ERROR,
                log_to_driver=not is_server,
                **({"include_dashboard": None if shows_dashboard else False} if is_new else {}),
            )
        except BaseException:
            # Ray leaves processes that it has started; on a busy machine each further try would add to them.
            programs.end(programs.started_by(threading.get_native_id(), began_s))
            raise
    if is_new:
        own_rays.note(str(context.address_info["gcs_address"]))
    return context


def is_joined() -> bool:
    """Whether this process has joined a cluster."""
    return bool(_ray.is_initialized())


def namespace() -> str:
    """The namespace of named actors: that of the joined driver, in every process that it has started."""
    return str(_ray.get_runtime_context().namespace)


def address() -> str:
    """The address by which other processes join the cluster."""
    return str(_ray.get_runtime_context().gcs_address)


def answers() -> bool:
    """Whether the cluster answers; waits as long as Ray does."""
    try:
        return any(node["Alive"] for node in _ray.nodes())
    except Exception:  # Ray raises many kinds of errors here, and each means the same
        return False


def leave() -> None:
    """Leave the cluster; one that this process has started ends."""
    own_rays.forget()
    _ray.shutdown()


def _check_that_it_listens(address: str) -> None:
    # Checked first, since Ray would try for minutes and then end the process.
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():  # other addresses, such as "auto", are checked by Ray
        socket.create_connection((host.strip("[]"), int(port)), _LISTENS_WITHIN_S).close()


def own_address() -> str:
    """The address under which workers reach this process."""
    return str(_ray.util.get_node_ip_address())


def slots(resources: Resources) -> int:
    """How many calls that ask for `resources` the cluster can run at a time, at least 1."""
    total = cast("dict[str, float]", _ray.cluster_resources())
    ratios = [total.get(name, 0.0) / amount for name, amount in _asked(resources).items()]
    return max(1, int(min(ratios))) if ratios else max(1, int(total.get("CPU", 1)))


def unmet(resources: Resources) -> str | None:
    """What is asked and what there is, if no node that is up could ever run such a call; else None."""
    asked = _asked(resources)
    nodes = [node["Resources"] for node in _ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0.0) >= amount for name, amount in asked.items()) for node in nodes):
        return None
    names = {name for node in nodes for name in node if not name.startswith(_NODES_OWN)} | set(asked)
    there = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in sorted(names)}
    return f"asks for {_listed(asked)}, but no node of the cluster has that; there is {_listed(there)}"


def grows() -> bool:
    """Whether an autoscaler may add nodes; True also when that cannot be found out."""
    try:
        if any("ray.io/node-group" in node.get("Labels", {}) for node in _ray.nodes()):
            return True
        told: bytes | None = _ray.experimental.internal_kv._internal_kv_get(b"__autoscaling_status")
        report: dict[str, Any] = json.loads(told or b"{}").get("autoscaler_report") or {}
    except Exception:  # the form of Ray's report may change; then no call is given up because of it
        return True
    kinds: list[str] = [*(report.get("active_nodes") or {}), *(report.get("idle_nodes") or {})]
    # Without an autoscaler Ray reports each node as a kind of its own.
    return any(not kind.startswith("node_") for kind in kinds)


def _asked(resources: Resources) -> dict[str, float]:
    asked = {"CPU": resources.num_cpus, "GPU": resources.num_gpus, **dict(resources.custom)}
    asked["memory"] = float(resources.memory_bytes or 0)
    return {name: amount for name, amount in asked.items() if amount > 0}


def _listed(amounts: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {amount / 2**30:.3g} GiB" if name == "memory" else f"{name} {amount:g}"
        for name, amount in amounts.items()
    )


def remote(
    function: Callable[..., Any], name: str, resources: Resources, num_returns: int, traced: bool = True
) -> Any:
    """`function` as a Ray task with those resources and without Ray's retries."""
    options: dict[str, Any] = {
        "num_cpus": resources.num_cpus,
        "max_retries": 0,
        "retry_exceptions": False,
        "num_returns": num_returns,
        "name": name,
        "enable_task_events": traced,
    }
    if _ray.util.get_current_placement_group() is None:
        options["scheduling_strategy"] = "DEFAULT"  # said once, so that Ray need not find out at every call
    if resources.num_gpus:
        options["num_gpus"] = resources.num_gpus
    if resources.memory_bytes:
        options["memory"] = resources.memory_bytes
    if resources.custom:
        options["resources"] = dict(resources.custom)
    runtime_env = with_project(resources.runtime_env)
    if runtime_env:
        options["runtime_env"] = runtime_env
    return _ray.remote(**options)(function)


def put(value: Any) -> Any:
    """A reference to `value`; raises CannotPickle."""
    try:
        return _ray.put(value)
    except (TypeError, AttributeError, PicklingError) as error:
        raise CannotPickle(
            f"a value of type {type(value).__qualname__} cannot be sent to another process: "
            f"{_first_line(error)}"
        ) from error


def send_by_value(module: ModuleType) -> None:
    """Values whose classes are defined in `module`, which workers cannot import, carry these along."""
    _ray.cloudpickle.register_pickle_by_value(module)


def get(ref: Any) -> Any:
    return _ray.get(ref)


def code_package(revision: str) -> bytes:
    """A package of an author's code, by way of the journal actor: workers hold no database connection."""
    from ..store import code_packages

    journal = _ray.get_actor(JOURNAL, namespace=namespace())
    done, value = _ray.get(journal.call.remote(code_packages.get, (revision,), {}))
    if not done:
        raise value
    return value


def ask_other_nodes(function: Callable[..., T | None], *args: Any) -> T | None:
    """The first answer that is not None, from any living node but this process's own."""
    own = _ray.get_runtime_context().get_node_id()
    node_ids = [node["NodeID"] for node in _ray.nodes() if node["Alive"] and node["NodeID"] != own]
    asked: list[Any] = []
    for node_id in node_ids:
        there = NodeAffinitySchedulingStrategy(node_id, soft=False)
        question = _ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(function)
        asked.append(question.remote(*args))
    for ref in asked:
        try:
            answer = _ray.get(ref, timeout=_ASK_TIMEOUT_S)
        except Exception:  # a node that died meanwhile has no answer
            continue
        if answer is not None:
            return cast("T", answer)
    return None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
