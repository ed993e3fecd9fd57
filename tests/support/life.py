"""A server with a few hours of life in its database: something of each kind that the pages show.

Everything is written through the API. The times of runs are moved into the past afterwards, because no client
of the API says when something has happened.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from heliostat.runtime.foundation import clock

REFUSED = "ConnectionError: the broker refused port 8883"
PARAMETERS = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "enum": ["eu", "eu-south", "us"], "default": "eu"},
        "batch_size": {"type": "integer", "default": 5000, "minimum": 1},
        "dry": {"type": "boolean", "default": False},
    },
}
REPORT = """## Yield by region

| region | rows | change |
|---|---:|---:|
| eu | 48,210 | +2.1 % |
| eu-south | 12,904 | -0.4 % |

Two parts were read again after a timeout.
"""


@dataclass
class Life:
    """What was made: the id, or the name, behind each noun of an address."""

    api: httpx.AsyncClient
    dice: random.Random = field(default_factory=lambda: random.Random(4))
    made: dict[str, str] = field(default_factory=dict)
    past: list[tuple[str, str, datetime, datetime | None, datetime | None]] = field(default_factory=list)

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def state(self, id: str, type: str, kind: str = "flow_runs", **fields: Any) -> None:
        await self.post(f"/{kind}/{id}/set_state", {"state": {"type": type, **fields}, "force": True})

    async def deployment(self, flow: str, name: str, pool: str, **facts: Any) -> dict[str, Any]:
        flow_id = (await self.post("/flows/", {"name": flow}))["id"]
        body = {
            "flow_id": flow_id,
            "name": name,
            "work_pool_name": pool,
            "tags": ["prod"],
            "entrypoint": f"flows/{flow.replace('-', '_')}.py:main",
            "parameter_openapi_schema": PARAMETERS,
            "parameters": {"region": "eu"},
            **facts,
        }
        return await self.post("/deployments/", body)

    async def run(
        self, deployment: dict[str, Any], at: datetime, end: str | None, took_s: float = 0, **facts: Any
    ) -> str:
        """A run that was due at a time; `end` is its last state, None for one that waits."""
        message, name = facts.pop("message", None), facts.pop("state_name", None)
        details = {"scheduled_time": at.isoformat()}
        state = {"type": "SCHEDULED", "state_details": details}
        body = {"state": state, **facts}
        id = (await self.post(f"/deployments/{deployment['id']}/create_flow_run", body))["id"]
        if end == "SCHEDULED":
            await self.state(id, end, name=name, state_details=details)
        elif end is not None:
            await self.state(id, "PENDING")
            await self.state(id, "RUNNING")
            began = at + timedelta(milliseconds=self.dice.randint(40, 900))
            is_over = end in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
            if end != "RUNNING":
                await self.state(id, end, message=message, name=name)
            ended = began + timedelta(seconds=took_s) if is_over else None
            self.past.append(("flow_run", id, at, began, ended))
        return id

    async def task(self, run: str, at: datetime, name: str, index: int, end: str, **facts: Any) -> str:
        took_s, message = facts.pop("took_s", 1.0), facts.pop("message", None)
        body = {
            "flow_run_id": run,
            "task_key": f"{name}-1a2b3c4d",
            "dynamic_key": str(index),
            "name": f"{name}-{index}",
            "state": {"type": "PENDING"},
            **facts,
        }
        id = (await self.post("/task_runs/", body))["id"]
        await self.state(id, "RUNNING", "task_runs")
        if end != "RUNNING":
            await self.state(id, end, "task_runs", message=message)
        ended = None if end == "RUNNING" else at + timedelta(seconds=took_s)
        self.past.append(("task_run", id, at, at, ended))
        return id

    async def log(self, run: str, at: datetime, *lines: tuple[int, str], task: str | None = None) -> None:
        body = [
            {
                "flow_run_id": run,
                "task_run_id": task,
                "level": level,
                "name": "heliostat.task_runs" if task else "heliostat.flow_runs",
                "timestamp": (at + timedelta(milliseconds=310 * place)).isoformat(),
                "message": message,
            }
            for place, (level, message) in enumerate(lines)
        ]
        await self.post("/logs/", body)


async def live(api: httpx.AsyncClient, file: Path, runs: int = 40) -> dict[str, str]:
    """Fill an empty server whose database is that file. Gives what `address` fills in."""
    life, now = Life(api), clock.now()
    await _places(life)
    deployments = await _deployments(life)
    await _runs(life, deployments, now, runs)
    await _kept(life, deployments[0])
    _move(file, life.past)
    return life.made


def address(pattern: str, made: Mapping[str, str]) -> str:
    """An address of a page from its pattern: `/flows/$id` becomes that of a flow that is there."""
    noun, *rest = pattern.strip("/").split("/")
    return "/".join(["", noun, *(made[noun] if word.startswith("$") else word for word in rest)])


async def _places(life: Life) -> None:
    for name, kind, limit in (
        ("edge-hosts", "process", 8),
        ("default-pool", "process", 12),
        ("laptops", "process", None),
    ):
        await life.post("/work_pools/", {"name": name, "type": kind, "concurrency_limit": limit})
    await life.post(
        "/work_pools/edge-hosts/queues", {"name": "urgent", "priority": 1, "concurrency_limit": 2}
    )
    for name in ("edge-01", "edge-02"):
        await life.post("/work_pools/edge-hosts/workers/heartbeat", {"name": name})
    await life.post("/work_pools/default-pool/workers/heartbeat", {"name": "rack-7"})
    life.made["work-pools"] = "edge-hosts"


async def _deployments(life: Life) -> list[dict[str, Any]]:
    cron = {"cron": "*/30 * * * *", "timezone": "Europe/Berlin"}
    found = [
        await life.deployment("orders-etl", "half-hourly", "edge-hosts", schedules=[{"schedule": cron}]),
        await life.deployment(
            "ingest-telemetry",
            "every-5-min",
            "edge-hosts",
            schedules=[{"schedule": {"interval": 300}}],
            concurrency_limit=4,
        ),
        await life.deployment("check-warehouse", "every-10-min", "default-pool"),
        await life.deployment("sync-notebooks", "laptops", "laptops"),
        await life.deployment("train-sweep", "resnet", "default-pool"),
        await life.deployment("publish-report", "on-demand", "default-pool"),
    ]
    life.made |= {"deployments": found[0]["id"], "flows": found[0]["flow_id"]}
    return found


async def _runs(life: Life, deployments: list[dict[str, Any]], now: datetime, count: int) -> None:
    orders, telemetry, _, notebooks, sweep, report = deployments
    for _ in range(count):
        at = now - timedelta(hours=6 * life.dice.random(), seconds=90)
        bad = life.dice.random() < 0.06
        took_s = min(life.dice.lognormvariate(3.3, 0.8), 80)
        await life.run(
            life.dice.choice(deployments[:3]),
            at,
            "FAILED" if bad else "COMPLETED",
            took_s,
            message=REFUSED if bad else None,
        )
    for back in range(2):
        await life.run(telemetry, now - timedelta(minutes=5 * back + 1), "FAILED", 20, message=REFUSED)
        late = now - timedelta(minutes=20 + back)
        await life.run(notebooks, late, "SCHEDULED", state_name="Late")
        await life.run(deployments[back], now - timedelta(minutes=3 * back + 1), "RUNNING")
    await life.run(
        sweep, now - timedelta(minutes=22), "CRASHED", 300, message="4 of 96 trials ran out of memory"
    )
    await life.run(report, now - timedelta(minutes=13), "PAUSED")
    for ahead in range(8):
        await life.run(deployments[ahead % 3], now + timedelta(minutes=4 + ahead * 7), None)
    await _one_with_tasks(life, orders, now - timedelta(minutes=9))


async def _one_with_tasks(life: Life, deployment: dict[str, Any], at: datetime) -> None:
    """A failed run in three steps: one read, many checks of which one fails, one that waits for them."""
    run = await life.run(
        deployment, at, "FAILED", 96, name="amber-kestrel", message="1 of 12 parts could not be checked"
    )
    parts = await life.task(run, at + timedelta(seconds=1), "list_parts", 0, "COMPLETED", took_s=6)
    inputs = {"part": [{"input_type": "task_run", "id": parts}]}
    failed = ""
    for index in range(12):
        began = at + timedelta(seconds=8 + 5 * (index // 4) + life.dice.random())
        bad = index == 7
        task = await life.task(
            run,
            began,
            "check_part",
            index,
            "FAILED" if bad else "COMPLETED",
            took_s=4 + 30 * life.dice.random(),
            task_inputs=inputs,
            message="KeyError: 'currency'" if bad else None,
        )
        failed = task if bad else failed
    for index in range(3):
        began = at + timedelta(seconds=52 + 9 * index)
        await life.task(run, began, "load", index, "COMPLETED", took_s=8, task_inputs=inputs)
    trace = 'Traceback (most recent call last):\n  File "/srv/checks.py", line 41, in check\n    rate(row)\n'
    await life.log(
        run,
        at,
        (20, "Run amber-kestrel begins"),
        (20, "listed 12 parts of orders/2026-11"),
        (30, "pool: waited 1.2 s for a connection"),
        (20, "part 7 has 4,017 rows"),
    )
    await life.log(run, at + timedelta(seconds=20), (40, f"{trace}KeyError: 'currency'"), task=failed)
    for key, kind, data in (
        ("orders-report", "markdown", REPORT),
        ("orders-table", "table", '[{"region": "eu", "rows": 48210}, {"region": "us", "rows": 9120}]'),
        ("orders-loaded", "progress", 92),
        ("orders-page", "html", "<h1>Orders</h1><p>48,210 rows of 12 parts.</p>"),
    ):
        body = {"key": key, "type": kind, "data": data, "description": "Of each load", "flow_run_id": run}
        await life.post("/artifacts/", body)
    life.made |= {"runs": run, "task-runs": failed, "artifacts": "orders-report"}


async def _kept(life: Life, deployment: dict[str, Any]) -> None:
    for name, value in (("region", "eu-south"), ("limits", {"rows": 50_000, "parts": 12}), ("is_dry", False)):
        await life.post("/variables/", {"name": name, "value": value, "tags": ["prod"]})
    await life.post("/concurrency_limits/", {"tag": "warehouse", "concurrency_limit": 3})
    await life.post("/v2/concurrency_limits/", {"name": "broker", "limit": 4})
    await life.post("/v2/concurrency_limits/increment-with-lease", {"slots": 2, "names": ["broker"]})
    hook = await block(life.api, "slack-webhook", "on-call", {"url": "https://hooks.invalid/T0/B0/secret"})
    await block(life.api, "secret", "warehouse-password", {"value": "s3cret"})
    life.made["blocks"] = hook
    about = "{{ flow.name }} / {{ flow_run.name }} is {{ flow_run.state.name }}"
    message = {"type": "send-notification", "block_document_id": hook, "subject": about, "body": about}
    when = {"type": "event", "match": {"prefect.resource.id": "prefect.flow-run.*"}, "posture": "Reactive"}
    failed = {**when, "expect": ["prefect.flow-run.Failed", "prefect.flow-run.Crashed"]}
    await life.post("/automations/", {"name": "Tell on-call", "trigger": failed, "actions": [message]})
    again = {"type": "run-deployment", "source": "selected", "deployment_id": deployment["id"]}
    stuck = {**when, "expect": ["prefect.flow-run.Late"], "threshold": 3, "within": 600}
    made = {"name": "Catch up after three late runs", "trigger": stuck, "actions": [again]}
    life.made["automations"] = (await life.post("/automations/", made))["id"]
    event = {"event": "shop.sale", "resource": {"prefect.resource.id": "shop.1"}, "related": []}
    occurred = {"occurred": clock.now().isoformat(), "id": "01990000-0000-7000-8000-000000000001"}
    await life.post("/events", [{**event, **occurred}])


async def block(api: httpx.AsyncClient, slug: str, name: str, data: Any) -> str:
    """The id of a new block of a type that the server brings."""
    kind = (await api.get(f"/block_types/slug/{slug}")).json()["id"]
    asked = {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    schema = (await api.post("/block_schemas/filter", json=asked)).json()[0]["id"]
    body = {"name": name, "data": data, "block_type_id": kind, "block_schema_id": schema}
    answer = await api.post("/block_documents/", json=body)
    assert answer.is_success, answer.text
    return answer.json()["id"]


def _move(file: Path, past: list[tuple[str, str, datetime, datetime | None, datetime | None]]) -> None:
    """Put runs and their task runs where they belong in time."""
    with sqlite3.connect(file, timeout=30) as database:
        for table, id, at, began, ended in past:
            values: list[float | str | None] = [_stamp(at), _stamp(began), _stamp(ended)]
            more = ""
            if table == "flow_run":
                more = ", state_timestamp = ?, total_run_time = ?"
                took_s = (ended - began).total_seconds() if began and ended else 0
                values += [_stamp(ended or began), took_s]
            changed = database.execute(
                f"UPDATE {table} SET expected_start_time = ?, start_time = ?, end_time = ?{more}"
                " WHERE id = ?",
                [*values, id.replace("-", "")],
            ).rowcount
            assert changed == 1, (table, id)
    database.close()


def _stamp(at: datetime | None) -> int | None:
    return None if at is None else round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
