"""States that are proposed from afar for a run as it was seen: whoever comes second changes nothing.

A runner asks over a network: it looks at a run, decides, and proposes. What it has looked at may be over by
then, taken, ended or resumed by others. So it names the state that it has seen, and the transaction that
writes asks whether the run is still in it.
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
    """What became of a proposal."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # by a rule; another state may have been written in its place
    STALE = "stale"  # the run is in another state by now, or executed by somebody: nothing was changed


async def propose(
    db: Database, run_id: UUID, seen_state_id: UUID, proposed: FlowRunTransition, is_unheld: bool = False
) -> Told:
    """Propose a state for a run that is in the state `seen_state_id`; with `is_unheld`, while nobody's lease
    of it holds.

    Sent twice since the answer was lost, it is written once and accepted both times. Raises NotFound.
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
