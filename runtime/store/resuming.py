"""Resuming a paused or suspended flow run, with the input that it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import orjson

from ..foundation.errors import NotFound, UserError
from ..rules.deciding import Abort, Reject, Verdict
from ..states import Running, Scheduled
from ..values.parameter_templates import variable_names, written
from . import flow_run_changes, flow_run_inputs, search, variables
from .database.database import Database
from .flow_run_changes import Proposed


async def resume(db: Database, run_id: UUID, run_input: dict[str, Any] | None = None) -> Proposed:
    """Resume a run, as the rules allow. A bad input is refused and changes nothing. Raises NotFound."""
    run, state, *_ = await search.one_flow_run(db, run_id)
    if state is None or run.state_type != "PAUSED":
        refused = Abort("resume", "Cannot resume a flow run that is not paused.")
        return Proposed(Verdict(refused, None, []), None, False)
    keys: dict[str, str] | None = state.details.get("run_input_keyset")
    if keys is not None:
        try:
            run_input = await _checked(db, run_id, keys, run_input or {})
        except UserError as error:
            return Proposed(Verdict(Reject("resume", None, str(error)), None, []), state, False)
    goes_on = (
        Scheduled(name="Resuming", details=_kept(state.details))
        if state.details.get("pause_reschedule")
        else Running(details=_kept(state.details))
    )
    if keys is not None:
        # Before the state: a process that waits for the resume reads the input at once.
        await flow_run_inputs.create(db, run_id, keys["response"], orjson.dumps(run_input or {}).decode())
    became = await flow_run_changes.propose(db, run_id, goes_on)
    if keys is not None and became.verdict.decision.outcome != "ACCEPT":
        await flow_run_inputs.delete(db, run_id, keys["response"])
    return became


async def _checked(
    db: Database, run_id: UUID, keys: dict[str, str], run_input: dict[str, Any]
) -> dict[str, Any]:
    """The input that a run waits for, as text. Raises UserError, which tells what is wrong with it."""
    from jsonschema import SchemaError, ValidationError, validate

    names = set(variable_names(run_input))
    given = await written(run_input, await variables.values(db, names))
    try:
        schema: Any = orjson.loads((await flow_run_inputs.read(db, run_id, keys["schema"])).value)
    except NotFound as error:
        raise UserError("The schema of the run input was not found.") from error
    except orjson.JSONDecodeError as error:
        raise UserError("The schema of the run input is not valid JSON.") from error
    try:
        validate(_without_nulls(given, schema), schema)
    except SchemaError as error:
        raise UserError(f"The schema of the run input is not valid: {error.message}") from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        raise UserError(
            f"Run input validation error: {f'{where}: ' if where else ''}{error.message}"
        ) from error
    return given


def _without_nulls(given: dict[str, Any], schema: Any) -> dict[str, Any]:
    """The input without nulls for optional fields that have no default."""
    facts: Mapping[str, Any] = cast("Any", schema if isinstance(schema, Mapping) else {})
    properties = cast("Mapping[str, Any]", facts.get("properties") or {})
    required = cast("Sequence[str]", facts.get("required") or ())
    free = {name for name, each in properties.items() if name not in required and "default" not in each}
    return {name: value for name, value in given.items() if value is not None or name not in free}


def _kept(details: dict[str, Any]) -> dict[str, Any]:
    """The details of a pause that the next state keeps: the requested input."""
    return {name: details[name] for name in ("run_input_keyset",) if name in details}
