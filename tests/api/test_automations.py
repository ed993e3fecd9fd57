"""Automations are kept as they were sent, found by what they concern, and go with their owner."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

DEPLOYMENT = str(uuid4())


def an_automation(name: str = "tell", **facts: Any) -> dict[str, Any]:
    given = {
        "name": name,
        "trigger": {"type": "event", "posture": "Reactive", "expect": ["sale"], "within": "PT1M30S"},
        "actions": [{"type": "run-deployment", "deployment_id": DEPLOYMENT}],
    }
    return given | facts


async def made(api: Any, **facts: Any) -> dict[str, Any]:
    answer = await api.post("/automations/", json=an_automation(**facts))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def names(api: Any, **asked: Any) -> list[str]:
    found = (await api.post("/automations/filter", json=asked)).json()
    assert (
        await api.post("/automations/count", json={"automations": asked.get("automations")})
    ).json() == len(found)
    return [each["name"] for each in found]


async def test_triggers_nest_and_durations_are_seconds(api: Any) -> None:
    one = an_automation()["trigger"]
    nested = {"type": "sequence", "within": 60, "triggers": [one, one]}
    whole = await made(
        api, trigger={"type": "compound", "require": 1, "within": None, "triggers": [one, nested]}
    )
    assert whole["trigger"]["triggers"][1]["triggers"][0]["within"] == 90.0
    assert (whole["trigger"]["within"], whole["trigger"]["triggers"][1]["within"]) == (None, 60.0)
    assert whole == (await api.get(f"/automations/{whole['id']}")).json()


async def test_automations_are_found_by_filters_and_sorted(api: Any) -> None:
    first = await made(api, name="b", tags=["x", "y"])
    await made(api, name="a", tags=["y"])
    assert await names(api) == ["a", "b"]
    assert await names(api, sort="NAME_DESC") == ["b", "a"]
    assert await names(api, automations={"tags": {"all_": ["x"]}}) == ["b"]
    assert await names(api, automations={"name": {"any_": ["a"]}}) == ["a"]
    assert await names(api, automations={"created": {"before_": first["created"]}}) == ["b"]
    either = {"operator": "or_", "name": {"any_": ["a"]}, "id": {"any_": [first["id"]]}}
    assert await names(api, automations=either) == ["a", "b"]


async def test_automations_are_found_by_what_they_act_on_and_go_with_their_owner(api: Any) -> None:
    resource = f"prefect.deployment.{DEPLOYMENT}"
    await made(api, name="acts")
    await made(api, name="owned", actions=[], owner_resource=resource)
    matching = {**an_automation()["trigger"], "match": {"prefect.resource.id": [resource]}}
    await made(api, name="listens", actions=[], trigger=matching)
    await made(api, name="other", actions=[])
    related = (await api.get(f"/automations/related-to/{resource}")).json()
    assert [each["name"] for each in related] == ["acts", "listens", "owned"]
    for _ in range(2):
        assert (await api.delete(f"/automations/owned-by/{resource}")).status_code == 202
    assert await names(api) == ["acts", "listens", "other"]


async def test_automations_are_changed_switched_and_removed(api: Any) -> None:
    one = await made(api)
    path = f"/automations/{one['id']}"
    assert (await api.put(path, json=an_automation("other", actions=[]))).status_code == 204
    assert (await api.patch(path, json={"enabled": False})).status_code == 204
    now = (await api.get(path)).json()
    assert (now["name"], now["enabled"], now["actions"]) == ("other", False, [])
    assert (await api.delete(path)).status_code == 204
    for answer in (
        await api.get(path),
        await api.delete(path),
        await api.patch(path, json={"enabled": True}),
    ):
        assert (answer.status_code, answer.json()) == (404, {"exception_message": "Automation not found"})


async def test_what_makes_no_sense_is_refused_and_nothing_is_kept(api: Any) -> None:
    trigger = an_automation()["trigger"]
    for facts in (
        {"trigger": {**trigger, "posture": "Proactive", "within": 5}},
        {"trigger": {"type": "compound", "require": 2, "within": 1, "triggers": [trigger]}},
        {"trigger": {**trigger, "within": -1}},
        {"actions": [{"type": "fly"}]},
        {"actions": [{"type": "run-deployment"}]},
        {"actions": [{"type": "pause-work-pool", "source": "inferred", "work_pool_id": DEPLOYMENT}]},
        {"color": "red"},
    ):
        assert (await api.post("/automations/", json=an_automation(**facts))).status_code == 422, facts
    assert await names(api) == []


async def test_templates_are_checked(api: Any) -> None:
    for path in ("/templates/validate", "/automations/templates/validate"):
        assert (await api.post(path, json="{{ event.id }}")).status_code == 204
        bad = await api.post(path, json="one\n{{ event.")
        assert (bad.status_code, bad.json()["error"]["line"]) == (422, 2)
