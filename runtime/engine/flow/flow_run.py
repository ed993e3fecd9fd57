"""One flow run as a pipe of steps: begin, call the body, wait for its calls, settle, record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ...authoring.context import FlowRunInfo, flow_run_info, task_run_info
from ...authoring.logging import capture_into
from ...authoring.terminal import in_worker, terminal_here
from ...foundation import clock
from ...foundation.ending import watchdog
from ...foundation.errors import CancelRun, LeaseLost, RunIsOver, ServerGone, TaskTimedOut
from ...foundation.ids import calls_around
from ...foundation.settings import current_settings
from ...journal import unrecorded
from ...journal.run_journal import RunJournal
from ...records import LogBatch
from ...states import FINAL_STATES, Completed, Crashed, Failed, Retrying, Running, State, StateType, TimedOut
from ...store import flow_runs, leases
from ...store.commands import Command
from ...store.commits import cache as cache_verbs
from ...store.database.rows import FlowRunRow, Lease
from ...values import parameters, tracebacks
from ...values.caching import input_hash
from .. import spool
from ..execution import INTERRUPTIONS
from ..hooks import run_hooks
from ..interruption import Body, Interruption, interruption
from ..interrupts import Terminated, heeds_signals, raise_unheard, termination_raises, undisturbed
from ..outcomes import outcomes_of
from ..owner import owner_of_this_process
from ..process_hooks import install as install_in_processes
from ..process_hooks import settle as settle_children
from ..relay import RelayRunJournal, recording_here
from ..replay import Replay, replay_of
from ..run_desk import RunDesk
from ..session import Dispatching, FlowSession, flow_session
from ..slot_waits import flush_slots
from ..stopping import CallCancelled
from ..task_runners import task_runner_named
from .command_watch import watch
from .flow_results import Kept, keep_result, restore_result, state_of_returned
from .flow_states import FlowStates, resumes
from .interrupted_runs import CANCEL_WITHIN_S, settle_interrupted
from .leaving import hear_late_signals, parked
from .new_runs import new_run_of
from .run_control import RunControl, SuspendHere
from .tracking import Tracking

if TYPE_CHECKING:
    from ...authoring.definitions import FlowDefinition
    from ..child_processes import Ticket

_LEFT_IN = frozenset({StateType.PAUSED, *FINAL_STATES})


@dataclass(frozen=True, slots=True)
class Resumption:
    """A recorded run that is to be executed: its row, and its lease or the epoch of the lease to take over
    (None: there is none). `is_new`: it was never executed before, so nothing is replayed.
    """

    run: FlowRunRow
    dead_epoch: int | None
    is_new: bool = False
    lease: Lease | None = None
    from_json: bool = False  # the parameters came as JSON: from a deployment, a form, a command line


class FlowRun:
    """The steps of one flow run. Construction validates the parameters and records the run."""

    def __init__(
        self, flow: FlowDefinition[Any, Any], values: dict[str, Any], resumption: Resumption | None
    ) -> None:
        self.flow = flow
        check = parameters.arrived if resumption is not None and resumption.from_json else parameters.validate
        self.parameters = check(flow.fn, values) if flow.validate_parameters else values
        self.args, self.kwargs = parameters.unbind(flow.fn, self.parameters)
        self.pause_s = 0.0
        self.body = Body()
        self._parent = flow_session.get()
        if self._parent is not None:
            self._parent.calls.check()
        self.recording = recording_here()
        self._tracking: Tracking | None = None
        if self._parent is not None:
            self._tracking = Tracking(self._parent, flow.name, input_hash((), self.parameters))
        self._final: State | None = None
        self._error: BaseException | None = None
        self._attempted = False
        self._left = unrecorded.Left()  # what an earlier execution left on this machine
        self._begin(resumption)

    # Step 1: record the run.

    def _begin(self, resumption: Resumption | None) -> None:
        owner = owner_of_this_process()
        recording = self.recording
        if resumption is not None:
            run, lease = resumption.run, resumption.lease
            if lease is None:
                dead_epoch = resumption.dead_epoch
                lease = recording.call(leases.take, run.id, owner, recording.lease_s, dead_epoch=dead_epoch)
            existing = not resumption.is_new
        else:
            lease_s = recording.lease_s
            parent = None if self._parent is None else self._parent.desk.journal.held
            new = new_run_of(self.flow, self.parameters, self._tracking)
            begun = recording.call(flow_runs.begin, new, owner, lease_s, parent=parent)
            run, lease, existing = begun.run, begun.lease, begun.existing
            if lease is None and not self._answered_by(run):
                lease = recording.call(leases.take, run.id, owner, lease_s, force=True, parent=parent)
        self.info = self._info(run)
        if lease is None:
            return
        self.lease = lease
        replay = None
        if existing:
            self._left = unrecorded.left_by(run.id)
            replay = replay_of(recording, run.id, {**spool.left_by(run.id), **outcomes_of(self._left)})
        journal = recording.journal.open(run.id, lease.epoch, owner.id, lease.last_seq, self._on_fenced)
        if self._left.lines:
            journal.append(LogBatch(self._left.lines))
            journal.barrier().result()
            unrecorded.forget_lines(self._left.paths)
        self._open(run, journal, replay)

    def _open(self, run: FlowRunRow, journal: RunJournal | RelayRunJournal, replay: Replay | None) -> None:
        self.journal = journal
        self.desk = RunDesk(self.info, journal, terminal_here(), replay)
        dispatching = self._parents_dispatching() or Dispatching(task_runner_named(self.flow.task_runner))
        install_in_processes(_ticket_here)
        self.session = FlowSession(self.info, self.desk, dispatching, self._find_cached)
        self.states = FlowStates(self.desk, self.flow.retry, run)
        self.session.calls.live()
        if self._parent is not None and self._tracking is not None:
            self._parent.calls.begin(self._tracking)
        self._control = RunControl(self.recording, self.states, self.desk, journal.barrier)
        self.session.control = self._control
        # Until it is durable that the run goes on, the state in which it was left looks like a command.
        self._heard = run.state_type not in _LEFT_IN
        if self._heard:
            self._listen()

    def _listen(self) -> None:
        """Obey commands for the run from now on."""
        if self.recording.hears_commands:
            watch().hold(self.info.id, self.recording, self._obey)

    def _info(self, run: FlowRunRow) -> FlowRunInfo:
        attempt = run.run_count + (not resumes(run))
        tags, inside = tuple(run.tags), self._calls_around()
        return FlowRunInfo(run.id, run.name, self.flow.name, self.parameters, tags, attempt, inside)

    def _calls_around(self) -> tuple[UUID, ...]:
        """The calls that wait for this run to end, and hold their slots of limits meanwhile."""
        if self._parent is None:
            return ()
        outer = self._parent.flow_run
        return (*outer.inside, *calls_around(outer.id, self._parent.scope_here()))

    def _answered_by(self, run: FlowRunRow) -> bool:
        """Whether a sub-flow run that completed in an earlier execution answers with its result."""
        if run.state_type != "COMPLETED":
            return False
        restored = restore_result(run, self.flow)
        if restored is None:
            return False
        self._final = restored
        return True

    # Step 2: execute the body.

    def begin_attempt(self) -> bool:
        """Enter Running, unless the run has ended. Raises StaleState when a rule refuses."""
        self.pause_s = 0.0
        if self._final is not None:
            return False
        if self._attempted:
            # The flow is tried again: calls that have completed answer from the journal.
            self.journal.barrier().result()
            before = self.desk.replay
            self.desk.replay = replay_of(self.recording, self.info.id, before and before.unreported)
        self._control.begin_attempt(again=self._attempted)
        self._attempted = True
        self.session.forget_indexes()
        if self._tracking is not None:
            self._tracking.running()
        again = self.states.current.name == "AwaitingRetry"
        started = self.states.decide(Retrying() if again else Running())
        self.states.write(started)
        if not self._heard:
            self.journal.barrier().result()
            self._heard = True
            self._listen()
        self.desk.say(logging.INFO, self._beginning())
        run_hooks(self.flow.on_running, self.flow, self.info, started)
        return True

    def _beginning(self) -> str:
        again = "goes on" if self.desk.replay is not None else "begins"
        return f"flow {self.flow.name!r} {again}"

    @contextmanager
    def executing(self, stepwise: bool = False) -> Generator[None]:
        """The block belongs to this run. `stepwise`: code of other contexts runs between the body's steps."""
        tokens = [
            (flow_session, flow_session.set(self.session)),
            (flow_run_info, flow_run_info.set(self.info)),
            (task_run_info, task_run_info.set(None)),
        ]
        prints = current_settings().log_prints if self.flow.log_prints is None else self.flow.log_prints
        try:
            with (
                nullcontext() if stepwise else termination_raises(),
                capture_into(self.desk.log_here, prints, passes_prints=not in_worker()),
            ):
                yield
        finally:
            for variable, token in reversed(tokens):
                variable.reset(token)  # pyright: ignore[reportArgumentType]

    # Step 3: settle the outcome of the body.

    def wait_for_calls(self, value: Any) -> Any:
        """Wait for the calls that the body has submitted, after it returned `value`."""
        dispatcher = self.session.dispatching.started
        if dispatcher is not None:
            dispatcher.drain(self.desk)
        settle_children()
        return value

    def returned(self, value: Any) -> None:
        """Settle the run by the value that the body returned."""
        self._close_streams()
        self.settle(state_of_returned(value))

    def closed(self, handed_out: int) -> None:
        """Settle a run whose caller needed no more of the body's values."""
        self.settle(Completed(f"closed by its caller after {handed_out} values"))

    def wait_for_retry(self) -> None:
        """Wait until the next attempt, if one is due later."""
        if not self.pause_s:
            return
        try:
            raise_unheard()
            with self.body.here():
                clock.sleep(self.pause_s)
        except BaseException as error:
            with undisturbed():
                self.raised(error)

    def raised(self, error: BaseException, timed_out: bool = False) -> None:
        """Stop calls under way after the body raised or was interrupted, then settle the run.

        Raises LeaseLost, ServerGone when nothing can be recorded.
        """
        try:
            self._raised(error, timed_out)
        except ServerGone as gone:
            self._abandon()
            raise parked(gone, self.info, self._parent is None) from error

    def _raised(self, error: BaseException, timed_out: bool) -> None:
        self.pause_s = 0.0
        self._error = error
        if isinstance(error, Interruption):
            type(error).noticed = True
        failure = self.journal.failure
        for gone in (error, failure):
            if isinstance(gone, ServerGone):
                raise gone
        if isinstance(error, LeaseLost) or failure is not None:
            self._abandon()
            if failure is not None and error is not failure:
                raise failure from error
            raise error
        self._close_streams()
        if timed_out:
            self.cancel_calls()
            text = f"flow run ran longer than its timeout of {self.flow.timeout_seconds:g} s"
            self._error = TaskTimedOut(
                text, hint="Raise timeout_seconds on the flow, or make the work smaller."
            )
            self.settle(TimedOut(text, data=self._error))
        elif isinstance(error, SuspendHere):
            self.cancel_calls()
            self.desk.say(logging.INFO, "suspended until the run is resumed")
            self.leave(error.state, write=True)
        elif isinstance(error, (*INTERRUPTIONS, asyncio.CancelledError)):
            settle_interrupted(self, error)
        elif isinstance(error, Exception):
            self._wait_for_calls()
            self.settle(Failed(tracebacks.headline(error), data=error))
        else:
            self.cancel_calls()
            self.settle(Crashed(tracebacks.headline(error), data=error))

    def _obey(self, command: Command) -> bool:
        """Carry out a command; the watch calls this in its thread."""
        if command.kind == "pause":
            self._control.hold_calls()
            return True
        return self.body.interrupt(interruption(command.kind, self.info.id))

    def leave(self, left_in: State, *, write: bool = False) -> None:
        """End this execution but not the run, which goes on elsewhere or was ended by others."""
        watch().let_go(self.info.id)
        self.desk.end_progress()
        self._final = left_in
        if write:
            self.states.write(left_in, release=True)
        self.journal.barrier().result()
        if not write:
            lease, owner = self.lease, owner_of_this_process()
            self.recording.release(lease.run_id, lease.epoch, owner.id)
        self._close()

    def settle(self, proposed: State) -> None:
        """End this attempt with the run's final state, or with one that has it tried again."""
        kept = keep_result(proposed, self.flow, self.info.id)
        accepted = self.states.decide(proposed)
        if accepted.is_scheduled():
            self.states.write(accepted)
            self.pause_s = max(0.0, self.states.wait_s(accepted))
            self.desk.say(
                logging.WARNING, f"{proposed.message}: the flow is tried again in {self.pause_s:g} s"
            )
            return
        watch().let_go(self.info.id)
        self._final = accepted
        self._end_calls(accepted)
        self.desk.end_progress()
        flush_slots()
        self._write_final(accepted, kept)
        self._tell_parent(accepted)
        self._close()

    def _close_streams(self) -> None:
        """Close the streams of sub-flows that the body has not consumed to the end."""
        for stream in list(self.session.calls.streams):
            try:
                stream.close_with_parent()
            except Exception as error:
                self.desk.say(logging.WARNING, f"a sub-flow failed when it was closed: {error!r}")

    def _end_calls(self, final: State) -> None:
        """Let threads of the run make no more calls, and wait for the calls that they have submitted."""
        self.session.calls.end()
        if not self.desk.open_calls:
            return
        if final.is_completed() or final.is_failed():
            self._wait_for_calls()
        else:
            self.cancel_calls()

    def _tell_parent(self, final: State) -> None:
        if self._parent is None or self._tracking is None:
            return
        with suppress(RunIsOver):  # the parent did not wait, and its record says so
            with self._parent.calls.recording(self._tracking):
                self._tracking.ended(final)

    def _write_final(self, final: State, kept: Kept) -> None:
        """Make the final state durable, then call the author's hooks, which may still log."""
        level = logging.INFO if final.is_completed() else logging.ERROR
        line = self.desk.note(level, f"flow {self.flow.name!r} ended {final.name}" + _because(final))
        hooks = self.flow.hooks_for(final)
        self.states.write(final, kept, release=not hooks)
        self.journal.barrier().result()
        self.desk.show(line)
        if hooks:
            with self.session.calls.once_more():
                run_hooks(hooks, self.flow, self.info, final)
            self.journal.barrier().result()
            lease, owner = self.lease, owner_of_this_process()
            self.recording.release(lease.run_id, lease.epoch, owner.id)

    # Step 4: tell the caller.

    def outcome(self, return_state: bool) -> Any:
        """The run's value, or its State; raises what the body raised."""
        final = self._final
        assert final is not None
        interrupted = self._error
        if not isinstance(interrupted, (Terminated, KeyboardInterrupt)):
            hear_late_signals(self._parent is None)
        of_another = isinstance(interrupted, Interruption) and interrupted.run_id != self.info.id
        if interrupted is not None and (of_another or isinstance(interrupted, CallCancelled)):
            raise interrupted  # the interruption is meant for a run or call that called this one
        if isinstance(interrupted, Terminated) and self._parent is None:
            raise SystemExit(interrupted.exit_code)
        if interrupted is not None and not isinstance(interrupted, (Exception, CancelRun)):
            raise interrupted
        return final if return_state else final.result()

    # Helpers of the steps.

    def _parents_dispatching(self) -> Dispatching | None:
        """The parent's, unless there is none or this flow wants another runner."""
        if self._parent is None:
            return None
        shared, wanted = self._parent.dispatching, self.flow.task_runner
        return shared if wanted is None or task_runner_named(wanted) == shared.runner else None

    def _find_cached(self, keys: Any) -> Any:
        # A result of this run may still be on its way to the cache.
        self.journal.barrier().result()
        return self.recording.call(cache_verbs.get_many, keys)

    def _wait_for_calls(self) -> None:
        dispatcher = self.session.dispatching.started
        if dispatcher is not None and dispatcher.failed is None:
            dispatcher.drain(self.desk)

    def cancel_calls(self, within_s: float = CANCEL_WITHIN_S) -> bool:
        """Stop the calls that the body has submitted; returns whether all have stopped."""
        dispatcher = self.session.dispatching.started
        if dispatcher is None or dispatcher.failed is not None:
            return dispatcher is None
        return dispatcher.cancel_run(self.desk, within_s)

    def _on_fenced(self, _run_id: UUID) -> None:
        """Stop the run's body: another process has the run, or the server is gone, so nothing is recorded."""
        failure = self.journal.failure
        dispatcher = self.session.dispatching.started
        if dispatcher is not None:
            taken = LeaseLost(f"another process took over flow run {self.info.name}")
            dispatcher.fail(failure if isinstance(failure, ServerGone) else taken)
        if isinstance(failure, ServerGone):
            if heeds_signals():
                watchdog().parked()
            self.body.interrupt(interruption("stop", self.info.id))

    def _abandon(self) -> None:
        self._final = Crashed("this process no longer owns the run")
        self._close()

    def _close(self) -> None:
        watch().let_go(self.info.id)
        self.session.calls.end()
        if self._parent is not None and self._tracking is not None:
            self._parent.calls.leave(self._tracking)
        self.desk.gate.end()
        self.desk.end_progress()
        if self._final is not None and self._final.is_completed():
            if self.session.dispatching.started:
                spool.forget(self.info.id)
            unrecorded.forget(self._left.paths)
        if self._parents_dispatching() is None:
            self.session.dispatching.close()
        flush_slots()
        self.journal.close()


def _because(final: State) -> str:
    return f": {final.message}" if final.message else ""


def _ticket_here() -> Ticket | None:
    from ..child_processes import Ticket  # here: it opens connections, which few runs need

    return Ticket.here()
