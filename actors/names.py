"""Control actors by name: one of each in a database's namespace, running this version of the code."""

from __future__ import annotations

import logging
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import ray

from ..runtime.engine.ray_cluster import JOURNAL, NAMESPACE, namespace

_ray: Any = ray  # Ray's types leave much open
_log = logging.getLogger("heliostat.actors")

__all__ = ["JOURNAL", "code_version", "end", "ensure", "find", "living", "mark_of", "namespace"]

CONTROL = "control:"  # control actors besides the journal: "control:scheduler", "control:pool:default"
SUPERVISOR = "supervisor:"  # "supervisor:default:01ab": pool and number
ON_HEAD = {"node:__internal_head__": 0.001}
_ANSWERS_WITHIN_S = 60.0


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of the installed package and a mark of its source, so that edited code counts as new."""
    root = Path(__file__).parents[1]
    mark = blake2b(digest_size=6)
    for part in ("actors", "pools", "runtime"):
        for path in sorted((root / part).rglob("*.py")):
            mark.update(path.read_bytes())
    return f"{version('heliostat')}+{mark.hexdigest()}"


def mark_of(environment: dict[str, str]) -> str:
    """A text that is equal for actors with equal code that serve one database."""
    database = environment.get("HELIOSTAT_DATABASE_URL", "")
    return f"{code_version()}+{blake2b(database.encode(), digest_size=6).hexdigest()}"


def namespace_of(database_id: UUID) -> str:
    """The namespace of the actors of one database, so that servers of several databases share a cluster."""
    return f"{NAMESPACE}-{database_id.hex}"


def other_namespaces() -> list[str]:
    """The namespaces of other databases whose servers have actors on the cluster."""
    named = _ray.util.list_named_actors(all_namespaces=True)
    known = {each["namespace"] for each in named if each["name"] == JOURNAL}
    return sorted(each for each in known - {namespace()} if each.startswith(NAMESPACE))


def find(name: str) -> Any | None:
    """The handle of a living actor of that name; None when there is none."""
    try:
        return _ray.get_actor(name, namespace=namespace())
    except ValueError:
        return None


def ensure(name: str, mark: str, cls: Any, *args: Any, **options: Any) -> Any:
    """The actor of that name. It is made when it is missing, and replaced when it runs other code or serves
    another database.

    Its class answers `version()` with its mark. When the replacement has another mark too, the code was
    edited since this process began, and it stays. Raises what the actor's constructor raises.
    """
    handle = _get_or_create(name, cls, args, options)
    if _version(handle) not in (mark, _newest.get(name)):
        _log.warning("actor %s has other code or another database than this server: it is replaced", name)
        end(handle)
        handle = _get_or_create(name, cls, args, options)
        version = _version(handle)
        if version != mark:
            _newest[name] = version
            _log.warning("the code was edited since the server started, and %s runs it: restart it", name)
    return handle


_newest: dict[str, str] = {}  # marks of actors that have newer code than this process


def _version(handle: Any) -> str:
    return str(_ray.get(handle.version.remote(), timeout=_ANSWERS_WITHIN_S))


def end(handle: Any) -> None:
    """Kill an actor for good."""
    try:
        _ray.kill(handle, no_restart=True)
    except Exception as error:  # the actor is gone, or Ray is
        _log.debug("actor not killed: %s", error)


def living(prefix: str = "") -> list[str]:
    """The names of living actors in this namespace that begin with `prefix`."""
    named = _ray.util.list_named_actors(all_namespaces=True)
    here = namespace()
    ours = (each["name"] for each in named if each["namespace"] == here)
    return sorted(name for name in ours if name.startswith(prefix))


def _get_or_create(name: str, cls: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    fixed = {"name": name, "namespace": namespace(), "lifetime": "detached", "get_if_exists": True}
    return cls.options(**fixed, **options).remote(*args)
