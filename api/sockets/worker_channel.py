"""`/work_pools/{name}/workers/connect`: a worker sends heartbeats and receives changes of its pool.

This is the part of the channel that the standard requires: hello, ready, heartbeats, snapshots of the pool.
The answer to hello refuses clean-up orders (`cleanup_delivery.v1`): the server's own services clean up what
cancelled runs and dead workers leave behind.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID, uuid4

from fastapi import APIRouter, WebSocket
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ...pools.templates import read_job_template
from ...runtime.foundation import clock
from ...runtime.foundation.errors import DatabaseUnavailable, HeliostatError, NotFound
from ...runtime.store import work_pools, work_queues, workers
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import POOLS
from ...runtime.store.deployment_rows import NewWorkPool, WorkPoolRow
from .. import wire_places
from ..streams.event_desk import desk_of
from .handshake import POLICY_VIOLATION, PROTOCOL_ERROR, SUBPROTOCOL, Gone, Line, first_to_end

router = APIRouter()

VERSION = "work_pool_worker_channel.v1"
CAPABILITIES = ("worker_heartbeat.v1", "work_pool_snapshot.v1")
SERVER_ERROR = 1011
_LOOK_EVERY_S = 5.0  # at the pool, without news from the change feed
_SHOWN = ("base_job_template", "concurrency_limit", "is_paused", "storage_configuration")

Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[int, Field(gt=0)]


class Strict(BaseModel):
    """A message that is refused when it has a field that the contract does not know."""

    model_config = ConfigDict(extra="forbid")


class Hello(Strict):
    consumer_id: UUID
    worker_name: Text
    worker_type: Text
    heartbeat_interval_seconds: Seconds
    supported_channel_versions: Annotated[list[Text], Field(min_length=1)]
    requested_capabilities: Annotated[list[Text], Field(min_length=1)]
    work_queue_names: list[Text] = []
    handled_cleanup_kinds: list[Literal["cancelling_timeout_teardown.v1", "pending_claim_teardown.v1"]] = []
    max_cleanup_concurrency: Annotated[int, Field(ge=0)] = 0
    create_pool_if_not_found: bool = False
    default_base_job_template: dict[str, Any] = {}
    worker_metadata: dict[str, Any] | None = None


class HelloFrame(Strict):
    type: Literal["worker.hello.v1"]
    id: UUID
    sent_at: AwareDatetime
    payload: Hello


class Beat(Strict):
    consumer_id: UUID
    worker_name: Text
    heartbeat_interval_seconds: Seconds


class BeatFrame(Strict):
    type: Literal["worker.heartbeat.v1"]
    id: UUID
    sent_at: AwareDatetime
    payload: Beat


class Closed(Exception):
    """The channel is to be closed, for one of the contract's reasons."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/work_pools/{work_pool_name}/workers/connect")
async def worker_channel(socket: WebSocket, work_pool_name: str) -> None:
    """Take a worker's heartbeats and send it changes of its pool, until it leaves."""
    line = Line(socket)
    try:
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            raise Closed(PROTOCOL_ERROR, "protocol_error")
        if not await line.admitted():
            return
        database: Database = socket.app.state.database_access.database()
        await _serve(socket, line, database, work_pool_name)
    except Closed as closed:
        await line.close(closed.code, closed.reason)
    except DatabaseUnavailable:
        await line.close(SERVER_ERROR, "transient_server_error")
    except Gone:
        pass


async def _serve(socket: WebSocket, line: Line, db: Database, pool_name: str) -> None:
    hello = (await _frame(line, HelloFrame)).payload
    feed = await desk_of(socket.app).feed()
    news = feed.subscribe(POOLS)  # subscribed before the first snapshot, so that no change is missed
    try:
        pool = await _ready(line, db, pool_name, hello)
        await first_to_end(_hear(line, db, pool_name, hello), _tell(line, db, news, pool))
    finally:
        feed.unsubscribe(news)


async def _ready(line: Line, db: Database, pool_name: str, hello: Hello) -> WorkPoolRow:
    """Register the worker and answer its hello; returns the pool as it was sent."""
    if VERSION not in hello.supported_channel_versions:
        raise Closed(POLICY_VIOLATION, "unsupported_version")
    if not set(CAPABILITIES) <= set(hello.requested_capabilities):
        raise Closed(PROTOCOL_ERROR, "protocol_error")
    await _pool_for(db, pool_name, hello)
    known = {queue.name: queue.id for queue in await work_queues.list(db, pool_name)}
    queues = list(dict.fromkeys(hello.work_queue_names)) or list(known)
    if not known.keys() >= set(queues):
        raise Closed(POLICY_VIOLATION, "authorization_failed")
    worker = await workers.heartbeat(db, pool_name, hello.worker_name, hello.heartbeat_interval_seconds)
    pool = await work_pools.read(db, pool_name)  # READY by now, with a worker
    asked = dict.fromkeys(hello.requested_capabilities)
    await _send(
        line,
        "worker.ready.v1",
        {
            "consumer_id": hello.consumer_id,
            "worker_id": worker.id,
            "selected_channel_version": VERSION,
            "effective_heartbeat_interval_seconds": hello.heartbeat_interval_seconds,
            "accepted_capabilities": CAPABILITIES,
            "rejected_capabilities": [each for each in asked if each not in CAPABILITIES],
            "effective_max_cleanup_concurrency": 0,
            "resolved_work_queues": [{"id": known[name], "name": name} for name in queues],
            "initial_snapshot": _snapshot(1, "initial", pool),
        },
    )
    return pool


async def _pool_for(db: Database, pool_name: str, hello: Hello) -> None:
    """Make the pool if it is missing, or complete it, with the template that the worker brings along."""
    template = hello.default_base_job_template
    try:
        read_job_template(template)
        pool = await work_pools.read(db, pool_name)
    except NotFound as error:
        if not hello.create_pool_if_not_found or work_pools.is_reserved(pool_name):
            raise Closed(POLICY_VIOLATION, "authorization_failed") from error
        if set(hello.work_queue_names) - {work_pools.DEFAULT_QUEUE}:  # a new pool has no other
            raise Closed(POLICY_VIOLATION, "authorization_failed") from error
        new = NewWorkPool(pool_name, hello.worker_type, base_job_template=template)
        await work_pools.get_or_create(db, new)
    except HeliostatError as error:
        if isinstance(error, DatabaseUnavailable):
            raise
        raise Closed(PROTOCOL_ERROR, "protocol_error") from error
    else:
        if template and not pool.base_job_template:
            await work_pools.change(db, pool_name, {"base_job_template": template})


async def _hear(line: Line, db: Database, pool_name: str, hello: Hello) -> None:
    """Take heartbeats."""
    while True:
        beat = (await _frame(line, BeatFrame)).payload
        if (beat.consumer_id, beat.worker_name) != (hello.consumer_id, hello.worker_name):
            raise Closed(PROTOCOL_ERROR, "protocol_error")
        try:
            await workers.heartbeat(db, pool_name, beat.worker_name, beat.heartbeat_interval_seconds)
        except NotFound as error:
            raise Closed(POLICY_VIOLATION, "authorization_failed") from error
        except DatabaseUnavailable as error:
            raise Closed(SERVER_ERROR, "heartbeat_persistence_failed") from error


async def _tell(line: Line, db: Database, news: Any, told: WorkPoolRow) -> None:
    """Send the pool whenever something changes that matters to workers."""
    sequence = 1
    while True:
        await news.wait(_LOOK_EVERY_S)
        try:
            pool = await work_pools.read_by_id(db, told.id)
        except NotFound as error:
            raise Closed(POLICY_VIOLATION, "authorization_failed") from error
        if any(getattr(pool, name) != getattr(told, name) for name in _SHOWN):
            sequence += 1
            await _send(line, "work_pool.snapshot.v1", _snapshot(sequence, "work_pool_updated", pool))
        told = pool


def _snapshot(sequence: int, reason: str, pool: WorkPoolRow) -> dict[str, Any]:
    return {"snapshot_sequence": sequence, "reason": reason, "work_pool": wire_places.work_pool(pool)}


async def _send(line: Line, kind: str, payload: dict[str, Any]) -> None:
    await line.send({"type": kind, "id": uuid4(), "sent_at": clock.now(), "payload": payload})


Frame = TypeVar("Frame", HelloFrame, BeatFrame)


async def _frame(line: Line, kind: type[Frame]) -> Frame:
    try:
        return kind.model_validate(await line.receive())
    except (ValidationError, ValueError) as error:
        raise Closed(PROTOCOL_ERROR, "protocol_error") from error
