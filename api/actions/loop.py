"""The service that carries out what automations ask for."""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

from ...actors.loops.loop import Loop
from ...runtime.foundation.errors import DatabaseUnavailable
from ...runtime.store import automation_actions
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import ACTIONS, Feed
from .outcome import ActionFailed, Outcome, events_of
from .perform import perform

_log = logging.getLogger("heliostat.services")

_AT_ONCE = 10
_MOST_ATTEMPTS = 5
LEASE_S = 60.0
"""How long an action may take; after that another process tries it."""


class ActionPerformer(Loop):
    """Carries out each action at least once: once more when a process died while it did so."""

    name: ClassVar[str] = "automation-actions"
    interval_s: ClassVar[float] = 5.0
    topics: ClassVar[tuple[str, ...]] = (ACTIONS,)

    def __init__(self, db: Database, feed: Feed | None = None, lease_s: float = LEASE_S) -> None:
        super().__init__(db, feed)
        self._lease_s = lease_s

    async def step(self) -> float | None:
        while due := await automation_actions.claim(self.db, _AT_ONCE, self._lease_s):
            await asyncio.gather(*(self._perform(each) for each in due))
        return None

    async def _perform(self, due: DueAction) -> None:
        outcome, failure = Outcome(), None
        try:
            if due.unreadable is not None:
                raise ActionFailed(due.unreadable)
            if due.attempts > _MOST_ATTEMPTS:
                raise ActionFailed(f"Given up after {_MOST_ATTEMPTS} attempts")
            async with asyncio.timeout(self._lease_s / 2):
                await perform(self.db, due, outcome)
        except ActionFailed as error:
            failure = error
        except TimeoutError:
            failure = ActionFailed("It took too long")
        except DatabaseUnavailable:
            raise
        except Exception as error:
            _log.exception("action %s of automation %s", due.action.get("type"), due.automation.get("name"))
            failure = ActionFailed(f"{type(error).__name__}: {error}")
        if failure is not None:
            name, kind = due.automation.get("name"), due.action.get("type")
            _log.warning("automation %s: %s: %s", name, kind, failure)
        try:
            told = events_of(due, outcome, failure)
        except Exception:  # its automation cannot be read, so no event can report the failure
            _log.exception("the end of action %s of an automation cannot be recorded", due.id)
            told = []
        await automation_actions.finish(self.db, due.id, told)
