"""A lane carries packs to where they are executed and brings back what came of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from ..foundation import clock
from ..values import tracebacks
from .call_kind import Resources
from .outcomes import FAILED, Extra, Outcome
from .own_arguments import Taker
from .pack_group import Pack
from .spool import Salvaged


@dataclass(frozen=True, slots=True)
class Answer:
    """A pack came back. `large` holds, by position, what to keep of values that did not ride in the
    outcomes.
    """

    pack: Pack
    outcomes: list[Outcome | None]
    elapsed_s: float
    node: str
    pid: int
    large: dict[int, Any]


@dataclass(frozen=True, slots=True)
class Loss:
    """A pack did not come back. `again` tells whether running it once more makes sense."""

    pack: Pack
    cause: str  # as TaskCrashed.cause; "cancelled" when it was asked for
    message: str
    again: bool = True


def refused(pack: Pack, error: BaseException) -> Answer:
    """The answer for a pack that could not be started: each of its calls failed with `error`."""
    return Answer(pack, [refusal(error)] * len(pack), 0.0, "", 0, {})


def refusal(error: BaseException) -> Outcome:
    """The outcome of a call that failed with `error` before it was started."""
    now = clock.epoch_s()
    extra = Extra(tracebacks.headline(error), tracebacks.capture(error))
    return Outcome(FAILED, now, now, 1, None, tracebacks.ship(error), None, extra)


class Lane(Protocol):
    """Launch, poll, cancel. `launch` and `cancel` are called from any thread, `poll` from one."""

    name: str
    taker: Taker | None  # where workers are other processes: takes arguments when a call is made

    def slots(self, resources: Resources) -> int:
        """How many calls of this kind can run at the same time, at least 1."""
        ...

    def launch(self, pack: Pack) -> None:
        """Send a pack off. What cannot be sent is answered as failed; nothing is raised."""
        ...

    def poll(self, timeout_s: float) -> list[Answer | Loss]:
        """What came back; blocks up to `timeout_s` while nothing does."""
        ...

    def cancel(self, pack: Pack, force: bool) -> None:
        """Stop a pack: interrupt its code, or (`force`) end its process."""
        ...

    def salvage(self, pack: Pack) -> Salvaged | None:
        """What a lost pack had finished, where that can still be read."""
        ...

    def fetch(self, place: Any) -> Any:
        """A large value that stayed where the lane keeps such."""
        ...

    def yielding(self) -> AbstractContextManager[None]:
        """Lend out the caller's slot while it waits for other calls."""
        ...

    def settle(self) -> None:
        """Wait until news that workers have sent (log lines) is taken in."""
        ...

    def close(self) -> None:
        """Let go of everything; packs in flight are abandoned."""
        ...
