"""Calls that need not run: completed in an earlier execution of the run, or known to the cache."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..foundation import clock
from ..values import tracebacks
from ..values.caching import input_hash
from ..values.result_places import found_place
from .fanout import Fanout, holding
from .matching import Matching
from .outcomes import CACHED, COMPLETED, FAILED, Extra, Held, Outcome
from .replay import Replay, is_answer
from .resolve import hashable_row_here, row_here

if TYPE_CHECKING:
    from ..store.database.rows import ReplayedTask
    from .cache_lookup import CacheLookup
    from .code import TaskCode


@dataclass(slots=True)
class Found:
    """Answers of the records: settled calls of a replay, and outcomes (still to be recorded) of calls that
    the cache knows or that had completed unreported.

    `broken` are calls that cannot be looked up: their key function fails, or a replay is not to go on.
    """

    replayed: list[tuple[int, int, Held]] = field(default_factory=list[tuple[int, int, Held]])
    cached: list[tuple[int, Outcome]] = field(default_factory=list[tuple[int, Outcome]])
    broken: list[tuple[int, Exception]] = field(default_factory=list[tuple[int, Exception]])


def find(fanout: Fanout, start: int, stop: int) -> Found:
    """Look up calls whose upstream has ended."""
    found = Found()
    if fanout.matching is not None:
        _look_into_journal(fanout, fanout.matching, start, stop, found)
    if fanout.kind.cache is not None:
        _look_into_cache(fanout, _still_open(start, stop, found), fanout.kind.cache, found)
    return found


def place_unstarted(fanout: Fanout, positions: Iterable[int]) -> None:
    """Give calls that are never started an index that no record of another call needs."""
    if fanout.matching is not None:
        for position in positions:
            fanout.move(position, fanout.matching.claim_unstarted(fanout.first_index + position))


def outcome_of_broken(error: Exception) -> Outcome:
    """The outcome of a call that cannot be looked up."""
    now = clock.epoch_s()
    extra = Extra(tracebacks.headline(error), tracebacks.capture(error))
    return Outcome(FAILED, None, now, 0, None, tracebacks.ship(error), None, extra)


def _still_open(start: int, stop: int, found: Found) -> list[int]:
    known = {position for position, _, _ in found.replayed}
    known |= {position for position, _ in (*found.cached, *found.broken)}
    return [position for position in range(start, stop) if position not in known]


def _look_into_journal(fanout: Fanout, matching: Matching, start: int, stop: int, found: Found) -> None:
    replay = fanout.kind.desk.replay
    assert replay is not None
    first = fanout.first_index
    known = {} if matching.is_read else replay.recorded(fanout.site, first + start, first + stop)
    claimed: dict[int, int] = {}  # position to recorded index
    for position in range(start, stop):
        if fanout.is_settled(position):
            continue
        try:
            if _claim(fanout, matching, replay, position, known.get(first + position)):
                claimed[position] = fanout.index_of(position)
        except Exception as error:
            found.broken.append((position, error))
    known |= replay.recorded_at(fanout.site, [index for index in claimed.values() if index not in known])
    code = fanout.kind.code
    for position, index in claimed.items():
        entry = known.get(index)
        if isinstance(entry, Outcome):
            found.cached.append((position, entry))
        elif entry is not None and is_answer(entry):
            is_there, result = _now(entry.result_kind, entry.result, code)
            if is_there:
                held = holding(entry.result_kind, result, code.storage_url, code.serializer)
                found.replayed.append((position, COMPLETED, held))


def _claim(
    fanout: Fanout, matching: Matching, replay: Replay, position: int, own: ReplayedTask | Outcome | None
) -> bool:
    """Find the recorded call that a call stands for, and give it that index; whether there is one."""
    number = fanout.first_index + position
    hashed: bytes | None = None
    if own is not None or matching.may_answer():
        hashed = input_hash(*hashable_row_here(fanout, position))
        if own is not None and own.input_hash is not None and not matching.is_read:
            if matching.claim_own(number, bytes(own.input_hash), hashed):
                return True
        claim = matching.claim(number, hashed)
        fanout.move(position, claim.index)
        if not claim.is_recorded:
            comparable = hashed is not None or own is None
            name = fanout.name_of(position)
            replay.found_no_record(name, fanout.task_name, claim, is_comparable=comparable)
        return claim.is_recorded
    fanout.move(position, matching.claim(number, None).index)
    return False


def _look_into_cache(fanout: Fanout, positions: list[int], cache: CacheLookup, found: Found) -> None:
    keys: dict[int, str] = {}
    facts = cache.facts.at_present()
    for position in positions:
        try:
            key = cache.key_of(facts, *row_here(fanout, position))
        except Exception as error:
            found.broken.append((position, error))
            continue
        if key is not None:
            keys[position] = key
            fanout.cache_keys[position] = (key, cache.expires_at())
    hits = cache.look_up(list(keys.values()))
    now, code = clock.epoch_s(), fanout.kind.code
    for position, key in keys.items():
        hit = hits.get(key)
        is_there, result = (False, None) if hit is None else _now(hit.result_kind, hit.result, code)
        if hit is not None and is_there:
            # A replay knows the call by its inputs, and the cache may have forgotten it by then.
            hashed = input_hash(*hashable_row_here(fanout, position))
            outcome = Outcome(CACHED, None, now, 0, hit.result_kind, result, hashed)
            found.cached.append((position, outcome))


def _now(kind: str | None, result: bytes | None, code: TaskCode) -> tuple[bool, bytes | None]:
    """Whether a kept value can still be read, and the record of where it is now."""
    if kind != "stored" or result is None:
        return kind != "stored", result
    place = found_place(result, code.storage_url, code.serializer)
    return place is not None, None if place is None else place.recorded()
