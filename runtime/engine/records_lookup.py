"""Calls that need not run: completed in an earlier execution of the run, or known to the cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import clock, tracebacks
from ..result_places import found_place, recorded
from .fanout import Fanout, holding
from .outcomes import CACHED, COMPLETED, FAILED, Extra, Held, Outcome
from .resolve import row_here

if TYPE_CHECKING:
    from .cache_lookup import CacheLookup
    from .code import TaskCode


@dataclass(slots=True)
class Found:
    """What records answer: settled calls of a replay, and outcomes (still to be recorded) of calls that the
    cache knows or that had completed unreported.

    `broken` are calls that cannot be looked up: their key function fails, or a replay is not to go on.
    """

    replayed: list[tuple[int, int, Held]] = field(default_factory=list[tuple[int, int, Held]])
    cached: list[tuple[int, Outcome]] = field(default_factory=list[tuple[int, Outcome]])
    broken: list[tuple[int, Exception]] = field(default_factory=list[tuple[int, Exception]])


def find(fanout: Fanout, start: int, stop: int) -> Found:
    """Look up calls whose upstream has ended."""
    found = Found()
    if fanout.group.desk.replay is not None:
        _look_into_journal(fanout, start, stop, found)
        _look_into_spools(fanout, start, stop, found)
    if fanout.group.cache is not None:
        _look_into_cache(fanout, _still_open(start, stop, found), fanout.group.cache, found)
    return found


def outcome_of_broken(error: Exception) -> Outcome:
    """How a call ends that cannot be looked up."""
    now = clock.epoch_s()
    extra = Extra(tracebacks.headline(error), tracebacks.capture(error))
    return Outcome(FAILED, None, now, 0, None, tracebacks.ship(error), None, extra)


def _still_open(start: int, stop: int, found: Found) -> list[int]:
    known = {position for position, _, _ in found.replayed}
    known |= {position for position, _ in (*found.cached, *found.broken)}
    return [position for position in range(start, stop) if position not in known]


def _look_into_spools(fanout: Fanout, start: int, stop: int, found: Found) -> None:
    replay = fanout.group.desk.replay
    if replay is None or not replay.has_unreported:
        return
    first = fanout.first_index
    indexes = [first + position for position in _still_open(start, stop, found)]
    for index, outcome in replay.unreported(fanout.site, indexes).items():
        position = index - first
        try:
            if not replay.diverges(
                fanout.name_of(position), outcome, lambda at=position: row_here(fanout, at)
            ):
                found.cached.append((position, outcome))
        except Exception as error:
            found.broken.append((position, error))


def _look_into_journal(fanout: Fanout, start: int, stop: int, found: Found) -> None:
    replay = fanout.group.desk.replay
    assert replay is not None
    code = fanout.group.code
    known = replay.completed(fanout.site, fanout.first_index + start, fanout.first_index + stop)
    for index, task in known.items():
        position = index - fanout.first_index
        try:
            if replay.diverges(fanout.name_of(position), task, lambda at=position: row_here(fanout, at)):
                continue
        except Exception as error:
            found.broken.append((position, error))
            continue
        is_there, result = _now(task.result_kind, task.result, code)
        if is_there:
            held = holding(task.result_kind, result, code.storage_url, code.serializer)
            found.replayed.append((position, COMPLETED, held))


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
    now, code = clock.epoch_s(), fanout.group.code
    for position, key in keys.items():
        hit = hits.get(key)
        is_there, result = (False, None) if hit is None else _now(hit.result_kind, hit.result, code)
        if hit is not None and is_there:
            outcome = Outcome(CACHED, None, now, 0, hit.result_kind, result)
            found.cached.append((position, outcome))


def _now(kind: str | None, result: bytes | None, code: TaskCode) -> tuple[bool, bytes | None]:
    """Whether a value that was kept can still be had, and the record of where it is now."""
    if kind != "stored" or result is None:
        return kind != "stored", result
    place = found_place(result, code.storage_url, code.serializer)
    return place is not None, None if place is None else recorded(place.url, place.key, place.serializer)
