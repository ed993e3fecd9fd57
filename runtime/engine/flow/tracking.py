"""The tracking task run: it stands for a sub-flow run in the parent, and follows that run's states."""

from __future__ import annotations

from uuid import UUID

from ...foundation import clock, ids
from ...records import CallSite, TaskRunBatch
from ...states import State
from ..session import FlowSession


class Tracking:
    """The tracking task run of one sub-flow call.

    Its identity includes a hash of the call's inputs (`inputs`). So when the parent is executed again, a call
    finds the child that got its inputs, whatever the order of the calls; among calls with equal inputs the
    order decides. `inputs` is None when they cannot be compared: then the child is a new one each time.
    """

    def __init__(self, parent: FlowSession, flow_name: str, inputs: bytes | None) -> None:
        self._parent = parent
        place = parent.take_indexes(_site_of(parent, flow_name, ""))
        self._name = f"{flow_name}-{place}"
        self._site = _site_of(parent, flow_name, (inputs or ids.uuid7().bytes).hex())
        self._index = parent.take_indexes(self._site)
        self._submitted_at = clock.epoch_s()
        self._started: float | None = None
        self.task_run_id: UUID = ids.task_run_id(self._site.base, self._index)
        self.child_id = ids.child_flow_run_id(self.task_run_id)

    def running(self) -> None:
        """Record that the child begins."""
        if self._started is None:
            self._started = clock.epoch_s()
        self._record("RUNNING", "Running", None, None)

    def ended(self, final: State) -> None:
        """Record that the child ended."""
        self._record(final.type.value, final.name, clock.epoch_s(), final.message)

    def cut_off(self) -> None:
        """Record that the parent ended before the child did."""
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
                # Nothing for a replay to answer from: it uses the child's own record.
                result_kinds=None,
                names=[self._name],
            )
        )


def _site_of(parent: FlowSession, flow_name: str, inputs: str) -> CallSite:
    """The call site of calls of a sub-flow with these inputs in the present scope."""
    scope, run_id = parent.scope_here(), parent.flow_run.id
    task_key = f"{ids.SUBFLOW_KEY}{flow_name}:{inputs}" if inputs else f"{ids.SUBFLOW_KEY}{flow_name}"
    return CallSite(run_id, scope, task_key, flow_name, ids.task_run_base(run_id, scope, task_key))
