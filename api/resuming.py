"""Resuming a paused or suspended flow run, with the input that it waits for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from ..runtime.rules import Abort, Reject, Verdict
from ..runtime.states import Running, Scheduled
from ..runtime.store import flow_run_changes, flow_run_inputs, search
from ..runtime.store.database import Database
from . import wire
from .errors import found


async def resume(db: Database, run_id: UUID, run_input: dict[str, Any] | None) -> tuple[wire.Wire, bool]:
    """OrchestrationResult, and whether a state was written. A bad input is refused and nothing changes."""
    run, state, *_ = await found(search.one_flow_run(db, run_id), "Flow run")
    if state is None or run.state_type != "PAUSED":
        return _unchanged(Abort("resume", "Cannot resume a flow run that is not paused."), None), False
    keys: dict[str, str] | None = state.details.get("run_input_keyset")
    if keys is not None:
        fault = await _fault_of(db, run_id, keys, run_input)
        if fault is not None:
            return _unchanged(Reject("resume", None, fault), wire.flow_run_state(state)), False
    goes_on = (
        Scheduled(name="Resuming", details=_kept(state.details))
        if state.details.get("pause_reschedule")
        else Running(details=_kept(state.details))
    )
    became = await flow_run_changes.propose(db, run_id, goes_on)
    if keys is not None and became.verdict.decision.outcome == "ACCEPT":
        value = orjson.dumps(run_input or {}).decode()
        await flow_run_inputs.create(db, run_id, keys["response"], value)
    shown = wire.flow_run_state(became.state) if became.state else None
    return wire.orchestration(became.verdict, shown), became.written


async def _fault_of(
    db: Database, run_id: UUID, keys: dict[str, str], run_input: dict[str, Any] | None
) -> str | None:
    """What is wrong with the input that a run waits for; None when nothing is."""
    from jsonschema import SchemaError, ValidationError, validate

    schema: Any = orjson.loads(
        (await found(flow_run_inputs.read(db, run_id, keys["schema"]), "Schema")).value
    )
    try:
        validate(run_input or {}, schema)
    except SchemaError as error:
        return f"The schema of the run input is not valid: {error.message}"
    except ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        return f"Run input validation error: {f'{where}: ' if where else ''}{error.message}"
    return None


def _kept(details: dict[str, Any]) -> dict[str, Any]:
    """What a pause carries over into the state after it: the input that was asked for."""
    return {name: details[name] for name in ("run_input_keyset",) if name in details}


def _unchanged(decision: Abort | Reject, state: wire.Wire | None) -> wire.Wire:
    return wire.orchestration(Verdict(decision, None, []), state)
