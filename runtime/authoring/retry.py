"""Whether a failed attempt is retried, and after how long."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..foundation.errors import UserError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, when and after which errors a task or flow is tried again.

    `delay` is in seconds: a number, one number for each attempt (the last one repeats), or a function of the
    number of the failed attempt (1 is the first). `jitter_factor` spreads each delay evenly between `delay *
    (1 - factor)` and `delay * (1 + factor)`, never below 0. `condition` is asked before each retry. Raises
    UserError for values that cannot work.
    """

    retries: int = 0
    delay: float | Sequence[float] | Callable[[int], float] = 0.0
    jitter_factor: float | None = None
    condition: Callable[[BaseException], bool] | None = None

    def __post_init__(self) -> None:
        retries: Any = self.retries
        if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
            raise UserError(f"retries must be a whole number of 0 or more, not {retries!r}.")
        if not callable(self.delay):
            for delay in _listed(self.delay):
                _seconds(delay, "retry delay")
        if self.jitter_factor is not None:
            _seconds(self.jitter_factor, "retry jitter factor")
        if self.condition is not None and not callable(cast("Any", self.condition)):
            raise UserError(f"The retry condition must be a function of the error, not {self.condition!r}.")

    def delay_s(self, attempt: int) -> float:
        """Seconds between the failure of attempt `attempt` (from 1) and the next one."""
        if callable(self.delay):
            delay = _seconds(self.delay(attempt), f"retry delay that {_name(self.delay)}({attempt}) returned")
        else:
            delays = _listed(self.delay)
            delay = float(delays[min(attempt, len(delays)) - 1])
        if not self.jitter_factor or not delay:
            return delay
        return max(0.0, delay * (1 + self.jitter_factor * random.uniform(-1, 1)))

    def should_retry(self, attempt: int, error: BaseException) -> bool:
        """Whether attempt `attempt` (from 1), which ended with `error`, gets another one.

        Only Exceptions are tried again. A condition that raises means no, and adds a note to `error`.
        """
        if attempt > self.retries or not isinstance(error, Exception):
            return False
        if self.condition is None:
            return True
        try:
            return bool(self.condition(error))
        except Exception as broken:
            error.add_note(f"Not tried again: the retry condition raised {broken!r}.")
            return False


def exponential_backoff(backoff_factor: float) -> Callable[[int], float]:
    """A retry delay that doubles: `backoff_factor` seconds, then 2, 4, 8 ... times that."""
    return _ExponentialBackoff(_seconds(backoff_factor, "backoff factor"))


@dataclass(frozen=True, slots=True)
class _ExponentialBackoff:  # a class, not a closure: policies are sent to workers by plain pickle
    backoff_factor: float

    def __call__(self, attempt: int) -> float:
        return self.backoff_factor * 2.0 ** min(attempt - 1, 1000)


def _listed(delay: object) -> Sequence[float]:
    if isinstance(delay, Sequence) and not isinstance(delay, str | bytes):
        if not delay:
            raise UserError(
                "The list of retry delays is empty.", hint="Give a number of seconds, or leave it out."
            )
        return cast("Sequence[float]", delay)
    return [cast("float", delay)]


def _seconds(value: object, what: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    raise UserError(f"The {what} must be a number of 0 or more, not {value!r}.")


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


NO_RETRIES = RetryPolicy()
