"""Resuming a paused or suspended flow run, with the input that it waits for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from ..rules import Abort, Reject, Verdict
from ..states import Running, Scheduled
from . import flow_run_changes, flow_run_inputs, search
from .database import Database
from .flow_run_changes import Proposed


async def resume(db: Database, run_id: UUID, run_input: dict[str, Any] | None = None) -> Proposed:
    """Let a run go on, as the rules allow. A bad input is refused and nothing changes. Raises NotFound."""
    run, state, *_ = await search.one_flow_run(db, run_id)
    if state is None or run.state_type != "PAUSED":
        refused = Abort("resume", "Cannot resume a flow run that is not paused.")
        return Proposed(Verdict(refused, None, []), None, False)
    keys: dict[str, str] | None = state.details.get("run_input_keyset")
    if keys is not None:
        fault = await _fault_of(db, run_id, keys, run_input)
        if fault is not None:
            return Proposed(Verdict(Reject("resume", None, fault), None, []), state, False)
    goes_on = (
        Scheduled(name="Resuming", details=_kept(state.details))
        if state.details.get("pause_reschedule")
        else Running(details=_kept(state.details))
    )
    if keys is not None:
        # Before the state: whoever waits for the run to go on reads the input at once.
        await flow_run_inputs.create(db, run_id, keys["response"], orjson.dumps(run_input or {}).decode())
    became = await flow_run_changes.propose(db, run_id, goes_on)
    if keys is not None and became.verdict.decision.outcome != "ACCEPT":
        await flow_run_inputs.delete(db, run_id, keys["response"])
    return became


async def _fault_of(
    db: Database, run_id: UUID, keys: dict[str, str], run_input: dict[str, Any] | None
) -> str | None:
    """What is wrong with the input that a run waits for; None when nothing is."""
    from jsonschema import SchemaError, ValidationError, validate

    schema: Any = orjson.loads((await flow_run_inputs.read(db, run_id, keys["schema"])).value)
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
