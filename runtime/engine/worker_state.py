"""Restores state of a worker that a task has changed and that would lose log lines of the next task.

Only that: what modules set up when they are imported, handlers and finer levels, stays, since importing them
again for the next task does nothing.
"""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from typing import Any

_WITNESS = "heliostat.witness"  # a logger that is disabled together with all others


class WorkerState:
    """The state of this process when it was made; `restore` goes back there."""

    def __init__(self) -> None:
        self._witness = logging.getLogger(_WITNESS)
        self._facts = self._now()
        self._disabled = {logger for logger in _loggers() if logger.disabled}

    def restore(self) -> None:
        """Undo what matters of what has changed; next to nothing is done where nothing has."""
        now = self._now()
        if now == self._facts:
            return
        level, disable, witness_disabled, sys.stdout, sys.stderr = self._facts
        if logging.root.level > level:
            logging.root.setLevel(level)
        if logging.Logger.manager.disable > disable:
            logging.disable(disable)
        if self._witness.disabled and not witness_disabled:
            for logger in _loggers():
                if logger not in self._disabled:
                    logger.disabled = False

    def _now(self) -> tuple[Any, ...]:
        disable = logging.Logger.manager.disable
        return logging.root.level, disable, self._witness.disabled, sys.stdout, sys.stderr


@lru_cache(maxsize=1)
def state_of_this_worker() -> WorkerState:
    """The state of this process as it was before its first task."""
    return WorkerState()


def _loggers() -> list[logging.Logger]:
    known = list(logging.Logger.manager.loggerDict.values())
    return [logger for logger in known if isinstance(logger, logging.Logger)]
