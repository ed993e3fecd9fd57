"""Deploying again keeps what people did by hand: what the code does not say stays as it is.

Seen: each deploy replaced the whole deployment, so that a paused schedule ran again, one that was made on the
command line vanished, and a queue or tags that somebody had set were gone. What the code says is matched to
what is there by slug, else by what it schedules; each schedule shows whose it is.
"""

from __future__ import annotations

from typing import Any

import pytest

MORNING, NOON = {"cron": "30 6 * * *"}, {"cron": "0 12 * * *"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


async def deployed(api: Any, deployment: dict[str, Any], **said: Any) -> dict[str, Any]:
    """What is there after the code was deployed again."""
    answer = await api.patch(f"/heliostat/deployments/{deployment['id']}", json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def by_hand(api: Any, deployment: dict[str, Any], *entries: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await api.post(f"/deployments/{deployment['id']}/schedules", json=list(entries))
    assert answer.status_code == 201, answer.text
    return answer.json()


def crons(deployment: dict[str, Any]) -> list[str]:
    return sorted(each["schedule"]["cron"] for each in deployment["schedules"])


async def test_a_paused_schedule_stays_paused_and_is_the_same_one(api: Any) -> None:
    made = await api.deployment(schedules=[{"schedule": MORNING}])
    [schedule] = made["schedules"]
    await api.patch(f"/deployments/{made['id']}/schedules/{schedule['id']}", json={"active": False})
    for _ in range(2):
        [now] = (await deployed(api, made, version="2", schedules=[{"schedule": MORNING}]))["schedules"]
        assert (now["id"], now["active"]) == (schedule["id"], False)
    assert (now["created_by"]["type"], now["updated_by"]["type"]) == ("DEPLOY", "API")
    [now] = (await deployed(api, made, schedules=[{"schedule": MORNING, "parameters": {"x": 1}}]))[
        "schedules"
    ]
    assert (now["active"], now["parameters"]) == (False, {"x": 1})
    [now] = (await deployed(api, made, schedules=[{"schedule": MORNING, "active": True}]))["schedules"]
    assert (now["active"], now["parameters"]) == (True, {"x": 1})


async def test_schedules_that_people_made_stay_and_those_that_the_code_dropped_go(api: Any) -> None:
    made = await api.deployment(schedules=[{"schedule": MORNING}])
    [hand] = await by_hand(api, made, {"schedule": NOON, "parameters": {"x": 2}})
    assert hand["created_by"]["type"] == "API"
    assert crons(await deployed(api, made, tags=["new"])) == ["0 12 * * *", "30 6 * * *"]
    now = await deployed(api, made, schedules=[{"schedule": {"cron": "0 7 * * *"}}])
    assert crons(now) == ["0 12 * * *", "0 7 * * *"]
    [left] = (await deployed(api, made, schedules=[]))["schedules"]
    assert (left["id"], left["parameters"]) == (hand["id"], {"x": 2})
    other = await deployed(api, made, schedules=[{"schedule": NOON, "parameters": {"x": 3}}])
    assert len(other["schedules"]) == 2, "one with other parameters is another one"
    now = await deployed(api, made, schedules=[{"schedule": NOON, "parameters": {"x": 2}}])
    [taken] = now["schedules"]
    assert (taken["id"], taken["created_by"]["type"]) == (hand["id"], "DEPLOY"), "the code says it now"


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (["one"], [("two", None)], ["two"]),
        (["one"], [("two", "one")], ["two"]),
        ([None], [("named", None)], ["named"]),
        (["named"], [(None, None)], ["named"]),
        (["a", "b"], [("b", "a"), ("a", "b")], ["a", "b"]),
        (["a", "b"], [("b", "a"), ("c", "b")], ["b", "c"]),
        (["a", "b"], [("b", None)], ["b"]),
    ],
)
async def test_a_schedule_of_another_slug_takes_the_place_of_the_one_that_it_was(
    api: Any, first: list[Any], second: list[Any], wanted: list[str]
) -> None:
    """A changed slug left two schedules, and two runs a slot."""
    rules = [{"cron": f"{5 + number} 6 * * *"} for number in range(2)]
    made = await api.deployment(
        schedules=[{"schedule": rules[at], "slug": slug} for at, slug in enumerate(first)]
    )
    for each in made["schedules"]:
        await api.patch(f"/deployments/{made['id']}/schedules/{each['id']}", json={"active": False})
    again = await deployed(
        api, made,
        schedules=[
            {"schedule": rules[at if len(first) == len(second) else 1], "slug": slug, "replaces": replaces}
            for at, (slug, replaces) in enumerate(second)
        ],
    )  # fmt: skip
    assert sorted(each["slug"] for each in again["schedules"]) == wanted
    assert not any(each["active"] for each in again["schedules"])
    assert {each["id"] for each in again["schedules"]} <= {each["id"] for each in made["schedules"]}


async def test_schedules_alike_are_told_apart_by_their_parameters(api: Any) -> None:
    said = [{"schedule": MORNING, "parameters": {"x": number}} for number in (1, 2)]
    made = await api.deployment(schedules=said)
    known = {each["parameters"]["x"]: each["id"] for each in made["schedules"]}
    again = await deployed(api, made, schedules=list(reversed(said)))
    assert {each["parameters"]["x"]: each["id"] for each in again["schedules"]} == known
    [left] = (await deployed(api, made, schedules=said[1:]))["schedules"]
    assert left["id"] == known[2]


async def test_two_that_would_be_one_are_refused_and_nothing_changes(api: Any) -> None:
    made = await api.deployment(schedules=[{"schedule": MORNING, "slug": "a"}])
    await by_hand(api, made, {"schedule": NOON, "slug": "mine"})
    path = f"/heliostat/deployments/{made['id']}"
    entry = {"schedule": MORNING, "replaces": "a"}
    for schedules, words in (
        ([entry | {"slug": "mine"}], "mine"),
        ([entry | {"slug": "x"}, entry | {"slug": "y"}], "replace"),
        ([entry | {"slug": "x"}, {"schedule": NOON, "slug": "x"}], "same slug"),
    ):
        refused = await api.patch(path, json={"schedules": schedules, "tags": ["new"]})
        assert (refused.status_code, words in refused.text) == (422, True), refused.text
    now = (await api.get(f"/deployments/{made['id']}")).json()
    assert (now["tags"], {each["slug"] for each in now["schedules"]}) == ([], {"a", "mine"})


async def test_fields_that_the_code_leaves_out_stay(api: Any) -> None:
    await api.pool("yard")
    made = await api.deployment(work_pool_name="yard", parameter_openapi_schema=SCHEMA)
    path = f"/deployments/{made['id']}"
    hand = {
        "tags": ["ours"], "description": "by hand", "parameters": {"x": 5}, "work_queue_name": "urgent",
        "concurrency_limit": 3, "paused": True,
    }  # fmt: skip
    assert (await api.patch(path, json=hand)).status_code == 204
    now = await deployed(api, made, work_pool_name="yard", version="2", parameter_openapi_schema=SCHEMA)
    for name in ("tags", "description", "parameters", "work_queue_name", "paused"):
        assert now[name] == hand[name], name
    assert now["global_concurrency_limit"]["limit"] == 3
    assert now["paused_by"]["type"] == "API"
    resumed = await deployed(api, made, paused=False)
    assert (resumed["paused"], resumed["paused_by"]) == (False, None)


async def test_a_parameter_that_the_flow_takes_no_more_goes(api: Any) -> None:
    """It stayed on the server although neither the flow nor its deployment knew it any more."""
    made = await api.deployment(parameters={"x": 1}, parameter_openapi_schema=SCHEMA)
    other = {"type": "object", "properties": {"y": {"type": "integer"}}}
    assert (await deployed(api, made, parameter_openapi_schema=other))["parameters"] == {}


async def test_a_schedule_by_hand_that_the_new_code_cannot_take_is_told(api: Any) -> None:
    made = await api.deployment(parameter_openapi_schema=SCHEMA)
    await by_hand(api, made, {"schedule": NOON, "parameters": {"x": 1}})
    other = {"type": "object", "properties": {"y": {"type": "integer"}}, "additionalProperties": False}
    refused = await api.patch(
        f"/heliostat/deployments/{made['id']}",
        json={"parameter_openapi_schema": other, "schedules": [{"schedule": MORNING}]},
    )
    assert (refused.status_code, "x: there is no such parameter" in refused.text) == (409, True)


async def test_clients_of_the_standard_rename_schedules_in_a_circle(api: Any) -> None:
    """The standard refuses a slug only that stays another schedule's; ours refused a swap."""
    made = await api.deployment(
        schedules=[{"schedule": MORNING, "slug": "a"}, {"schedule": NOON, "slug": "b"}]
    )
    swap = [{"slug": "b", "replaces": "a"}, {"slug": "a", "replaces": "b"}]
    assert (await api.patch(f"/deployments/{made['id']}", json={"schedules": swap})).status_code == 204
    now = {
        each["slug"]: each["schedule"]["cron"]
        for each in (await api.get(f"/deployments/{made['id']}")).json()["schedules"]
    }
    assert now == {"b": "30 6 * * *", "a": "0 12 * * *"}
