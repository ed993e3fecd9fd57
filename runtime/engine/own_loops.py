"""One event loop a thread for the asynchronous calls that it executes."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

_loops = threading.local()


class _OwnLoop:
    """The event loop of a thread, closed with that thread or when the interpreter exits."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        _own_loops.add(self)

    def close(self) -> None:
        loop = self.runner.get_loop()
        if not loop.is_running():
            loop.close()

    def __del__(self) -> None:
        self.close()


_own_loops: weakref.WeakSet[_OwnLoop] = weakref.WeakSet()


def _close_loops() -> None:
    for each in list(_own_loops):
        each.close()


atexit.register(_close_loops)


def run_on_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on this thread's loop, in a copy of the context."""
    # One loop for all packs that a thread executes: the author's clients and pools are bound to it. A runner
    # would otherwise keep the context of its first use.
    own = getattr(_loops, "own", None)
    if own is None:
        own = _loops.own = _OwnLoop()
    return own.runner.run(work, context=contextvars.copy_context())
