"""How a process leaves its run: after a late signal, or because the run's server is gone."""

from __future__ import annotations

import shlex

from ...authoring.context import FlowRunInfo
from ...foundation.errors import ServerGone
from ..interrupts import Terminated, raise_unheard


def hear_late_signals(is_outermost: bool) -> None:
    """Act on a signal to end that came while the run was being recorded."""
    try:
        raise_unheard()
    except Terminated as late:
        if is_outermost:
            raise SystemExit(late.exit_code) from None
        raise


def parked(gone: ServerGone, run: FlowRunInfo, is_outermost: bool) -> ServerGone:
    """The error for a run that is left because its server is gone."""
    if is_outermost and gone.hint is None:
        name = shlex.quote(run.name)
        gone.hint = f"once the server is back, resume with: heliostat flow-run resume {name}"
    return gone
