"""Whoever asks for a run reads its result, wherever the storage is.

Seen before: a large result that a deployment's run had persisted read as lost for whoever asked for the run,
because the record held a key alone and the client looked nowhere. The rule: the record says the place and the
serializer, the client reads there, else through the server, else says where the result lies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat import flow, task
from heliostat.runtime.client.client import get_client
from heliostat.runtime.engine.flow.flow_results import restore_result
from heliostat.runtime.foundation import settings
from heliostat.runtime.foundation.errors import ResultLost
from heliostat.runtime.values.result_places import ResultPlace, found_place, place_of
from heliostat.runtime.values.result_places import recorded as record_of
from heliostat.runtime.values.serializers import Serializer, register_serializer
from heliostat.runtime.values.storage import storage_for

sys.path.append(str(Path(__file__).parents[1] / "support"))

from serving import serving  # noqa: E402

LARGE = "x" * 50_000


@task(persist_result=True)
def kept(value: Any) -> Any:
    return value


@pytest.fixture
def server(recorded: Any, sqlite_url: str) -> Iterator[str]:
    with serving(sqlite_url) as served:
        yield served.url


def _asked(url: str, run_id: Any, kind: str = "flow") -> Any:
    with get_client(sync_client=True, api_url=url) as client:
        run = client.read_flow_run(run_id) if kind == "flow" else client.read_task_run(run_id)
    assert run.state is not None
    return run.state.result()  # the client is closed by now


@pytest.mark.parametrize("value", [LARGE, 7, None, {"a": [1]}])
@pytest.mark.parametrize("persists", [True, None])
def test_a_result_is_read_by_whoever_asks_for_the_run(
    recorded: Any,
    server: str,
    value: Any,
    persists: bool | None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HELIOSTAT_PERSIST_RESULTS", "true")
    settings.reload_settings()

    @flow(persist_result=persists)
    def run() -> Any:
        return kept(value)

    run()
    # Another home and another folder: the reader's own storage is elsewhere.
    monkeypatch.setenv("HELIOSTAT_HOME", str(tmp_path / "another"))
    monkeypatch.chdir(tmp_path)
    settings.reload_settings()
    assert _asked(server, recorded.run().id) == value
    assert _asked(server, recorded.task("kept-0").id, "task") == value


def test_a_relative_folder_and_the_writers_own_serializer_are_recorded(
    recorded: Any, server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    register_serializer(
        Serializer("backwards", lambda text: text[::-1].encode(), lambda data: data.decode()[::-1])
    )
    (tmp_path / "writer").mkdir()
    monkeypatch.chdir(tmp_path / "writer")

    @flow(persist_result=True, result_storage="results", result_serializer="backwards")
    def run() -> str:
        return "abc"

    run()
    monkeypatch.chdir(tmp_path)
    (file,) = [each for each in (tmp_path / "writer" / "results").rglob("*") if each.is_file()]
    assert file.read_bytes() == b"cba"
    assert _asked(server, recorded.run().id) == "abc"
    # A parent that is resumed asks with the options that the flow has by now.
    elsewhere = run.with_options(result_storage=str(tmp_path / "other"), result_serializer="pickle")
    restored = restore_result(recorded.run(), elsewhere)
    assert restored is not None and restored.result() == "abc"


def test_what_this_machine_does_not_reach_comes_through_the_server_or_says_where_it_is(
    recorded: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow(persist_result=True)
    def run() -> str:
        return LARGE

    run()
    place = place_of(recorded.run().result or b"", "nowhere", "none")
    read = ResultPlace.read
    here = os.getpid(), []

    def unreachable(self: ResultPlace) -> bytes:
        # The first to read is the client; the server reads in a thread of this process.
        if not here[1]:
            here[1].append(self)
            raise ResultLost("not on this machine")
        return read(self)

    monkeypatch.setattr(ResultPlace, "read", unreachable)
    assert _asked(server, recorded.run().id) == LARGE
    monkeypatch.undo()
    (Path(place.url) / place.key).unlink()
    with pytest.raises(ResultLost, match="lies in .*results.* on "):
        _asked(server, recorded.run().id)


def test_a_value_that_only_its_process_had_is_told_as_such(recorded: Any, server: str) -> None:
    @flow(persist_result=False)
    def run() -> str:
        return LARGE

    run()
    with pytest.raises(ResultLost, match="memory"):
        _asked(server, recorded.run().id)


def test_a_cached_result_is_read_where_it_was_written(recorded: Any, tmp_path: Path) -> None:
    ran: list[int] = []

    def body(number: int) -> int:
        ran.append(number)
        return number + 1

    first = task(
        body, name="cached", persist_result=True, result_storage=str(tmp_path / "a"), cache_key_fn=_key
    )
    second = first.with_options(result_storage=str(tmp_path / "b"), result_serializer="json")

    @flow
    def run(which: Any) -> int:
        return which(1)

    assert [run(first), run(second)] == [2, 2]
    assert ran == [1]
    # Nor is one lost that was moved to the reader's own storage.
    (tmp_path / "a").rename(tmp_path / "b")
    assert run(second) == 2
    assert ran == [1]


def _key(context: Any, inputs: dict[str, Any]) -> str:
    return "one-key"


def test_records_of_keys_alone_are_read_by_the_readers_options(tmp_path: Path) -> None:
    storage_for(str(tmp_path)).write("a/b", b"1")
    assert found_place(b"a/b", str(tmp_path), "json") == ResultPlace(str(tmp_path), "a/b", "json")
    assert found_place(b"a/c", str(tmp_path), "json") is None


def test_passwords_of_a_storage_are_not_recorded() -> None:
    record = record_of("s3://user:secret@bucket/x", "k", "pickle", b"1")
    assert b"secret" not in record
    assert place_of(record, "s3://user:secret@bucket/x", "json").url == "s3://user:secret@bucket/x"


@pytest.mark.parametrize("key", ["../etc/passwd", "etc/passwd", "a", "0" * 36 + "/other"])
def test_a_server_reads_nothing_but_results(key: str) -> None:
    assert not ResultPlace("/", key, "pickle").is_a_results()
