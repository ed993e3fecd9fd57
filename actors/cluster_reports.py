"""Writes what a keeper sees of Ray into the database, for the pages, without being in the keeper's way."""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from typing import Any

from ..runtime.foundation import clock
from ..runtime.foundation.settings import current_settings
from ..runtime.store import clusters
from ..runtime.store.database.database import Database
from .keeper_state import KeeperState

_log = logging.getLogger("heliostat.keeper")
_PICTURE_EVERY_S = 4.0
_SAMPLE_EVERY_S = 10.0


class ClusterReports:
    """The reports of one keeper; `server` is the port of its server."""

    def __init__(self, server: str) -> None:
        self._keeper = f"{platform.node()}:{server}"
        self._before: dict[str, Any] | None = None
        self._is_begun = False
        self._next_picture_s = 0.0
        self._next_sample_s = 0.0
        self._problem: str | None = None
        self._problem_again_s = 0.0

    def tell(self, state: KeeperState) -> None:
        """Write a new picture, if the last one is old enough. Ray has been joined."""
        now_s = clock.monotonic_s()
        if now_s < self._next_picture_s and self._problem is None:
            return
        self._next_picture_s = now_s + _PICTURE_EVERY_S
        is_sample = now_s >= self._next_sample_s
        self._attempt(lambda db: self._tell(db, state, is_sample))

    def tell_problem(self, problem: str) -> None:
        """Write that Ray is away."""
        now_s = clock.monotonic_s()
        if problem == self._problem and now_s < self._problem_again_s:
            return
        self._problem, self._problem_again_s = problem, now_s + _PICTURE_EVERY_S
        self._attempt(lambda db: clusters.keep_problem(db, self._keeper, problem))

    def end(self) -> None:
        """Write that this keeper ends, and with it its pictures."""
        self._attempt(
            lambda db: clusters.forget(db, self._keeper, "the server that looked after Ray has ended")
        )

    async def _tell(self, db: Database, state: KeeperState, is_sample: bool) -> None:
        from . import picture

        if not self._is_begun:
            self._before = await clusters.read_picture(db, self._keeper)
            self._is_begun = True
        taken = await asyncio.to_thread(
            picture.take, state.actors, state.supervisors, self._before, clock.epoch_s()
        )
        about = {
            "address": state.address,
            "dashboard": state.dashboard,
            "is_local": state.is_local,
            "namespace": state.namespace,
            "others": state.others,
        }
        sample = picture.sample_of(taken) if is_sample else None
        await clusters.keep(db, self._keeper, state.address or self._keeper, {**about, **taken}, sample)
        self._before, self._problem = taken, None
        if is_sample:
            self._next_sample_s = clock.monotonic_s() + _SAMPLE_EVERY_S

    def _attempt(self, writing: Callable[[Database], Awaitable[None]]) -> None:
        try:
            asyncio.run(_with_database(writing))
        except Exception as error:  # the pages show an older picture; the keeper's own work goes on
            _log.debug("the picture of the cluster is not kept: %s", error)


async def _with_database(writing: Callable[[Database], Awaitable[None]]) -> None:
    db = await Database.open(current_settings().database_url)
    try:
        await writing(db)
    finally:
        await db.close()
