"""Which call of an earlier execution each call of a replay is: by its inputs first, by order among equal
ones second.

The number of a call at its site is its place in the order of calls. Concurrent calls may come in another
order when the flow's body runs again, so a number alone says nothing: a recorded completion answers a call
only when the inputs are the same. A call that finds its record takes over the record's index, and with it
the id; a call that finds none takes an index that no record needs.
"""

from __future__ import annotations

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """The index under which a call is recorded.

    `is_recorded`: an earlier execution made this call with the same inputs. `diverges`: the earlier execution
    made another call in its place, which nobody has taken over.
    """

    index: int
    is_recorded: bool = False
    diverges: bool = False


class Matching:
    """The calls of one site: what is recorded of them, and which present call took which record.

    `read_inputs` gives the index and the input hash of every recorded call in the order of the indexes; it
    is asked once, and only when a call is not the one that the record has under its number. None as a hash
    says that the inputs cannot be compared: such a record answers nobody, and its index is free.
    """

    def __init__(self, read_inputs: Callable[[], Iterable[tuple[int, bytes | None]]]) -> None:
        self._read_inputs = read_inputs
        self._lock = threading.Lock()
        self._claimed: set[int] = set()
        self._in_order = True  # so far each call was the one that the record has under its number
        self._known: dict[int, bytes | None] | None = None  # unclaimed records; None: not read yet
        self._by_inputs: defaultdict[bytes, list[int]] = defaultdict(list)  # heaps of indexes
        self._unclaimed = 0  # records that may still answer a call
        self._last = -1  # the highest recorded index
        self._last_beyond = -1  # the highest one that was given out above it
        self._left: list[
            int
        ] = []  # heap of indexes that no call needs: records that answer nobody, or never made

    @property
    def is_read(self) -> bool:
        """Whether all records of the site are known here."""
        return self._known is not None

    def claim_own(self, number: int, recorded: bytes | None, inputs: bytes | None) -> bool:
        """Take the record under the call's own number, if calls come in the recorded order and it has the
        same inputs. `recorded` is that record's hash.
        """
        with self._lock:
            if not self._in_order or inputs is None or recorded != inputs or number in self._claimed:
                return False
            self._take(number)
            return True

    def may_answer(self) -> bool:
        """Whether any record is left that a call could be."""
        with self._lock:
            self._read()
            return self._unclaimed > 0

    def claim(self, number: int, inputs: bytes | None) -> Claim:
        """Find the record of a call with these inputs, or an index for a call that has none."""
        with self._lock:
            known = self._read()
            if inputs is not None and (index := self._find(known, number, inputs)) is not None:
                self._take(index)
                if index != number:
                    self._in_order = False
                    if self._is_free(known, number):
                        heapq.heappush(self._left, number)
                return Claim(index, is_recorded=True)
            if known.get(number) is not None:
                self._in_order = False
            return self._claim_free(known, number)

    def claim_unstarted(self, number: int) -> int:
        """An index for a call whose inputs will never be known."""
        with self._lock:
            return self._claim_free(self._read(), number).index

    def _find(self, known: dict[int, bytes | None], number: int, inputs: bytes) -> int | None:
        if self._in_order and known.get(number) == inputs:
            return number
        heap = self._by_inputs.get(inputs, [])
        while heap and heap[0] not in known:  # taken meanwhile
            heapq.heappop(heap)
        return heap[0] if heap else None

    def _claim_free(self, known: dict[int, bytes | None], number: int) -> Claim:
        diverges = False
        while self._left and not self._is_free(known, self._left[0]):
            heapq.heappop(self._left)
        if self._is_free(known, number):
            index = number
        elif self._left:
            index = heapq.heappop(self._left)
        else:
            index = self._beyond()
            diverges = number <= self._last
        self._take(index)
        return Claim(index, diverges=diverges)

    def _is_free(self, known: dict[int, bytes | None], number: int) -> bool:
        if number in self._claimed:
            return False
        return known.get(number) is None

    def _beyond(self) -> int:
        index = max(self._last, self._last_beyond) + 1
        while index in self._claimed:
            index += 1
        self._last_beyond = index
        return index

    def _take(self, index: int) -> None:
        self._claimed.add(index)
        if self._known is not None and self._known.pop(index, None) is not None:
            self._unclaimed -= 1

    def _read(self) -> dict[int, bytes | None]:
        if self._known is None:
            known: dict[int, bytes | None] = {}
            for index, inputs in self._read_inputs():
                self._last = max(self._last, index)
                if index in self._claimed:
                    continue
                known[index] = inputs
                if inputs is None:
                    heapq.heappush(self._left, index)
                else:
                    self._by_inputs[inputs].append(index)
                    self._unclaimed += 1
            self._known = known
        return self._known
