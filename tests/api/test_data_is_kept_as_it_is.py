"""Data that programs read back is kept as it was sent, or refused with its place.

Seen before: a text with NUL in a deployment's parameters, a variable, a block or a run's input was kept with
another character in it, half of a surrogate pair with a question mark, a huge number as a text, and not a
number as null: all without a word. The rule: what the databases cannot keep is refused (422), names and log
lines, which people look at, are still cleaned.
"""

from __future__ import annotations

from typing import Any

import pytest

UNKEPT = [
    '"a\\u0000b"',
    '"\\ud800"',
    "100000000000000000000000",
    "NaN",
    '{"a\\u0000": 1}',
    "[[1, -Infinity]]",
]


async def _sent(api: Any, method: str, path: str, body: str) -> Any:
    return await api.request(method, path, content=body, headers={"content-type": "application/json"})


@pytest.mark.parametrize("value", UNKEPT)
async def test_a_value_that_would_be_kept_as_another_is_refused(api: Any, value: str) -> None:
    deployment = await api.deployment(enforce_parameter_schema=False)
    flow_id, here = deployment["flow_id"], f"/deployments/{deployment['id']}"
    run = await api.run_of(deployment)
    named = (await api.post("/variables/", json={"name": "kept", "value": 1})).json()
    schedule = f'"schedule": {{"interval": 60}}, "parameters": {{"x": {value}}}'
    for method, path, body in (
        ("POST", "/deployments/", f'{{"name": "d", "flow_id": "{flow_id}", "parameters": {{"x": {value}}}}}'),
        (
            "POST",
            "/deployments/",
            f'{{"name": "d", "flow_id": "{flow_id}", "job_variables": {{"x": {value}}}}}',
        ),
        ("POST", "/deployments/", f'{{"name": "d", "flow_id": "{flow_id}", "schedules": [{{{schedule}}}]}}'),
        ("PATCH", here, f'{{"parameters": {{"x": {value}}}}}'),
        ("POST", f"{here}/schedules", f"[{{{schedule}}}]"),
        ("POST", f"{here}/create_flow_run", f'{{"parameters": {{"x": {value}}}}}'),
        ("PATCH", f"/flow_runs/{run['id']}", f'{{"parameters": {{"x": {value}}}}}'),
        ("POST", "/variables/", f'{{"name": "v", "value": {value}}}'),
        ("PATCH", f"/variables/{named['id']}", f'{{"value": {value}}}'),
        ("POST", "/artifacts/", f'{{"key": "a", "type": "table", "data": {value}}}'),
    ):
        answer = await _sent(api, method, path, body)
        assert answer.status_code == 422, (method, path, answer.status_code, answer.text)
    assert (await api.get("/variables/name/kept")).json()["value"] == 1
    assert (await api.get(here)).json()["parameters"] == {}


async def test_what_json_and_databases_hold_is_kept(api: Any) -> None:
    data = {"x": ["ü", 2**63 - 1, -(2**63), 1.5, None, True, {"": {}}, "\\u0000"]}
    deployment = await api.deployment(enforce_parameter_schema=False, parameters=data, job_variables=data)
    assert deployment["parameters"] == deployment["job_variables"] == data
    assert (await api.run_of(deployment))["parameters"] == data
    assert (await api.post("/variables/", json={"name": "v", "value": data})).json()["value"] == data


@pytest.mark.parametrize("value", [*UNKEPT[:3], UNKEPT[4]])
async def test_an_event_with_such_a_value_is_taken_and_shown_cleaned(api: Any, value: str) -> None:
    body = f"""[{{"occurred": "2026-01-02T00:00:00Z", "event": "odd.payload", "payload": {{"x": {value}}},
        "resource": {{"prefect.resource.id": "it"}}, "id": "01940000-0000-7000-8000-000000000001"}}]"""
    assert (await _sent(api, "POST", "/events", body)).status_code == 204
    asked = {"filter": {"event": {"name": ["odd.payload"]}, "occurred": {"since": "2026-01-01T00:00:00Z"}}}
    found = await api.post("/events/filter", json=asked)
    assert len(found.json()["events"]) == 1


async def test_the_size_of_an_event_is_that_of_its_text_and_not_of_escapes(api: Any) -> None:
    event = {
        "occurred": "2026-01-02T00:00:00Z",
        "event": "long.payload",
        "resource": {"prefect.resource.id": "it"},
        "id": "01940000-0000-7000-8000-000000000001",
    }
    for count, status in ((400_000, 204), (500_000, 422)):
        payload = {"x": "\u4e16" * count}  # three bytes each; escaped it would be six
        assert (await api.post("/events", json=[{**event, "payload": payload}])).status_code == status
