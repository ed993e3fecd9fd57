"""Recording through the journal actor: supervisors reach the database by it, as they hold no connection.

An actor that died is found again by its name once Ray has restarted it. Requests without an answer are sent
again, which is safe: commits are numbered, and verbs of runs are fenced by their leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

import ray
from ray.exceptions import RayError, RaySystemError, RayTaskError

from ..runtime.foundation import clock
from ..runtime.foundation.errors import DatabaseUnavailable, RelayFailed
from ..runtime.foundation.loop_thread import LoopThread
from ..runtime.journal.journal import Journal, JournalLimits
from ..runtime.journal.thread_recording import ThreadRecording
from ..runtime.records import Ack, HeldLease, Owner, RunAppend
from ..runtime.store.database.gathering import Gathering
from ..runtime.store.database.rows import Adopted
from ..runtime.store.leases import Taking
from . import names

_ray: Any = ray
_log = logging.getLogger("heliostat.actors")
_ANSWER_WITHIN_S = 60.0
_BACKOFF_FIRST_S, _BACKOFF_MOST_S = 0.05, 1.0
_WARN_EVERY_S = 5.0
_SENT_UNTIL_TAKEN = ("commit", "renew")  # their arguments and answers are plain records, which can be pickled


class JournalActorTransport:
    """A Transport to the journal actor, and its other methods."""

    def __init__(self, name: str = names.JOURNAL) -> None:
        self._name = name
        self._handle: Any = None

    async def commit(self, appends: list[RunAppend]) -> list[Ack]:
        """See Transport."""
        return await self.ask("commit", appends)

    async def renew(self, leases: Sequence[HeldLease]) -> set[UUID]:
        """See Transport."""
        return await self.ask("renew", list(leases))

    async def ask(self, method: str, *args: Any, within_s: float = _ANSWER_WITHIN_S) -> Any:
        """The actor's answer. Raises DatabaseUnavailable when there is none, RelayFailed when the question or
        the answer cannot be pickled (asking again would not help), and what the verb raises.
        """
        try:
            if self._handle is None:
                self._handle = await asyncio.to_thread(_ray.get_actor, self._name, names.namespace())
            reply = getattr(self._handle, method).remote(*args)
            done, value = await asyncio.wait_for(asyncio.wrap_future(reply.future()), within_s)
        except RayTaskError as error:
            raise _not_carried(method, error) from error
        except (RayError, ValueError, TimeoutError) as error:
            if isinstance(error, RaySystemError) and method not in _SENT_UNTIL_TAKEN:
                raise _not_carried(method, error) from error  # the answer cannot be unpickled here
            self._handle = None  # a restarted actor has the old name
            raise DatabaseUnavailable(
                f"the journal actor does not answer ({type(error).__name__})",
                hint="heliostat ray status shows whether it runs",
            ) from error
        if done:
            return value
        raise value

    def tell(self, method: str, *args: Any) -> None:
        """Call a method of the actor without waiting for an answer."""
        if self._handle is not None:
            getattr(self._handle, method).remote(*args)


class ActorStore:
    """The store verbs of the journal actor, asked on behalf of a `supervisor`."""

    def __init__(self, transport: JournalActorTransport, supervisor: str | None) -> None:
        self._transport = transport
        self._supervisor = supervisor
        self._adoptions: Gathering[Taking, Adopted] = Gathering(self._adopt_together, _nothing_in_common)

    def ask(self, verb: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any]:
        return self._ask_until_answered("call", verb, args, kwargs)

    def adopt(
        self, run_id: UUID, owner: Owner, lease_s: float, dead_epoch: int | None
    ) -> Coroutine[Any, Any, Adopted]:
        """See Store. A process that runs many flows adopts several at a time."""
        return self._adoptions.do(Taking(run_id, owner, lease_s, dead_epoch))

    def release(self, run_id: UUID, epoch: int, owner_id: UUID) -> Coroutine[Any, Any, bool]:
        return self._ask_until_answered("release", run_id, epoch, owner_id)

    def hurry(self) -> None:
        """Nothing to do: a dead actor comes back under its name, or the cluster ends this process."""

    async def close(self) -> None:
        """Nothing to do: this store holds no connection."""

    async def _adopt_together(self, several: Sequence[Taking]) -> list[Adopted | Exception]:
        answers = await self._ask_until_answered("adopt", list(several), self._supervisor)
        return [value for _, value in answers]

    async def _ask_until_answered(self, method: str, *args: Any) -> Any:
        began = warned = clock.monotonic_s()
        backoff_s = _BACKOFF_FIRST_S
        while True:
            try:
                return await self._transport.ask(method, *args)
            except DatabaseUnavailable as error:
                if not error.heals:
                    raise
                now = clock.monotonic_s()
                if now - warned >= _WARN_EVERY_S:
                    warned = now
                    _log.warning("still waiting after %.0f s: %s", now - began, error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)


def record_to_actor(
    lease_s: float, limits: JournalLimits | None = None, supervisor: str | None = None
) -> tuple[ThreadRecording, JournalActorTransport]:
    """Begin to record on behalf of `supervisor`; the actor is looked up at the first use."""

    async def begin() -> tuple[JournalActorTransport, ActorStore, Journal]:
        transport = JournalActorTransport()
        return transport, ActorStore(transport, supervisor), Journal(transport, lease_s, limits)

    thread = LoopThread("heliostat-recording")
    transport, store, journal = thread.run(begin())
    place = f"actor:{names.JOURNAL}"
    return ThreadRecording(place, thread, store, journal, lease_s, polls_commands=False), transport


def _not_carried(method: str, error: Exception) -> RelayFailed:
    text = str(error).strip().rpartition("\n")[2]
    return RelayFailed(
        f"what was asked of the journal actor ({method}), or its answer, cannot be carried over: {text}",
        hint="the log of the server's Ray has more: heliostat ray status shows where",
    )


def _nothing_in_common(_: Taking) -> tuple[()]:
    return ()
