"""A process that leaves its run: because it was asked to while the run was being recorded, or for good."""

from __future__ import annotations

import shlex

from ...authoring.context import FlowRunInfo
from ...foundation.errors import ServerGone
from ..interrupts import Terminated, raise_unheard


def hear_late_signals(is_outermost: bool) -> None:
    """Whoever asked the process to end while the run was being recorded is heard now."""
    try:
        raise_unheard()
    except Terminated as late:
        if is_outermost:
            raise SystemExit(late.exit_code) from None
        raise


def parked(gone: ServerGone, run: FlowRunInfo, is_outermost: bool) -> ServerGone:
    """What to say of a run that is left because its server is gone."""
    if is_outermost and gone.hint is None:
        name = shlex.quote(run.name)
        gone.hint = f"once the server is back, resume with: heliostat flow-run resume {name}"
    return gone
