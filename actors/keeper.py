"""Keeps the control actors alive: `python -m heliostat.actors.keeper --alive-fd N --server PORT`.

It joins Ray (or starts a local one that ends with it) and checks every few seconds that each actor of the
tree is alive and runs this code. Ray ends a driver's process that has lost its cluster for a minute; the
server's supervisor then starts this process again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any
from uuid import UUID

from ..runtime.foundation import clock
from ..runtime.foundation.errors import BadSetting, HeliostatError, RayUnavailable, SchemaTooNew
from ..runtime.foundation.settings import current_settings
from ..runtime.foundation.standard_streams import say
from ..runtime.foundation.supervised import BEYOND_HELP, end_with_supervisor
from ..runtime.store import server_settings, work_pools
from ..runtime.store.database.database import Database
from . import keeper_state
from .cluster_reports import ClusterReports
from .keeper_state import KeeperState

_log = logging.getLogger("heliostat.keeper")
_LOOK_EVERY_S = 2.0
_AGAIN_S = 1.0
_MOST_AGAIN_S = 10.0
_ANSWERS_WITHIN_S = 5.0


class Keeper:
    """One keeper; `run` is called once, in the main thread."""

    def __init__(self, server: str, address: str | None, api_url: str | None = None) -> None:
        self._server = server
        self._address = address
        self._api_url = api_url
        self._stop = threading.Event()
        self._reports = ClusterReports(server)
        self._state = KeeperState(os.getpid(), clock.epoch_s(), is_local=address is None)

    def stop(self) -> None:
        """End `run`; callable from signal handlers."""
        self._stop.set()

    def run(self) -> None:
        """Keep the actors until `stop`. Raises BadSetting and SchemaTooNew: trying again would not help."""
        pause_s = _AGAIN_S
        try:
            while not self._stop.is_set():
                try:
                    self._look_after_ray()
                    pause_s = _LOOK_EVERY_S
                except (BadSetting, SchemaTooNew):
                    raise
                except Exception as error:
                    self._tell_problem(error)
                    self._leave()
                    if not self._state.is_up:
                        self._reports.tell_problem(self._state.problem or "Ray does not answer")
                    pause_s = min(pause_s * 2, _MOST_AGAIN_S)
                self._stop.wait(pause_s)
        finally:
            self._end_all()
            self._reports.end()
            keeper_state.forget(self._server)

    def _look_after_ray(self) -> None:
        from ..runtime.engine import ray_cluster
        from . import names, tree

        self._join()
        problems: list[Exception] = []
        pools = asyncio.run(ray_pools())
        from .surroundings import settings_here

        wanted = tree.tree(pools, settings_here(self._api_url))
        for child in wanted:
            try:
                tree.ensure(child)
            except Exception as error:
                if not ray_cluster.answers():
                    raise
                problems.append(error)  # the other actors are still made
                _log.warning("%s cannot be kept alive: %s", child.name, error)
        for name in tree.superfluous(wanted, names.living(names.CONTROL)):
            names.end(names.find(name))
        self._tell(wanted)
        if problems:
            self._tell_problem(problems[0])

    def _join(self) -> None:
        from ..runtime.engine import ray_cluster

        if ray_cluster.is_joined():
            return
        state = replace(self._state, is_up=False, at=clock.epoch_s())
        keeper_state.write(self._server, state)
        namespace = asyncio.run(own_namespace())
        dashboard = (
            ray_cluster.start_local(namespace)
            if self._address is None
            else ray_cluster.join(self._address, namespace)
        )
        self._state = replace(
            self._state,
            address=ray_cluster.address(),
            namespace=namespace,
            dashboard=dashboard,
            is_up=True,
            problem=None,
        )

    def _tell(self, wanted: Sequence[Any]) -> None:
        from . import names
        from .overview import nodes, supervisors

        living = set(names.living())
        actors = [{"name": each.name, "state": _state_of(each.name in living)} for each in wanted]
        self._state = replace(
            self._state,
            at=clock.epoch_s(),
            is_up=True,
            problem=None,
            actors=actors,
            supervisors=supervisors(_ANSWERS_WITHIN_S),
            nodes=nodes(),
            others=names.other_namespaces(),
        )
        keeper_state.write(self._server, self._state)
        self._reports.tell(self._state)

    def _tell_problem(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        first = next((line for line in text.splitlines() if line.strip()), text)
        if first != self._state.problem:
            _log.warning("%s", first if isinstance(error, HeliostatError) else f"Ray: {first}")
        is_up = self._state.is_up and not isinstance(error, RayUnavailable)
        self._state = replace(self._state, at=clock.epoch_s(), is_up=is_up, problem=first)
        with suppress(OSError):
            keeper_state.write(self._server, self._state)

    def _leave(self) -> None:
        """Leave a Ray that no longer answers, so that it is joined anew; stay in one that does."""
        from ..runtime.engine import ray_cluster

        if ray_cluster.is_joined() and not ray_cluster.answers():
            self._state = replace(self._state, is_up=False)
            ray_cluster.leave()

    def _end_all(self) -> None:
        """End the server's actors, or all of Ray when this process has started it."""
        from ..runtime.engine import ray_cluster

        if not ray_cluster.is_joined():
            return
        if self._address is not None:
            from . import names

            with suppress(Exception):
                # The pools end first: they would take the end of a supervisor for a crash.
                for prefix in (names.CONTROL, names.SUPERVISOR, names.JOURNAL):
                    for name in names.living(prefix):
                        names.end(names.find(name))
        ray_cluster.leave()


async def own_namespace() -> str:
    """The namespace of the control actors of this server's database."""
    from . import names

    db = await Database.open(current_settings().database_url)
    try:
        return names.namespace_of(await server_settings.database_id(db))
    finally:
        await db.close()


async def ray_pools() -> list[tuple[UUID, str]]:
    """Ids and names of the work pools whose runs go to Ray."""
    db = await Database.open(current_settings().database_url)
    try:
        from ..pools.default_pool import ensure_default_pool

        await ensure_default_pool(db)
        return [
            (pool.id, pool.name) for pool in await work_pools.list(db, limit=10_000) if pool.type == "ray"
        ]
    finally:
        await db.close()


def _state_of(is_alive: bool) -> str:
    return "alive" if is_alive else "restarting"


def main() -> int:
    """Keep until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alive-fd", type=int, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--ray-address")
    parser.add_argument("--api-url")
    words = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    keeper = Keeper(words.server, words.ray_address, words.api_url)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        keeper.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_supervisor(words.alive_fd)
    try:
        keeper.run()
    except (BadSetting, SchemaTooNew) as error:
        say("\n".join([str(error), *([f"hint: {error.hint}"] if error.hint else [])]))
        return BEYOND_HELP
    return 0


if __name__ == "__main__":
    sys.exit(main())
