"""Searching the log lines of all runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from heliostat.runtime.store import log_search
from heliostat.runtime.values.line_matching import template_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE = NOON.replace(hour=13)


async def write(api: Any, run: dict[str, Any], *lines: tuple[int, str], at: datetime = NOON) -> None:
    """Record lines a second apart."""
    body = [
        {
            "name": "heliostat.flow_runs",
            "level": level,
            "message": message,
            "timestamp": (at + timedelta(seconds=second)).isoformat(),
            "flow_run_id": run["id"],
        }
        for second, (level, message) in enumerate(lines)
    ]
    assert (await api.post("/logs/", json=body)).status_code == 201


async def found(api: Any, **body: Any) -> dict[str, Any]:
    answer = await api.post("/heliostat/logs/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def messages(api: Any, **query: Any) -> list[str]:
    return [line["message"] for line in (await found(api, query=query, order="oldest"))["lines"]]


@pytest.fixture
async def two_runs(api: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    one, two = await api.flow_run("RUNNING", flow="orders-etl"), await api.flow_run("RUNNING", flow="train")
    await write(api, one, (10, "resolving broker"), (20, "connected in 12 ms"), (40, "connection 7 refused"))
    await write(
        api, two, (30, "connection 8 is slow"), (40, "connection 9 refused"), at=NOON.replace(hour=13)
    )
    return one, two


async def test_lines_of_all_runs_are_found_by_words_expression_level_flow_and_time(
    api: Any, two_runs: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    one, _ = two_runs
    assert len(await messages(api)) == 5
    assert await messages(api, text="+connection -refused") == ["connection 8 is slow"]
    assert await messages(api, regex=r"connect\w+ [79]") == ["connection 7 refused", "connection 9 refused"]
    assert await messages(api, levels=["warning", "error"], flows=["ORDERS-*"]) == ["connection 7 refused"]
    assert await messages(api, levels=["debug"]) == ["resolving broker"]
    assert await messages(api, levels=[]) == []
    assert len(await messages(api, flow_run_ids=[one["id"]])) == 3
    assert len(await messages(api, runs=[one["name"]])) == 3
    assert len(await messages(api, after="2026-01-01T12:30:00Z")) == 2
    assert len(await messages(api, before="2026-01-01T12:30:00Z", loggers=["heliostat.*"])) == 3
    assert await messages(api, hide=[template_of("connection 1 refused")], text="connection") == [
        "connection 8 is slow"
    ]
    assert len(await messages(api, alike=[template_of("connection 1 refused")])) == 2


async def test_names_of_runs_and_flows_come_with_the_lines(
    api: Any, two_runs: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    told = await found(api, order="newest", limit=1)
    run = two_runs[1]
    assert told["lines"][0]["flow_run_id"] == run["id"]
    assert told["runs"][run["id"]] == {"name": run["name"], "flow_name": "train", "flow_id": run["flow_id"]}


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("of_one_run", [True, False])
async def test_pages_have_each_line_once_in_order(
    api: Any, monkeypatch: pytest.MonkeyPatch, order: str, of_one_run: bool
) -> None:
    monkeypatch.setattr(log_search, "_FIRST_STRETCH", 7)
    monkeypatch.setattr(log_search, "_STRETCH", 5)
    run = await api.flow_run("RUNNING")
    await write(api, run, *[(20, f"even {n}" if n % 2 == 0 else f"odd {n}") for n in range(40)])
    await write(api, run, *[(20, "even, at a moment that was there already")] * 3)
    query = {"text": "even"} | ({"flow_run_ids": [run["id"]]} if of_one_run else {})
    ids: list[int] = []
    moments: list[str] = []
    cursor: str | None = None
    while True:
        page = await found(api, query=query, order=order, limit=4, cursor=cursor)
        ids += [line["id"] for line in page["lines"]]
        moments += [line["timestamp"] for line in page["lines"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(ids) == len(set(ids)) == 23
    told = ids if of_one_run else moments
    assert told == sorted(told, reverse=order == "newest")


async def test_a_search_that_takes_long_stops_and_says_from_where_it_goes_on(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "_FIRST_STRETCH", 3)
    monkeypatch.setattr(log_search, "WITHIN_S", 0.0)
    run = await api.flow_run("RUNNING")
    await write(api, run, (20, "needle"), *[(20, "hay")] * 9)
    first = await found(api, query={"text": "needle"})
    assert (first["lines"], first["is_whole"]) == ([], False)
    monkeypatch.setattr(log_search, "WITHIN_S", 9.0)
    rest = await found(api, query={"text": "needle"}, cursor=first["cursor"])
    assert [line["message"] for line in rest["lines"]] == ["needle"]


async def test_a_reader_who_follows_gets_what_was_written_since(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    await write(api, run, (20, "old"))
    newest = (await found(api))["newest_id"]
    await write(api, run, (20, "new"), (10, "noise"), at=NOON - timedelta(days=1))
    told = await found(api, query={"levels": ["info"]}, after_id=newest)
    assert [line["message"] for line in told["lines"]] == ["new"]
    assert (await found(api, after_id=told["newest_id"]))["lines"] == []


async def test_a_summary_counts_by_time_level_and_flow_and_groups_what_is_alike(
    api: Any, two_runs: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    body = {"query": {"levels": ["error"]}, "parts": 2}
    told = (await api.post("/heliostat/logs/summary", json=body)).json()
    assert told["levels"] == {"debug": 1, "info": 1, "warning": 1, "error": 2}
    assert told["bins"] == [{"debug": 1, "info": 1, "error": 1}, {"warning": 1, "error": 1}]
    assert {each["name"]: each["count"] for each in told["flows"]} == {"orders-etl": 1, "train": 1}
    assert told["alike"] == [{"template": "connection … refused", "level": 40, "count": 2}]
    assert (told["total"], told["is_partial"]) == (2, False)


async def test_a_line_is_read_with_those_around_it_and_whole_however_long(api: Any) -> None:
    run = await api.flow_run("RUNNING")
    await write(api, run, (20, "before"), (40, "x" * 20_000), (20, "after"))
    line = (await found(api, query={"levels": ["error"]}))["lines"][0]
    assert (len(line["message"]), line["characters"]) == (log_search.LONGEST_SHOWN, 20_000)
    around = (await api.get(f"/heliostat/logs/{line['id']}/around?count=1")).json()
    assert [each["message"][:6] for each in around["lines"]] == ["before", "xxxxxx", "after"]
    assert around["at"] == 1
    assert (await api.get(f"/heliostat/logs/{line['id']}/text")).text == "x" * 20_000
    assert (await api.get("/heliostat/logs/99999999/around")).status_code == 404


async def test_a_search_is_saved_as_text(api: Any, two_runs: tuple[dict[str, Any], dict[str, Any]]) -> None:
    body = {"query": {"text": "refused"}, "order": "oldest"}
    text = (await api.post("/heliostat/logs/download", json=body)).text
    first, second = text.splitlines()
    assert first.endswith("connection 7 refused")
    assert two_runs[1]["name"] in second


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"query": {"regex": "("}}, "is no regular expression"),
        ({"query": {"levels": ["loud"]}}, "levels"),
        ({"cursor": "yesterday"}, "cursor"),
        ({"limit": 5_000}, "limit"),
    ],
)
async def test_what_cannot_be_searched_is_refused(api: Any, body: Any, words: str) -> None:
    await write(api, await api.flow_run("RUNNING"), (20, "a line"))
    answer = await api.post("/heliostat/logs/search", json=body)
    assert answer.status_code == 422
    assert words in answer.text


async def test_an_expression_that_takes_for_ever_is_given_up(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heliostat.runtime.foundation.bounded_calls.WITHIN_S", 0.5)
    await write(api, await api.flow_run("RUNNING"), (20, "a" * 60 + "!"))
    answer = await api.post("/heliostat/logs/search", json={"query": {"regex": "(a+)+$"}})
    assert answer.status_code == 422
    assert "was given up" in answer.text
