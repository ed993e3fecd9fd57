"""Asking why a run waits."""

from __future__ import annotations

from typing import Any
from uuid import uuid4


async def test_a_run_tells_why_it_waits_and_an_unknown_one_is_404(api: Any) -> None:
    await api.pool()
    run = await api.run_of(await api.deployment(work_pool_name="yard"))
    answer = await api.get(f"/heliostat/flow_runs/{run['id']}/explain")
    told = answer.json()
    assert answer.status_code == 200
    assert [reason["code"] for reason in told["reasons"]] == ["no-worker"]
    assert "no worker of work pool 'yard' is online" in told["summary"]
    assert told["reasons"][0]["hint"] == "heliostat worker start --pool yard"
    missing = await api.get(f"/heliostat/flow_runs/{uuid4()}/explain")
    assert (missing.status_code, missing.json()) == (404, {"detail": "Flow run not found"})
