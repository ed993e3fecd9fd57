"""Ids. The writer makes them, so that a resend or a replay names the same object again.

A task run is identified by `(flow run, scope, task key, index)`; its id is derived from these, and the ids of
one call site are consecutive, so "items 100 to 200 of this map" is one range of the primary key.
"""

from __future__ import annotations

import os
import time
from hashlib import blake2b
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_LOW_61 = (1 << 61) - 1


def uuid7() -> UUID:
    """A new time-ordered id (RFC 9562, version 7)."""
    return _assemble(time.time_ns() // 1_000_000, int.from_bytes(os.urandom(10), "big"))


def task_run_base(flow_run_id: UUID, scope: str, task_key: str) -> int:
    """The number from which the ids of one call site count: item `i` is `base + i`.

    The top bit of the random part stays clear, so an index below 2**61 never overflows into the version bits.
    """
    identity = blake2b(flow_run_id.bytes + scope.encode() + b"\0" + task_key.encode(), digest_size=10)
    return _assemble(flow_run_id.int >> 80, int.from_bytes(identity.digest(), "big")).int


def task_run_id(base: int, index: int) -> UUID:
    """The id of item `index` of the call site whose base is `base`."""
    return UUID(int=base + index)


def calls_around(flow_run_id: UUID, scope: str) -> list[UUID]:
    """The task runs on the path of a scope such as `load-1a2b[3]/clean-9f8e[0]/`, the outermost first."""
    found: list[UUID] = []
    passed = ""
    for step in scope.split("]/")[:-1]:
        task_key, _, index = step.rpartition("[")
        if not index.isdecimal():
            break
        found.append(task_run_id(task_run_base(flow_run_id, passed, task_key), int(index)))
        passed += f"{step}]/"
    return found


SUBFLOW_KEY = "flow:"
"""Prefix of the task keys of tracking task runs."""


def child_flow_run_id(parent_task_run_id: UUID) -> UUID:
    """The id of the sub-flow run that a tracking task run stands for; a replay gets that id again."""
    identity = blake2b(b"child" + parent_task_run_id.bytes, digest_size=10)
    return _assemble(parent_task_run_id.int >> 80, int.from_bytes(identity.digest(), "big"))


def in_json(value: object) -> str:
    """Ids as text, for JSON writers that know only `uuid.UUID` itself: the Postgres driver returns a
    subclass.

    Raises TypeError for everything else, so that no value is turned into text by accident.
    """
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__qualname__} has no form in JSON")


def _assemble(milliseconds: int, random: int) -> UUID:
    high = (milliseconds & ((1 << 48) - 1)) << 80
    rand_a = ((random >> 62) & 0xFFF) << 64
    return UUID(int=high | _VERSION_7 | rand_a | _VARIANT | (random & _LOW_61))
