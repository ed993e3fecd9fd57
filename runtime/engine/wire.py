"""What travels between the process that dispatches a pack and the worker that executes it.

One pickled `PackSpec` goes out (with references to large values beside it) and one pickled `PackReply` comes
back. A spec names its code by key; the code itself is sent along while it is small, else only when a worker
asks for it.
"""

from __future__ import annotations

import marshal
import pickle
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..authoring.context import FlowRunInfo
from ..records import HeldLease
from . import payload
from .calls import Row, SlicedColumns
from .code import TaskCode
from .outcomes import COMPLETED, Outcome

CODE_ALONG_BYTES = 4_096
_PICKLED = 0x80  # the first byte of what is pickled


@dataclass(frozen=True, slots=True)
class LineAddress:
    """Where the dispatching process listens for news of its packs."""

    host: str
    port: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class WorkerCode:
    """What a worker keeps by key: the task's code and the run that it belongs to."""

    code: TaskCode
    flow_run: FlowRunInfo
    task_key: str
    tags: tuple[str, ...]
    lease_s: float
    line: LineAddress | None
    held: HeldLease | None  # the run's lease, to be proved where one of its calls calls a flow


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive calls of one fan-out: `calls` are columns, or rows of (args, kwargs)."""

    first_index: int
    attempts: list[tuple[int, int]] | None  # (attempt, tries) a call; None: all of them are first ones
    calls: SlicedColumns | list[Any]

    def rows(self) -> list[Any]:
        """(args, kwargs) of each call, or what stands for them."""
        return self.calls.rows() if isinstance(self.calls, SlicedColumns) else self.calls


class PackSpec(NamedTuple):
    """One pack on its way to a worker."""

    pack_id: str
    code_key: bytes
    code_blob: bytes | None
    base: int
    scope: str
    segments: list[Segment] | bytes  # bytes: still pickled
    size: int

    def dumps(self) -> bytes:
        """Raises CannotPickle when an argument cannot travel."""
        assert isinstance(self.segments, list)
        segments = payload.dump([(each.first_index, each.attempts, each.calls) for each in self.segments])
        return pickle.dumps(tuple(self._replace(segments=segments)), 5)

    @classmethod
    def loads(cls, blob: bytes) -> PackSpec:
        """The spec without its calls, which may need the task's modules: `load_segments` gives them."""
        return cls._make(pickle.loads(blob))

    def load_segments(self, value_of: payload.ValueOf) -> list[Segment]:
        """The calls, with `value_of(slot)` for what came by reference."""
        assert isinstance(self.segments, bytes)
        return [Segment(*each) for each in payload.load_filled(self.segments, value_of)]


def lone_key(code_key: bytes, base: int) -> bytes:
    """What names code and call site in a worker's cache: all that calls which travel alone carry of them."""
    return code_key + base.to_bytes(16, "big")


def dump_lone(key: bytes, pack_id: str, index: int, row: Row) -> bytes:
    """A call that travels alone: a first attempt with plain arguments.

    marshal, as it is the fastest, takes plain data only, and its bytes are what the input hash is made of.
    """
    return marshal.dumps((key, pack_id, index, marshal.dumps(row, 2)), 2)


def load_lone(blob: bytes) -> tuple[bytes, str, int, bytes]:
    """Key, pack id, index, and the marshalled `(args, kwargs)`."""
    return marshal.loads(blob)


@dataclass(frozen=True, slots=True)
class PackReply:
    """A worker's answer. An outcome is None where a call was not started; `code_missing` asks to resend the
    pack with its code; `one_by_one` asks to send its calls alone, since some arguments do not load here;
    `broken` tells why nothing could be executed at all.
    """

    node: str
    pid: int
    elapsed_s: float
    outcomes: list[Outcome | None]
    code_missing: bool = False
    broken: bytes | None = None  # the shipped exception
    one_by_one: bool = False

    @classmethod
    def loads(cls, blob: bytes) -> PackReply:
        if blob[0] != _PICKLED:
            node, pid, elapsed_s, start_s, end_s, kind, value, hashed = marshal.loads(blob)
            return cls(
                node, pid, elapsed_s, [Outcome(COMPLETED, start_s, end_s, 1, kind, value, hashed, None)]
            )
        node, pid, elapsed_s, bare, code_missing, broken, one_by_one = pickle.loads(blob)
        outcomes = [None if each is None else Outcome._make(each) for each in bare]
        return cls(node, pid, elapsed_s, outcomes, code_missing, broken, one_by_one)


def dump_reply(
    node: str,
    pid: int,
    elapsed_s: float,
    outcomes: list[Outcome | None],
    code_missing: bool = False,
    broken: bytes | None = None,
    one_by_one: bool = False,
) -> bytes:
    """A PackReply's fields as bytes, for `PackReply.loads`."""
    bare = [None if outcome is None else tuple(outcome) for outcome in outcomes]
    return pickle.dumps((node, pid, elapsed_s, bare, code_missing, broken, one_by_one), 5)


def dump_lone_reply(node: str, pid: int, elapsed_s: float, outcome: Outcome) -> bytes:
    """The reply for a call that travelled alone; its usual end is marshalled."""
    status, start_s, end_s, run_count, kind, value, hashed, extra = outcome
    if status == COMPLETED and run_count == 1 and extra is None:
        return marshal.dumps((node, pid, elapsed_s, start_s, end_s, kind, value, hashed), 2)
    return dump_reply(node, pid, elapsed_s, [outcome])


def load_worker_code(blob: bytes) -> WorkerCode:
    loaded: Any = pickle.loads(blob)
    assert isinstance(loaded, WorkerCode)
    return loaded
