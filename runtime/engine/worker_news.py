"""What workers tell of packs that are under way: log lines, calls that run for long, calls given back."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from ..foundation import clock
from ..records import LogBatch
from . import call_records
from .fanout import Fanout
from .pack_group import Pack
from .run_desk import add_to_run


class PacksUnderWay(Protocol):
    """What news changes in the dispatcher."""

    changed: threading.Condition
    packs: dict[str, Pack]

    def queue_again(self, fanout: Fanout, position: int) -> None: ...
    def pump(self) -> None: ...


class WorkerNews:
    """Takes news in on behalf of a dispatcher."""

    def __init__(self, dispatcher: PacksUnderWay) -> None:
        self._dispatcher = dispatcher

    def take(self, kind: str, *facts: Any) -> None:
        """Take one piece of news, on the line's thread or the one that executes the pack."""
        if kind == "logs":
            for flow_run_id, line in facts[0]:
                add_to_run(flow_run_id, LogBatch([line]))
            return
        pack = self._dispatcher.packs.get(facts[0])
        if pack is None:
            return
        if kind == "running":
            news = pack.hear()
            news.running[facts[1]] = facts[2]
            news.heard_of_s[facts[1]] = clock.monotonic_s()
            pack.group.is_long = True
            fanout, position = pack.member(facts[1])
            call_records.running(fanout, position, facts[2], *(facts[3] if len(facts) > 3 else ()))
        elif kind == "given back":
            self._take_back(pack, facts[1])

    def _take_back(self, pack: Pack, positions: list[int]) -> None:
        with self._dispatcher.changed:
            if pack.pack_id not in self._dispatcher.packs or pack.cancel_asked_s is not None:
                return
            given_back = pack.hear().given_back
            for at in positions:
                if at not in given_back:
                    given_back.add(at)
                    fanout, position = pack.member(at)
                    if not fanout.is_settled(position):
                        self._dispatcher.queue_again(fanout, position)
            self._dispatcher.changed.notify_all()
        self._dispatcher.pump()
