"""The routes that we have are the standard's: paths, requests, statuses and every field of the answers.

`IMPLEMENTED` can only grow: a route that goes away fails here, and so does one that is new and not listed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from heliostat.api.app import create_app

SUPPORT = Path(__file__).parents[1] / "support"
sys.path.append(str(SUPPORT))
from api_objects import AUTOMATION, NOW, RESOURCE, SAMPLES, filled, seeds  # noqa: E402
from described_contract import Described  # noqa: E402

STANDARD = json.loads((SUPPORT / "standard-api.json").read_text())
ROUTES = {f"{each['method']} {each['path']}": each for each in STANDARD["endpoints"]}

UNUSED = "0192a3b4-c5d6-7e8f-9a0b-1c2d3e4f5a6b"
SPAN = {"history_start": NOW, "history_end": "2026-01-02T00:00:00Z", "history_interval_seconds": 3600}

# What to send to each route. Names in braces are those of `seeds`.
IMPLEMENTED: dict[str, dict[str, Any]] = {
    "GET /health": {},
    "GET /ready": {},
    "GET /hello": {},
    "GET /version": {},
    "GET /csrf-token": {"params": {"client": "x"}, "status": 422},
    "GET /admin/version": {},
    "GET /admin/settings": {},
    "GET /admin/storage": {},
    "POST /flows/": {"json": {"name": "another", "tags": ["a"], "labels": {"x": 1}}},
    "PATCH /flows/{id}": {"on": "flow", "json": {"tags": ["b"]}},
    "GET /flows/{id}": {"on": "flow"},
    "DELETE /flows/{id}": {"on": "doomed_flow"},
    "POST /flows/count": {"json": {}},
    "GET /flows/name/{name}": {"on": "flow"},
    "POST /flows/filter": {},
    "POST /flows/paginate": {},
    "POST /flow_runs/": {"json": {"flow_id": "{flow}", "name": None, "state": {"type": "PENDING"}}},
    "PATCH /flow_runs/{id}": {"on": "flow_run", "json": {"name": "x"}},
    "GET /flow_runs/{id}": {"on": "flow_run"},
    "DELETE /flow_runs/{id}": {"on": "doomed_run_2"},
    "POST /flow_runs/count": {},
    "POST /flow_runs/lateness": {},
    "POST /flow_runs/history": {"json": SPAN},
    "POST /flow_runs/{id}/resume": {"on": "paused_run"},
    "POST /flow_runs/filter": {},
    "POST /flow_runs/{id}/set_state": {"on": "flow_run", "json": {"state": {"type": "RUNNING"}}},
    "POST /flow_runs/{id}/input": {"on": "flow_run", "json": {"key": "other", "value": "1"}},
    "POST /flow_runs/{id}/input/filter": {"on": "flow_run", "json": {"prefix": "k"}},
    "GET /flow_runs/{id}/input/{key}": {"on": "flow_run"},
    "DELETE /flow_runs/{id}/input/{key}": {"on": "flow_run"},
    "POST /flow_runs/paginate": {},
    "PATCH /flow_runs/{id}/labels": {"on": "flow_run", "json": {"x": "y"}},
    "POST /task_runs/": {"json": {"flow_run_id": "{flow_run}", "task_key": "t", "dynamic_key": "7"}},
    "PATCH /task_runs/{id}": {"on": "task_run", "json": {"name": "x"}},
    "GET /task_runs/{id}": {"on": "task_run"},
    "DELETE /task_runs/{id}": {"on": "doomed_task"},
    "POST /task_runs/count": {},
    "POST /task_runs/history": {"json": SPAN},
    "POST /task_runs/filter": {},
    "POST /task_runs/paginate": {},
    "POST /task_runs/{id}/set_state": {"on": "task_run", "json": {"state": {"type": "PENDING"}}},
    "GET /flow_run_states/{id}": {"on": "state"},
    "GET /flow_run_states/": {"params": {"flow_run_id": "{flow_run}"}},
    "GET /task_run_states/{id}": {"on": "task_state"},
    "POST /task_workers/filter": {"json": {"task_worker_filter": {"task_keys": ["tasks.later"]}}},
    "GET /task_run_states/": {"params": {"task_run_id": "{task_run}"}},
    "POST /deployments/": {"json": {"name": "nightly", "flow_id": "{flow}", "work_pool_name": "yard"}},
    "PATCH /deployments/{id}": {"on": "deployment", "json": {"tags": ["b"], "concurrency_limit": 3}},
    "GET /deployments/{id}": {"on": "deployment"},
    "DELETE /deployments/{id}": {"on": "doomed_deployment"},
    "GET /deployments/name/{flow_name}/{deployment_name}": {"in": {"deployment_name": "daily"}},
    "POST /deployments/filter": {},
    "POST /deployments/paginate": {},
    "POST /deployments/count": {},
    "POST /deployments/get_scheduled_flow_runs": {"json": {"deployment_ids": ["{deployment}"]}},
    "POST /deployments/{id}/resume_deployment": {"on": "deployment"},
    "POST /deployments/{id}/pause_deployment": {"on": "deployment"},
    "POST /deployments/{id}/create_flow_run": {"on": "deployment", "json": {"parameters": {"x": 1}}},
    "POST /deployments/{id}/create_flow_run/bulk": {"on": "deployment", "json": [{}, {"tags": ["x"]}]},
    "POST /deployments/bulk_delete": {"json": {"deployments": {"name": {"any_": ["none"]}}}},
    "POST /deployments/{id}/schedule": {"on": "deployment", "json": {"max_runs": 2}},
    "GET /deployments/{id}/work_queue_check": {"on": "deployment"},
    "GET /deployments/{id}/schedules": {"on": "deployment"},
    "POST /deployments/{id}/schedules": {
        "on": "deployment",
        "json": [{"schedule": {"rrule": "FREQ=DAILY"}, "slug": "weekly"}],
    },
    "PATCH /deployments/{id}/schedules/{schedule_id}": {
        "on": "deployment",
        "in": {"schedule_id": "{schedule}"},
        "json": {"active": False},
    },
    "DELETE /deployments/{id}/schedules/{schedule_id}": {
        "on": "deployment",
        "in": {"schedule_id": "{schedule}"},
    },
    "POST /work_pools/": {"json": {"name": "another", "type": "process"}},
    "GET /work_pools/{name}": {"in": {"name": "yard"}},
    "PATCH /work_pools/{name}": {"in": {"name": "yard"}, "json": {"description": "x"}},
    "DELETE /work_pools/{name}": {"in": {"name": "doomed"}},
    "POST /work_pools/filter": {},
    "POST /work_pools/count": {},
    "POST /work_pools/{name}/get_scheduled_flow_runs": {"in": {"name": "yard"}},
    "POST /work_pools/{name}/concurrency_status": {"in": {"name": "yard"}},
    "POST /work_pools/{work_pool_name}/queues": {"json": {"name": "fast", "priority": 1}},
    "GET /work_pools/{work_pool_name}/queues/{name}": {"in": {"name": "default"}},
    "PATCH /work_pools/{work_pool_name}/queues/{name}": {"in": {"name": "slow"}, "json": {"priority": 1}},
    "DELETE /work_pools/{work_pool_name}/queues/{name}": {"in": {"name": "slow"}},
    "POST /work_pools/{work_pool_name}/queues/filter": {},
    "POST /work_pools/{work_pool_name}/workers/heartbeat": {"json": {"name": "w2"}},
    "POST /work_pools/{work_pool_name}/workers/filter": {},
    "DELETE /work_pools/{work_pool_name}/workers/{name}": {"in": {"name": "w1"}},
    "POST /work_queues/": {"json": {"name": "urgent", "concurrency_limit": 1}},
    "PATCH /work_queues/{id}": {"on": "queue", "json": {"is_paused": True}},
    "GET /work_queues/{id}": {"on": "queue"},
    "DELETE /work_queues/{id}": {"on": "doomed_queue"},
    "GET /work_queues/name/{name}": {"in": {"name": "default"}},
    "POST /work_queues/{id}/get_runs": {"on": "queue"},
    "POST /work_queues/filter": {},
    "POST /work_queues/{id}/concurrency_status": {"on": "queue"},
    "GET /work_queues/{id}/status": {"on": "queue"},
    "GET /collections/views/{view}": {"in": {"view": "aggregate-worker-metadata"}},
    "POST /logs/": {"json": [{"name": "x", "level": 20, "message": "m", "timestamp": NOW}]},
    "POST /logs/filter": {},
    "POST /automations/": {"json": AUTOMATION},
    "GET /automations/{id}": {"on": "automation"},
    "PUT /automations/{id}": {"on": "automation", "json": AUTOMATION},
    "PATCH /automations/{id}": {"on": "automation", "json": {"enabled": False}},
    "DELETE /automations/{id}": {"on": "doomed_automation"},
    "POST /automations/filter": {},
    "POST /automations/count": {},
    "GET /automations/related-to/{resource_id}": {"in": {"resource_id": "shop.1"}},
    "DELETE /automations/owned-by/{resource_id}": {"in": {"resource_id": "shop.1"}},
    "POST /templates/validate": {"json": "{{ event.id }}"},
    "POST /automations/templates/validate": {"json": "{{ event.id }}"},
    "POST /events": {"json": [{"id": UNUSED, "occurred": NOW, "event": "x", "resource": RESOURCE}]},
    "POST /events/filter": {},
    "GET /events/filter/next": {"params": {"page-token": "{page_token}"}},
    "POST /events/count-by/{countable}": {"json": {"filter": {}}},
}
# The same for more nouns, with what to make first: name, path, body and the field of the answer that is kept.
IMPLEMENTED |= SAMPLES["routes"]
# Routes of the standard that we do not have; of the third tier at most.
MISSING: set[str] = set()
# What requests may ask for here and not there.
TAKEN_BESIDE_THE_STANDARD = {"work_pools.name": {"like_"}, "logs.task_run_id": {"operator"}}
# Clients ignore what they do not know; a page of task runs holds whole ones here, the extract of the standard
# lists no fields of a count, and an automation says here why the server switched it off.
MORE_THAN_THE_STANDARD = {
    "TaskRunResponse", "TaskRunCount", "Automation", "DeploymentResponse", "DeploymentSchedule",
}  # fmt: skip

# Deletes come last, those of parts first, so that what others ask for is still there.
LIVE = sorted(IMPLEMENTED, key=lambda route: (route.startswith("DELETE"), -route.count("/")))


async def test_every_route_answers_as_the_standard_says(api: Any) -> None:
    known = await seeds(api)
    for name in LIVE:
        route, asked = ROUTES[name], IMPLEMENTED[name]
        path = path_of(route, asked, known)
        sent = {part: filled(asked[part], known) for part in ("json", "params") if part in asked}
        answer = await api.request(route["method"], path, **sent)
        allowed = {asked["status"]} if "status" in asked else {route["status"], 201} & succeeding(route)
        assert answer.status_code in allowed, (name, answer.status_code, answer.text)
        if answer.status_code == 204:
            assert answer.content == b"", name
        elif answer.status_code < 300 and "response" in route and "content_type" not in route:
            body = answer.json() if answer.content else None
            faults = list(misfits(body, route["response"], name))
            assert faults == []


def path_of(route: dict[str, Any], asked: dict[str, Any], known: dict[str, str]) -> str:
    given = {"id": known[asked["on"]]} if "on" in asked else {}
    names = {"countable": "event", "name": "etl", "key": "key", "flow_name": "etl", "work_pool_name": "yard"}
    return route["path"].format(**{**names, **given, **filled(asked.get("in", {}), known)})


def test_the_list_of_routes_is_what_the_app_has(capsys: pytest.CaptureFixture[str]) -> None:
    described = set(operations())
    ours = {name for name in described if name.split()[1].startswith("/heliostat")}
    assert described - ours == set(IMPLEMENTED)
    assert set(ROUTES) - described == MISSING
    assert all(ROUTES[name]["tier"] == 3 for name in MISSING)
    with capsys.disabled():
        for tier in (1, 2, 3):
            all_of_it = [name for name, route in ROUTES.items() if route["tier"] == tier]
            have = sum(name in IMPLEMENTED for name in all_of_it)
            print(f"\nT{tier}: {have} of {len(all_of_it)} routes of the standard", end="")


@pytest.mark.parametrize("name", list(IMPLEMENTED))
def test_requests_are_described_as_the_standard_has_them(name: str) -> None:
    route, operation = ROUTES[name], operations()[name]
    sent = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    described = Described(OPENAPI, STANDARD, split, TAKEN_BESIDE_THE_STANDARD)
    faults: list[str] = []
    if "body" in route:
        faults += described.misfits_of_body(sent, route["body"], name)
    elif "body_type" in route:
        faults += described.misfits(sent, route["body_type"], name)
    asked = {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "query"}
    assert set(asked) == set(route.get("query", {}))
    for field, facts in route.get("query", {}).items():
        faults += described.misfits(asked[field]["schema"], facts["type"], f"{name}?{field}")
        assert asked[field]["required"] is facts.get("required", False)
    assert faults == []


async def test_what_is_not_there_is_a_404_wherever_the_standard_says_so(api: Any) -> None:
    known = await seeds(api)
    wrong: list[str] = []
    for name, asked in IMPLEMENTED.items():
        route = ROUTES[name]
        if 404 not in route.get("other_status", ()) or not route.get("path_params"):
            continue
        nobody = {part: UNUSED if kind == "uuid" else "nobody" for part, kind in route["path_params"].items()}
        sent = {part: filled(asked[part], known) for part in ("json", "params") if part in asked}
        answer = await api.request(route["method"], route["path"].format(**nobody), **sent)
        if answer.status_code != 404 or not {"detail", "exception_message"} & set(answer.json()):
            wrong.append(f"{name}: {answer.status_code} {answer.text}")
    assert wrong == []


async def test_a_body_that_fits_nothing_is_a_422_in_the_standards_form(api: Any) -> None:
    wrong: list[str] = []
    for name in IMPLEMENTED:
        route = ROUTES[name]
        if not {"body", "body_type"} & set(route) or route.get("body_type") == "any":
            continue
        names = {
            part: UNUSED if kind == "uuid" else "day" for part, kind in route.get("path_params", {}).items()
        }
        answer = await api.request(route["method"], route["path"].format(**names), json=7)
        told = answer.json()
        if answer.status_code != 422 or told.get("exception_message") != "Invalid request received.":
            wrong.append(f"{name}: {answer.status_code} {answer.text}")
        elif told["request_body"] != 7 or told["exception_detail"][0]["loc"][0] != "body":
            wrong.append(f"{name}: {told}")
    assert wrong == []


async def test_an_old_client_is_refused_by_every_route(api: Any) -> None:
    for route in ROUTES.values():
        names = dict.fromkeys(route.get("path_params", {}), UNUSED)
        answer = await api.request(
            route["method"], route["path"].format(**names), headers={"X-PREFECT-API-VERSION": "0.7.9"}
        )
        assert answer.status_code == 400, route["path"]


OPENAPI = create_app("sqlite:////nowhere/unused.db").openapi()


def operations() -> dict[str, Any]:
    """The routes that the app describes, with paths as the standard writes them."""
    return {
        f"{method.upper()} {path.removeprefix('/api')}": operation
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
    }


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the references and alternatives round it."""
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            return resolved(each)
    if "$ref" in schema:
        return resolved(OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return schema


def succeeding(route: dict[str, Any]) -> set[int]:
    return {status for status in (route["status"], *route.get("other_status", ())) if status < 300}


def misfits(value: Any, type_name: str, where: str) -> Iterator[str]:
    """What of a JSON value is not as the standard's type says."""
    alternatives = split(type_name)
    if len(alternatives) > 1:
        tries = [list(misfits(value, each, where)) for each in alternatives]
        if all(tries):
            yield from min(tries, key=len)
    elif found := re.fullmatch(r"(array|set|map)<(.*)>", type_name):
        items = value.items() if found[1] == "map" and isinstance(value, dict) else None
        if items is None and not (found[1] != "map" and isinstance(value, list)):
            yield f"{where}: {value!r} is no {type_name}"
            return
        for key, item in items or enumerate(value):
            yield from misfits(item, found[2], f"{where}[{key}]")
    elif type_name in STANDARD["schemas"]:
        yield from misfits_of_object(value, STANDARD["schemas"][type_name]["fields"], where, type_name)
    elif type_name in STANDARD["enums"]:
        if value not in STANDARD["enums"][type_name]:
            yield f"{where}: {value!r} is no {type_name}"
    elif type_name.startswith('"'):
        if value != json.loads(type_name):
            yield f"{where}: {value!r} is not {type_name}"
    elif type_name in PLAIN and not PLAIN[type_name](value):
        yield f"{where}: {value!r} is no {type_name}"


def misfits_of_object(value: Any, fields: dict[str, Any], where: str, name: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no object"
        return
    if not fields:
        return  # labels: any names
    if set(value) != set(fields) and not (name in MORE_THAN_THE_STANDARD and set(value) > set(fields)):
        yield f"{where}: fields that differ: {sorted(set(value) ^ set(fields))}"
    for field, facts in fields.items():
        if field in value:
            yield from misfits(value[field], facts["type"], f"{where}.{field}")


def split(type_name: str) -> list[str]:
    """The alternatives of `A | array<B | C>`, those inside of brackets left together."""
    depth, parts = 0, [""]
    for letter in type_name:
        depth += {"<": 1, ">": -1}.get(letter, 0)
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def is_uuid(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


def is_moment(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("Z") and datetime.fromisoformat(value) is not None


PLAIN = {
    "null": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "uuid": is_uuid,
    "datetime": is_moment,
}
