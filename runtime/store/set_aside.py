"""Setting runs aside that a service, a pool or a worker cannot handle: each becomes Crashed, with the reason.

A loop over many runs meets some that it cannot read, or that make its own code fail. Such a run must not stop
the loop or the runs behind it, and retrying it every second does not help. So it ends in a state whose
message says what failed and why; a person can then mend and retry it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from ..foundation.errors import Conflict, NotFound
from ..foundation.long_lived import is_away
from ..states import Crashed, StateType
from . import flow_run_changes, task_run_changes
from .database.announcements import COMMANDS, RUNS, announce
from .database.database import Database
from .database.wire_text import plain_text
from .fences import Fence
from .run_moves import Move, move_within

_log = logging.getLogger("heliostat.services")
_LONGEST = 2_000


def reason_of(doing: str, error: BaseException) -> str:
    """The message of a run that is set aside: `doing` is what failed, such as "it could not be started"."""
    text = str(error) or "no reason given"
    return plain_text(f"Set aside: {doing}: {type(error).__name__}: {text}"[:_LONGEST])


@asynccontextmanager
async def alone(db: Database, run_id: UUID, doing: str, fence: Fence | None = None) -> AsyncGenerator[None]:
    """When the block fails, this flow run is set aside, and the caller goes on with the others.

    A run that was deleted or changed meanwhile is not touched. Raises errors that concern every run: the
    database or another outside service does not answer.
    """
    try:
        yield
    except (NotFound, Conflict) as gone:
        _log.info("flow run %s is left as it is: %s", run_id, gone)
    except Exception as error:
        if is_away(error):
            raise
        await flow_run(db, run_id, doing, error, fence)


async def flow_run(
    db: Database, run_id: UUID, doing: str, error: BaseException, fence: Fence | None = None
) -> bool:
    """Set a flow run aside because of an error; False when it is gone or the fence does not hold. Raises when
    the database is away; logs other failures.
    """
    reason = reason_of(doing, error)
    _log.error("flow run %s: %s", run_id, reason, exc_info=error)
    try:
        await _crash(db, run_id, reason, fence)
    except (NotFound, Conflict) as gone:
        _log.info("flow run %s is left as it is: %s", run_id, gone)
        return False
    except Exception as failure:
        if is_away(failure):
            raise
        _log.exception("flow run %s cannot even be set aside", run_id)
        return False
    return True


async def task_run(db: Database, task_run_id: UUID, doing: str, error: BaseException) -> None:
    """Set aside a task run that is not executing yet; does nothing when it is gone."""
    reason = reason_of(doing, error)
    _log.error("task run %s: %s", task_run_id, reason, exc_info=error)
    try:
        await task_run_changes.propose(db, task_run_id, Crashed(reason), force=True)
    except NotFound:
        return
    except Exception as failure:
        if is_away(failure):
            raise
        _log.exception("task run %s cannot even be set aside", task_run_id)


async def _crash(db: Database, run_id: UUID, reason: str, fence: Fence | None) -> None:
    try:
        await flow_run_changes.propose(db, run_id, Crashed(reason), force=True, fence=fence)
    except (NotFound, Conflict):
        raise
    except Exception as error:
        if is_away(error):
            raise
        # The run's records may be unreadable, so nothing of them is read here.
        async with db.write() as connection:
            if fence is not None:
                await fence.check(db, connection, run_id)
            await move_within(db, connection, [Move(run_id, {})], StateType.CRASHED, "Crashed", reason)
            await announce(connection, RUNS, COMMANDS)
