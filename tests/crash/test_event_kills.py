"""API processes are killed while a client sends events: what a pong confirmed is there, and nothing twice.

The client does what the stock one does: it keeps what is not confirmed, and sends it again when it is back.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
from websockets.exceptions import WebSocketException
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from heliostat.runtime.events.filters import EventFilter, EventName
from heliostat.runtime.foundation import clock, ids
from heliostat.runtime.store import event_search, task_runs
from heliostat.runtime.store.database.database import Database

_TASKS, _KILLS, _CHUNK = 400, 3, 40


def events_of(run_id: str, key: int) -> list[str]:
    """The three events of one task run."""
    task_run_id, names = uuid4(), ("Pending", "Running", "Completed")
    return [
        json.dumps(
            {
                "id": str(ids.uuid7()),
                "occurred": clock.from_epoch(clock.epoch_s() + place / 1000).isoformat(),
                "event": f"prefect.task-run.{name}",
                "resource": {
                    "prefect.resource.id": f"prefect.task-run.{task_run_id}",
                    "prefect.orchestration": "client",
                },
                "related": [
                    {
                        "prefect.resource.id": f"prefect.flow-run.{run_id}",
                        "prefect.resource.role": "flow-run",
                    }
                ],
                "payload": {
                    "validated_state": {"type": name.upper(), "name": name},
                    "task_run": {"task_key": "add-1", "dynamic_key": str(key), "name": f"add-{key}"},
                },
            }
        )
        for place, name in enumerate(names)
    ]


def admitted(url: str) -> ClientConnection:
    """A new connection, as soon as somebody listens."""
    until = clock.monotonic_s() + 60
    while True:
        try:
            line = connect(f"{url}/events/in", subprotocols=[Subprotocol("prefect")], open_timeout=5)
            line.send('{"type": "auth", "token": null}')
            line.recv(timeout=10)
            return line
        except (OSError, WebSocketException):
            assert clock.monotonic_s() < until
            clock.sleep(0.05)


@pytest.mark.timeout(240)
def test_nothing_that_was_confirmed_is_lost_when_api_processes_are_killed(
    database_url: str, run_script: Callable[..., Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ("server", "start", "--port", str(port), "--no-services")
    server = run_script(*words, HELIOSTAT_DATABASE_URL=database_url)
    ws = f"ws://127.0.0.1:{port}/api"
    admitted(ws).close()
    http = f"http://127.0.0.1:{port}/api"
    flow = httpx.post(f"{http}/flows/", json={"name": "etl"}, timeout=30).json()["id"]
    run = httpx.post(f"{http}/flow_runs/", json={"flow_id": flow}, timeout=30).json()["id"]

    waiting = [event for key in range(_TASKS) for event in events_of(run, key)]
    total = len(waiting)
    kill_at = sorted(random.sample(range(_CHUNK, total), _KILLS), reverse=True)
    line = admitted(ws)
    while waiting:
        chunk = waiting[:_CHUNK]
        try:
            for event in chunk:
                line.send(event)
            if kill_at and total - len(waiting) + len(chunk) >= kill_at[-1]:
                kill_at.pop()
                for child in psutil.Process(server.process.pid).children(recursive=True):
                    if "api_process" in " ".join(child.cmdline()):
                        child.kill()
            pong = line.ping()
            while not pong.wait(timeout=0.05):
                if line.state is not State.OPEN:
                    raise OSError("the connection is gone")
            waiting = waiting[_CHUNK:]
        except (OSError, WebSocketException):
            line = admitted(ws)  # and the chunk goes again: nothing confirmed it
    assert not kill_at
    server.process.terminate()
    server.ended()

    soon = replace(EventFilter().occurred, until=clock.now() + timedelta(hours=1))
    asked = EventFilter(occurred=soon, event=EventName(prefix=["prefect.task-run."]))

    async def left() -> tuple[int, dict[str, int]]:
        db = await Database.open(database_url)
        try:
            return await event_search.count(db, asked), await task_runs.count_by_state(db, UUID(run))
        finally:
            await db.close()

    assert asyncio.run(left()) == (total, {"COMPLETED": _TASKS})
