"""Requests that nobody would think of: made of the app's OpenAPI by Schemathesis, then spoilt further."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

ID_COUNT = 32  # ids that are replaced by those of objects that there are
_IDS = [str(UUID(int=number)) for number in range(ID_COUNT)]
_MOMENTS = [
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "1600-02-29T00:00:00",
    "2026-11-20 10:36:27.525479+00:00",
    "99999999999999",
]
_DURATIONS = ["PT1H", "PT0.000001S", "-PT1S", "P999999999D", "-P999999999D"]
_TEXTS = ["", "\0", "a\0b", "\ud800", "\U0001f600", "'", "%", "_", "\\", "{{ 1", "x" * 5_000]
_NAMES = ["etl", "daily", "yard", "slow", "w1", "key", "default"]
_NUMBERS = [0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 1e308, -1e308, float("nan"), float("inf")]


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


_THINGS = [
    None,
    True,
    [],
    {},
    {"\0": 1},
    {"a": _nested(60)},
    _nested(900),
    {"$ref": "#"},
    {"__prefect_kind": "json"},
]


@dataclass(frozen=True, slots=True)
class FuzzedRequest:
    """What is sent. Ids stand for those of real objects, in their order."""

    label: str
    method: str
    path: str
    query: dict[str, Any]
    headers: dict[str, str]
    body: bytes | None

    def with_ids(self, ids: Sequence[str]) -> FuzzedRequest:
        """The same, asking for what there is."""
        path, body = self.path, self.body
        for placeholder, known in zip(_IDS, ids, strict=False):
            path = path.replace(placeholder, known)
            body = None if body is None else body.replace(placeholder.encode(), known.encode())
        return FuzzedRequest(self.label, self.method, path, self.query, self.headers, body)


def fuzzed_requests(openapi: dict[str, Any], examples: int, chance: int = 1) -> list[FuzzedRequest]:
    """For each operation so many requests that fit its description, each once more spoilt, and one that does
    not fit. The same `chance` gives the same requests.
    """
    schemathesis.openapi.format("uuid", st.one_of(st.sampled_from(_IDS), st.uuids().map(str)))
    schemathesis.openapi.format("date-time", st.sampled_from(_MOMENTS))
    schemathesis.openapi.format("duration", st.sampled_from(_DURATIONS))
    dice = random.Random(chance)
    return [
        request
        for operation in schemathesis.openapi.from_dict(openapi).get_all_operations()
        for request in _of_operation(operation.ok(), examples, chance, dice)
    ]


def _of_operation(operation: Any, examples: int, chance: int, dice: random.Random) -> Iterator[FuzzedRequest]:
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    for case in _drawn(fitting, examples, chance):
        yield _request(case, case.body)
        if isinstance(case.body, dict | list):
            yield _request(case, _spoilt(case.body, dice))
    if operation.body:  # what else can be wrong is an address, which routing refuses
        misfit = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        for case in _drawn(misfit, 1, chance):
            yield _request(case, case.body)


def _drawn(strategy: Any, examples: int, chance: int) -> list[Any]:
    cases: list[Any] = []

    @seed(chance)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def draw(case: Any) -> None:
        cases.append(case)

    try:
        draw()
    except Unsatisfiable:
        pass  # nothing can be wrong with an operation that takes nothing
    return cases


def _request(case: Any, body: Any) -> FuzzedRequest:
    asked = case.as_transport_kwargs(base_url="http://test")
    sent = None
    if isinstance(body, dict | list | str | int | float | bool) or body is None:
        sent = json.dumps(body).encode()
    headers = {name: str(value) for name, value in (asked.get("headers") or {}).items()}
    headers |= {"Content-Type": "application/json"}
    path = asked["url"].removeprefix("http://test")
    return FuzzedRequest(case.operation.label, case.method, path, asked.get("params") or {}, headers, sent)


def _spoilt(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {_odd_key(key, dice): _spoilt(item, dice) for key, item in value.items()}
    if isinstance(value, list):
        return [_spoilt(item, dice) for item in value]
    luck = dice.random()
    if luck < 0.03:
        return dice.choice(_THINGS)
    if isinstance(value, str) and luck < 0.4:
        return dice.choice(_TEXTS) if luck < 0.2 else dice.choice(_NAMES)
    if isinstance(value, int | float) and not isinstance(value, bool) and luck < 0.3:
        return dice.choice(_NUMBERS)
    return value


def _odd_key(key: str, dice: random.Random) -> str:
    return key + dice.choice(_TEXTS) if dice.random() < 0.01 else key
