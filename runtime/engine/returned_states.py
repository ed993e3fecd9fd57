"""States that a task's function returned: they say how the call ended, as the standard has it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..foundation.errors import RunFailure
from ..states import State, StateType, final_state_of, is_collection_of_states
from ..values.tracebacks import headline
from .outcomes import CANCELLED, COMPLETED, CRASHED, FAILED, STATE_OF, TIMED_OUT

MAY_HOLD_STATES = (State, list, tuple, set, frozenset, dict)
"""Types of values that are looked at; every other one is a result."""

_ENDS = {
    StateType.FAILED: FAILED,
    StateType.CANCELLED: CANCELLED,
    StateType.CRASHED: CRASHED,
}


class Returned(NamedTuple):
    """How a call ended by what it returned: `value` for COMPLETED, `error` for every other status."""

    status: int
    message: str | None
    value: Any = None
    error: BaseException | None = None
    state_name: str | None = None  # where the author gave one


def returned_by(value: Any) -> Returned | None:
    """What a returned state, or a collection of nothing but states, says; None for every other value.

    A state that is not final is a failure, since the call has ended.
    """
    if not isinstance(value, State) and not is_collection_of_states(value):
        return None
    state = final_state_of(value)
    if not state.is_final():
        text = f"the task returned the state {state.name}, in which no run ends"
        return Returned(FAILED, text, error=RunFailure(text))
    if state.is_completed():
        return Returned(COMPLETED, state.message, state.result(), state_name=_own_name(state, COMPLETED))
    status = TIMED_OUT if state.name == "TimedOut" else _ENDS[state.type]
    error = state.result(raise_on_failure=False)
    message = state.message or headline(error)
    return Returned(status, message, error=error, state_name=_own_name(state, status))


def _own_name(state: State, status: int) -> str | None:
    return None if state.name == STATE_OF[status][1] else state.name
