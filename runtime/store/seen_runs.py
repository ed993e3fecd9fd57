"""States proposed by remote runners for a run in a known state: a second, late proposal changes nothing.

A runner reads a run over a network, decides, and proposes a state. Meanwhile another process may have
claimed, ended or resumed the run. So the runner names the state that it has seen, and the writing transaction
checks that the run is still in it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from ..foundation.errors import StaleState
from ..records import FlowRunTransition
from ..states import State, StateType
from . import flow_run_changes, flow_runs
from .database.database import Database
from .fences import Fence


class Told(StrEnum):
    """The result of a proposal."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # by a rule, which may have written another state
    STALE = "stale"  # the run is in another state now, or is being executed: nothing was changed


async def propose(
    db: Database, run_id: UUID, seen_state_id: UUID, proposed: FlowRunTransition, is_unheld: bool = False
) -> Told:
    """Propose a state for a run that is in the state `seen_state_id`; with `is_unheld`, only while the run
    has no living lease. A proposal that is sent twice, because the answer was lost, is written once and
    accepted twice. Raises NotFound.
    """
    fence = Fence(state_id=seen_state_id, is_unheld=is_unheld)
    try:
        became = await flow_run_changes.propose(db, run_id, _state_of(proposed), fence=fence)
    except StaleState:
        run = await flow_runs.read(db, run_id)
        return Told.ACCEPTED if run.state_id == proposed.state_id else Told.STALE
    return Told.ACCEPTED if became.verdict.decision.outcome == "ACCEPT" else Told.REFUSED


def _state_of(proposed: FlowRunTransition) -> State:
    return State(
        StateType(proposed.state_type),
        proposed.state_name,
        proposed.message,
        details=dict(proposed.details),
        timestamp=datetime.fromtimestamp(proposed.at, UTC),
        id=proposed.state_id,
    )
