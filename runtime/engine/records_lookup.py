"""Calls that need not run: completed in an earlier execution of the run, or known to the cache."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import clock
from .fanout import Fanout, holding
from .outcomes import CACHED, COMPLETED, Held, Outcome
from .resolve import row_here

if TYPE_CHECKING:
    from .cache_lookup import CacheLookup


@dataclass(slots=True)
class Found:
    """What records answer: settled calls of a replay, and outcomes for calls that the cache knows."""

    replayed: list[tuple[int, int, Held]] = field(default_factory=list[tuple[int, int, Held]])
    cached: list[tuple[int, Outcome]] = field(default_factory=list[tuple[int, Outcome]])


def find(fanout: Fanout, start: int, stop: int) -> Found:
    """Look up calls whose upstream has ended."""
    found = Found()
    replay = fanout.group.desk.replay
    if replay is not None:
        found.replayed = _from_journal(fanout, start, stop)
    cache = fanout.group.cache
    if cache is not None:
        answered = {position for position, _, _ in found.replayed}
        found.cached = _from_cache(
            fanout, [position for position in range(start, stop) if position not in answered], cache
        )
    return found


def _from_journal(fanout: Fanout, start: int, stop: int) -> list[tuple[int, int, Held]]:
    replay = fanout.group.desk.replay
    assert replay is not None
    code = fanout.group.code
    replayed: list[tuple[int, int, Held]] = []
    known = replay.completed(fanout.site, fanout.first_index + start, fanout.first_index + stop)
    for index, task in known.items():
        position = index - fanout.first_index
        if replay.diverges(fanout.name_of(position), task, lambda at=position: row_here(fanout, at)):
            continue
        held = holding(task.result_kind, task.result, code.storage_url, code.serializer)
        replayed.append((position, COMPLETED, held))
    return replayed


def _from_cache(fanout: Fanout, positions: list[int], cache: CacheLookup) -> list[tuple[int, Outcome]]:
    keys: dict[int, str] = {}
    for position in positions:
        args, kwargs = row_here(fanout, position)
        key = cache.key_of(args, kwargs)
        if key is not None:
            keys[position] = key
            fanout.cache_keys[position] = (key, cache.expires_at())
    hits = cache.look_up(list(keys.values()))
    now = clock.epoch_s()
    return [
        (position, Outcome(CACHED, None, now, 0, hits[key].result_kind, hits[key].result))
        for position, key in keys.items()
        if key in hits
    ]
