"""How many calls ride in one remote call: arithmetic only, so that tests can walk through it.

Short calls are packed so that one remote call lasts about `target_s`. Nothing is assumed: the first calls of
a task go alone, packs grow from what was measured, and they shrink again towards the end of a fan-out so that
all workers finish together (guided self-scheduling), but not so far that a call of Ray costs more than it
evens out.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_CALLS = 1_000  # in one pack: bounds what one answer holds and what the journal commits at once
MAX_ARGUMENT_BYTES = 4 * 1024 * 1024  # of one pack
GROWTH = 8  # at most this many times the largest pack that came back
OVERLAPPING_GROWTH = 32  # of calls that run side by side: a large pack lasts no longer
SMALLEST = 8  # at the end of a fan-out a pack still lasts this part of the target
SMOOTHING = 0.5  # weight of the newest measurement
OVERLAPPING_AT_LEAST_S = 2e-4  # what one more overlapping call is taken to cost before a pack tells
FIRST_CALLS = 16  # answers among which a faster one counts fully
LARGE_VALUES_AFTER = 8  # calls without a large value before none is expected


@dataclass(slots=True)
class Estimate:
    """What is known of one kind of call. `call_s` is None until a first answer came."""

    call_s: float | None = None
    argument_bytes: float = 0.0
    largest_pack: int = 1
    answered: int = 0
    large_value_seen: bool = False
    overlaps: bool = False  # calls of one pack run side by side: what counts is what one more costs
    alone_s: float = 0.0  # overlapping calls: the shortest that a pack took

    def observe(self, calls: int, elapsed_s: float) -> None:
        """Take in that a pack of `calls` took `elapsed_s` in its worker."""
        if calls <= 0:
            return
        self.answered += calls
        self.largest_pack = max(self.largest_pack, calls)
        if self.overlaps:
            self.alone_s = min(self.alone_s or elapsed_s, elapsed_s)
            elapsed_s = max(elapsed_s - self.alone_s, calls * OVERLAPPING_AT_LEAST_S)
        each = max(elapsed_s, 1e-7) / calls
        if self.call_s is None or (each < self.call_s and self.answered <= FIRST_CALLS):
            self.call_s = each  # first calls pay for imports: the faster one tells more
        else:
            self.call_s += SMOOTHING * (each - self.call_s)

    def observe_arguments(self, calls: int, size_bytes: int) -> None:
        """Take in how many bytes the arguments of a pack had."""
        each = size_bytes / max(calls, 1)
        self.argument_bytes += SMOOTHING * (each - self.argument_bytes) if self.argument_bytes else each

    @property
    def expects_large_values(self) -> bool:
        """Whether to ask for a second return value, so that large results need not pass through the
        driver.
        """
        return self.large_value_seen or self.answered < LARGE_VALUES_AFTER

    def pack_size(self, waiting: int, slots: int, target_s: float, wanted: int | None = None) -> int:
        """Calls for the next pack, at least 1. `wanted` is the author's own size."""
        if wanted is not None:
            return max(1, min(wanted, waiting))
        if self.call_s is None:
            return 1
        by_growth = self.largest_pack * (OVERLAPPING_GROWTH if self.overlaps else GROWTH)
        by_rest = -(-waiting // (max(slots, 1) if self.overlaps else 2 * max(slots, 1)))
        usual = self.usual_size(target_s)
        return max(1, min(usual, by_growth, max(by_rest, usual // SMALLEST), waiting))

    def usual_size(self, target_s: float, wanted: int | None = None) -> int:
        """The size where plenty of calls wait, so that neither a start nor an end keeps packs small."""
        if wanted is not None:
            return wanted
        if self.call_s is None:
            return 1
        by_time = int(target_s / self.call_s)
        by_bytes = int(MAX_ARGUMENT_BYTES / self.argument_bytes) if self.argument_bytes else MAX_CALLS
        return max(1, min(by_time, by_bytes, MAX_CALLS))


def window(usual_size: int, slots: int, probing: bool, limit: int) -> int:
    """Packs of one kind that may be in flight: few while nothing is known, twice what keeps the workers
    busy where calls ride together, and `limit` where they go alone.

    Calls that come one by one (a loop of `submit`) thus gather behind few that went ahead, and ride together.
    It stays above twice the slots, so that an autoscaler sees more demand than the cluster has places.
    """
    if probing:
        return 2 * slots
    if usual_size > 1:
        return max(4 * slots, 8)
    return max(limit, 2 * slots)
