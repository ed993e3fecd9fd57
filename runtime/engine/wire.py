"""What travels between the process that dispatches a pack and the worker that executes it.

One pickled `PackSpec` goes out (with references to large values beside it) and one pickled `PackReply` comes
back. A spec names its code by key; the code itself is sent along while it is small, else only when a worker
asks for it.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from ..context import FlowRunInfo
from . import payload
from .calls import Row, SlicedColumns
from .code import TaskCode
from .outcomes import Outcome

CODE_ALONG_BYTES = 4_096


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


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive calls of one fan-out: `calls` are columns, or rows of (args, kwargs)."""

    first_index: int
    attempts: list[tuple[int, int]] | None  # (attempt, tries) a call; None: all of them are first ones
    calls: SlicedColumns | list[Row]

    def rows(self) -> list[Row]:
        return self.calls.rows() if isinstance(self.calls, SlicedColumns) else self.calls


@dataclass(frozen=True, slots=True)
class PackSpec:
    """One pack on its way to a worker. `has_slots`: some arguments stand for values that come by
    reference.
    """

    pack_id: str
    code_key: bytes
    code_blob: bytes | None
    base: int
    scope: str
    segments: list[Segment] | bytes  # bytes: still pickled
    size: int
    has_slots: bool

    def dumps(self) -> bytes:
        """Raises CannotPickle when an argument cannot travel."""
        segments = payload.dump(
            [
                (each.first_index, each.attempts, each.calls)
                for each in self.segments
                if isinstance(each, Segment)
            ]
        )
        return pickle.dumps(
            (
                self.pack_id,
                self.code_key,
                self.code_blob,
                self.base,
                self.scope,
                segments,
                self.size,
                self.has_slots,
            ),
            5,
        )

    @classmethod
    def loads(cls, blob: bytes) -> PackSpec:
        """The spec without its calls, which may need the task's modules: `load_segments` gives them."""
        return cls(*pickle.loads(blob))

    def load_segments(self) -> list[Segment]:
        assert isinstance(self.segments, bytes)
        return [Segment(*each) for each in pickle.loads(self.segments)]


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


def load_worker_code(blob: bytes) -> WorkerCode:
    loaded: Any = pickle.loads(blob)
    assert isinstance(loaded, WorkerCode)
    return loaded
