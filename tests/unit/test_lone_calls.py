"""Calls that travel alone: the short way gives what the way of packs gives."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from heliostat import task
from heliostat.runtime.authoring.context import FlowRunInfo, current_task_run
from heliostat.runtime.engine import worker
from heliostat.runtime.engine.code import ShippedCode, code_of, ship_code
from heliostat.runtime.engine.outcomes import COMPLETED, FAILED, Outcome
from heliostat.runtime.engine.wire import (
    PackReply,
    PackSpec,
    Segment,
    WorkerCode,
    dump_lone,
    lone_key,
)
from heliostat.runtime.values.caching import input_hash

_BASE = 7 << 80


@task
def _half(number: int, note: str = "") -> Any:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2, note, current_task_run().index


def _shipped(run: int) -> ShippedCode:
    flow_run = FlowRunInfo(UUID(int=run), "run", "flow")
    carrier = WorkerCode(code_of(_half), flow_run, "half-1", (), 30.0, None, None)
    return ship_code(code_of(_half), carrier)


def _as_pack(shipped: ShippedCode, index: int, *args: Any, **kwargs: Any) -> PackReply:
    segments = [Segment(index, None, [(args, kwargs)])]
    spec = PackSpec(f"p{index}", shipped.key, shipped.blob, _BASE, "", segments, 1)
    return PackReply.loads(worker.execute(spec.dumps(), ())[0])


def _alone(shipped: ShippedCode, index: int, *args: Any, **kwargs: Any) -> PackReply:
    lone = dump_lone(lone_key(shipped.key, _BASE), f"p{index}", index, (args, kwargs))
    return PackReply.loads(worker.execute_alone(lone)[0])


def _without_times(reply: PackReply) -> Outcome:
    (outcome,) = reply.outcomes
    assert outcome is not None and outcome.start_s is not None and outcome.end_s is not None
    return outcome._replace(start_s=None, end_s=None, extra=None)


def test_a_worker_that_has_not_seen_the_code_asks_for_it_and_knows_it_after_a_pack_of_one() -> None:
    shipped = _shipped(1)
    asked = _alone(shipped, 3, 8)
    assert asked.code_missing and asked.outcomes == [None]
    _as_pack(shipped, 3, 8)
    assert not _alone(shipped, 3, 8).code_missing


def test_lone_and_packed_calls_have_equal_outcomes_and_input_hashes() -> None:
    shipped = _shipped(2)
    packed = _without_times(_as_pack(shipped, 5, 8, note="x"))
    alone = _without_times(_alone(shipped, 5, 8, note="x"))
    assert alone == packed and alone.status == COMPLETED
    assert alone.input_hash == input_hash((8,), {"note": "x"})


def test_a_failure_is_reported_in_full_and_does_not_affect_the_next_call() -> None:
    shipped = _shipped(3)
    packed = _as_pack(shipped, 1, 1)
    reply = _alone(shipped, 1, 1)
    assert _without_times(reply) == _without_times(packed)
    (outcome,) = reply.outcomes
    assert outcome is not None and outcome.status == FAILED
    assert outcome.extra is not None and "1 is odd" in str(outcome.extra.message)
    assert _without_times(_alone(shipped, 2, 4)).status == COMPLETED
