"""Settles a run whose body was interrupted by a command, a signal, Ctrl-C or a time limit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from ...foundation.errors import HeliostatError, RunCancelled
from ...states import Cancelled, Crashed, Suspended
from ...store import commands
from ...values import tracebacks
from ..deadline import DeadlinePassed
from ..interruption import Interruption
from ..interrupts import Terminated, interrupted

CANCEL_WITHIN_S = 10.0  # for calls to stop
_STOP_WITHIN_S = 5.0  # for calls to stop when the process is to end
_ASK_WITHIN_S = 1.5

if TYPE_CHECKING:
    from ...authoring.context import FlowRunInfo
    from ...states import State
    from ...store.commands import CommandKind
    from ..run_desk import RunDesk


class InterruptedRun(Protocol):
    """What the end of an interrupted run asks of it."""

    @property
    def info(self) -> FlowRunInfo: ...
    @property
    def desk(self) -> RunDesk: ...
    @property
    def recording(self) -> Any: ...
    def cancel_calls(self, within_s: float = CANCEL_WITHIN_S) -> bool: ...
    def leave(self, left_in: State) -> None: ...
    def settle(self, proposed: State) -> None: ...


def settle_interrupted(run: InterruptedRun, error: BaseException) -> None:
    """Stop the run's calls, and record the end that its interruption means."""
    kind = asked_of(run, error)
    if kind in ("suspend", "stop"):
        run.cancel_calls()
        run.desk.say(logging.INFO, "suspended from outside" if kind == "suspend" else "stopped")
        run.leave(Suspended() if kind == "suspend" else Cancelled("the run was ended from outside"))
        return
    if kind == "cancel":
        stopped = run.cancel_calls() or run.cancel_calls()
        how = "cancelled"
        if stopped:
            run.settle(Cancelled(how, data=RunCancelled(f"flow run {run.info.name} was {how}")))
        else:
            run.settle(Crashed(f"{how}; some calls did not stop", data=error))
        return
    if isinstance(error, Terminated):
        stopped, how = run.cancel_calls(_STOP_WITHIN_S), f"terminated by {error.signal_name}"
        run.settle(Crashed(how if stopped else f"{how}; some calls did not stop", data=error))
        return
    is_ctrl_c = isinstance(error, KeyboardInterrupt)
    if is_ctrl_c:
        interrupted()
    how = "interrupted by Ctrl-C" if is_ctrl_c else "cancelled"
    if isinstance(error, DeadlinePassed):
        how = "cancelled because its caller reached its time limit"
    if run.cancel_calls(_STOP_WITHIN_S if is_ctrl_c else CANCEL_WITHIN_S):
        run.settle(Cancelled(how, data=RunCancelled(f"flow run {run.info.name} was {how}")))
    else:
        run.settle(Crashed(f"{how}; some calls did not stop", data=error))
    tracebacks.mark_recorded(error)


def asked_of(run: InterruptedRun, error: BaseException) -> CommandKind | None:
    """The command behind an interruption; None when there is none (Ctrl-C, a time limit)."""
    if isinstance(error, Interruption):
        of_another = error.run_id != run.info.id
        return "cancel" if of_another and error.kind == "stop" else error.kind
    if isinstance(error, DeadlinePassed):
        return None
    try:
        asked = run.recording.call_within(_ASK_WITHIN_S, commands.pending, [run.info.id])
    except HeliostatError:
        return None
    return next((each.kind for each in asked if each.kind != "pause"), None)
