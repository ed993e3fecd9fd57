"""What a supervisor asks of the journal actor is answered, also when the answer cannot travel.

Seen: an answer that cannot be pickled looked like an actor that is away, so that it was asked for for ever.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError, RaySystemError, RayTaskError

from heliostat.actors.recording import JournalActorTransport
from heliostat.runtime.foundation.errors import DatabaseUnavailable, RelayFailed


def _asked(answer: BaseException) -> Any:
    """Ask an actor whose reply ends so."""
    future: Future[Any] = Future()
    future.set_exception(answer)
    reply = SimpleNamespace(future=lambda: future)
    transport: Any = JournalActorTransport()
    transport._handle = SimpleNamespace(call=SimpleNamespace(remote=lambda *_: reply))
    return asyncio.run(transport.ask("call", "verb"))


@pytest.mark.parametrize(
    "error",
    [
        RayTaskError(
            "call", "TypeError: cannot pickle 'file' object", TypeError("cannot pickle 'file' object")
        ),
        RaySystemError("ModuleNotFoundError: No module named 'theirs'"),
    ],
)
def test_an_answer_that_cannot_travel_is_an_error_that_says_so(error: BaseException) -> None:
    with pytest.raises(RelayFailed, match="cannot be carried over: .*(cannot pickle|No module named)"):
        _asked(error)


def test_an_actor_that_is_away_is_asked_again() -> None:
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        _asked(RayActorError())
