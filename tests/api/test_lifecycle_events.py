"""Events of what people set up: made, changed and removed."""

from __future__ import annotations

from typing import Any

import pytest

BLOCK_TYPE = {"name": "Lamp", "slug": "lamp"}


async def told(api: Any, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """What happened to things of a kind, first things first, with the payloads."""
    asked = {"filter": {"event": {"prefix": [f"prefect.{kind}."]}, "order": "ASC"}}
    events = (await api.post("/events/filter", json=asked)).json()["events"]
    return [(each["event"].rpartition(".")[2], each["payload"]) for each in events]


@pytest.mark.parametrize(
    ("kind", "path", "new", "changed"),
    [
        ("variable", "/variables/", {"name": "a", "value": 1}, {"value": 2}),
        ("concurrency-limit", "/v2/concurrency_limits/", {"name": "a", "limit": 1}, {"limit": 2}),
        ("flow", "/flows/", {"name": "a"}, {"tags": ["x"]}),
    ],
)
async def test_making_changing_and_removing_is_told(
    api: Any, kind: str, path: str, new: dict[str, Any], changed: dict[str, Any]
) -> None:
    made = (await api.post(path, json=new)).json()
    own = f"{path}{made['id']}"
    assert (await api.patch(own, json=changed)).status_code == 204
    assert (await api.delete(own)).status_code == 204
    assert (await api.delete(own)).status_code == 404
    events = await told(api, kind)
    assert [what for what, _ in events] == ["created", "updated", "deleted"]
    assert events[0][1].items() >= new.items() and events[1][1].items() >= changed.items()


async def test_what_was_there_already_is_not_told_again(api: Any) -> None:
    for _ in range(2):
        await api.post("/flows/", json={"name": "a"})
        await api.post("/variables/", json={"name": "a", "value": 1})
    assert [what for what, _ in await told(api, "flow")] == ["created"]
    assert [what for what, _ in await told(api, "variable")] == ["created"]


async def test_blocks_are_told_without_what_is_in_them(api: Any) -> None:
    lamp = (await api.post("/block_types/", json=BLOCK_TYPE)).json()
    schema = {"block_type_id": lamp["id"], "fields": {"properties": {"key": {"type": "string"}}}}
    schema_id = (await api.post("/block_schemas/", json=schema)).json()["id"]
    new = {"name": "desk", "data": {"key": "x"}, "block_type_id": lamp["id"], "block_schema_id": schema_id}
    own = f"/block_documents/{(await api.post('/block_documents/', json=new)).json()['id']}"
    assert (await api.patch(own, json={"data": {"key": "y"}})).status_code == 204
    assert (await api.delete(own)).status_code == 204
    events = await told(api, "block-document")
    assert events == [(what, {"name": "desk"}) for what in ("created", "updated", "deleted")]


async def test_a_key_of_artifacts_is_told_when_its_newest_changes(api: Any) -> None:
    made = [(await api.post("/artifacts/", json={"key": "k", "data": n})).json() for n in (1, 2)]
    await api.post("/artifacts/", json={"data": 3})
    for each in reversed(made):
        assert (await api.delete(f"/artifacts/{each['id']}")).status_code == 204
    events = await told(api, "artifact-collection")
    assert [what for what, _ in events] == ["created", "updated", "deleted"]
    assert events[1][1] == {"key": "k", "latest_id": made[1]["id"]}


async def test_automations_are_told(api: Any) -> None:
    trigger = {"type": "event", "posture": "Reactive", "expect": ["x"], "threshold": 1, "within": 0}
    new = {"name": "a", "trigger": trigger, "actions": [{"type": "do-nothing"}]}
    own = f"/automations/{(await api.post('/automations/', json=new)).json()['id']}"
    assert (await api.patch(own, json={"enabled": False})).status_code == 204
    assert (await api.delete(own)).status_code == 204
    events = await told(api, "automation")
    assert [what for what, _ in events] == ["created", "updated", "deleted"]
    assert events[1][1] == {"name": "a", "enabled": False}
