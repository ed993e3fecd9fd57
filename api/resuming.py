"""Resuming a paused or suspended flow run: the standard's answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..runtime.store import resuming
from ..runtime.store.database.database import Database
from . import wire
from .errors import found


async def resume(db: Database, run_id: UUID, run_input: dict[str, Any] | None) -> tuple[wire.Wire, bool]:
    """OrchestrationResult, and whether a state was written. A bad input is refused and changes nothing."""
    became = await found(resuming.resume(db, run_id, run_input), "Flow run")
    shown = wire.flow_run_state(became.state) if became.state else None
    return wire.orchestration(became.verdict, shown), became.written
