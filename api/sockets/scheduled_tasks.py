"""`/task_runs/subscriptions/scheduled`: background tasks, given to task workers one at a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, Field, ValidationError

from ...runtime.foundation.errors import DatabaseUnavailable
from ...runtime.store import background_runs, set_aside, task_runs
from ...runtime.store.database.database import Database
from ...runtime.store.database.feed import TASKS
from .. import wire
from ..streams.event_desk import desk_of
from .handshake import TRY_AGAIN_LATER, Gone, Line, first_to_end

router = APIRouter()

PROTOCOL_VIOLATION = 4001
_ATTEND_EVERY_S = background_runs.LEASE_S / 3
_LOOK_EVERY_S = 2.0  # without news from the change feed: lapsed claims are not announced


class Subscribe(BaseModel):
    type: Literal["subscribe"]
    keys: Annotated[list[str], Field(min_length=1)]
    client_id: Annotated[str, Field(min_length=1)]


@router.websocket("/task_runs/subscriptions/scheduled")
async def scheduled_tasks(socket: WebSocket) -> None:
    """Give out runs until the worker leaves."""
    line = Line(socket)
    database: Database = socket.app.state.database_access.database()
    try:
        if not await line.admitted():
            return
        try:
            asked = Subscribe.model_validate(await line.receive())
        except (ValidationError, ValueError):
            await line.close(PROTOCOL_VIOLATION, "Expected 'subscribe' with keys and client_id")
            return
        await _serve(socket, line, database, asked)
    except DatabaseUnavailable:
        await line.close(TRY_AGAIN_LATER, "the database is away")
    except Gone:
        pass


async def _serve(socket: WebSocket, line: Line, database: Database, asked: Subscribe) -> None:
    subscription_id = uuid4()
    feed = await desk_of(socket.app).feed()
    news = feed.subscribe(TASKS)
    answers: asyncio.Queue[str] = asyncio.Queue()
    await background_runs.attend(database, subscription_id, asked.client_id, asked.keys)

    async def attend() -> None:
        while True:
            await asyncio.sleep(_ATTEND_EVERY_S)
            await background_runs.attend(database, subscription_id, asked.client_id, asked.keys)

    async def hear() -> None:
        while True:
            try:
                answers.put_nowait(str((await line.receive()).get("type")))
            except ValueError:
                answers.put_nowait("")

    async def give() -> None:
        while True:
            run = await background_runs.claim(database, asked.keys, subscription_id)
            if run is None:
                await news.wait(_LOOK_EVERY_S)
                continue
            answer = ""
            try:
                try:
                    shown = wire.task_run(run, task_runs.states_of(run))
                except Exception as error:  # set aside, or it would end the connection of the next worker too
                    await set_aside.task_run(database, run.id, "it could not be given to a worker", error)
                    continue
                await line.send(shown)
                answer = await answers.get()
            finally:
                if answer != "ack":
                    await asyncio.shield(_release(database, run.id, subscription_id))
            if answer != "ack":
                is_end = answer == "quit"
                await line.close(1000 if is_end else PROTOCOL_VIOLATION, "" if is_end else "expected 'ack'")
                return

    try:
        await first_to_end(attend(), hear(), give())
    finally:
        feed.unsubscribe(news)
        await asyncio.shield(_leave(database, subscription_id))


async def _release(database: Database, task_run_id: UUID, subscription_id: UUID) -> None:
    try:
        await background_runs.release(database, task_run_id, subscription_id)
    except DatabaseUnavailable:
        pass  # the claim lapses


async def _leave(database: Database, subscription_id: UUID) -> None:
    try:
        await background_runs.leave(database, subscription_id)
    except DatabaseUnavailable:
        pass  # its entry lapses soon
