"""A sub-flow as its parent sees it: a task run in the parent that follows the child's states."""

from __future__ import annotations

from uuid import UUID

from .. import clock, ids
from ..journal.records import TaskRunBatch
from ..states import State
from .session import FlowSession


class Tracking:
    """The tracking task run of one sub-flow call; its identity makes the child's id the same at every
    replay.
    """

    def __init__(self, parent: FlowSession, flow_name: str) -> None:
        self._parent = parent
        self._site = parent.site_of(f"flow:{flow_name}", flow_name)
        self._index = parent.take_indexes(self._site)
        self._submitted_at = clock.epoch_s()
        self._started: float | None = None
        self.task_run_id: UUID = ids.task_run_id(self._site.base, self._index)
        self.child_id = ids.child_flow_run_id(self.task_run_id)

    def running(self) -> None:
        """The child begins."""
        if self._started is None:
            self._started = clock.epoch_s()
        self._record("RUNNING", "Running", None, None)

    def ended(self, final: State) -> None:
        """The child ended."""
        self._record(final.type.value, final.name, clock.epoch_s(), final.message)

    def cut_off(self) -> None:
        """The parent ends before the child does."""
        self._record("CRASHED", "Crashed", clock.epoch_s(), "the flow run that called it ended before it did")

    def _record(self, state_type: str, name: str, ended: float | None, message: str | None) -> None:
        self._parent.desk.journal.append(
            TaskRunBatch(
                self._site,
                [self._index],
                state_type,
                name,
                self._submitted_at,
                [self._started],
                [ended],
                messages=[message],
                # Not an answer for a replay: the child's own record is.
                result_kinds=None,
            )
        )
