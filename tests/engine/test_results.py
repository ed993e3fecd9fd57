"""Where results go: into the record, into storage, or nowhere; and what comes back from there."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import fsspec
import pytest

from heliostat import State, flow, task
from heliostat.runtime import states
from heliostat.runtime.foundation import settings
from heliostat.runtime.foundation.errors import CannotPickle
from heliostat.runtime.values.result_places import ResultPlace, place_of
from heliostat.runtime.values.storage import storage_for

pytestmark = pytest.mark.usefixtures("recorded", "runner")


@pytest.fixture(autouse=True)
def _runner_after_database(recorded: Any, runner: str) -> None:
    """`recorded` says inline; the runner of the test has the last word."""


def _place(record: bytes) -> ResultPlace:
    return place_of(record, "nowhere", "none")


@task
def give(value: Any) -> Any:
    return value


def test_small_results_are_recorded_with_their_call(recorded: Any) -> None:
    @flow
    def run() -> list[Any]:
        return [give(1), give("text"), give(None), give.submit({"a": [1]}).result()]

    assert run() == [1, "text", None, {"a": [1]}]
    kinds = [recorded.task(f"give-{i}").result_kind for i in range(4)]
    assert kinds == ["inline", "inline", "none", "inline"]
    assert recorded.run().result_kind == "inline"


def test_results_above_the_limit_stay_in_memory_unless_told_otherwise(
    recorded: Any, monkeypatch: pytest.MonkeyPatch, heliostat_home: Path
) -> None:
    monkeypatch.setenv("HELIOSTAT_INLINE_RESULT_LIMIT_BYTES", "100")
    settings.reload_settings()

    @flow
    def run() -> list[Any]:
        return [give("x" * 1000), give.submit("y" * 1000).result(), give("z")]

    assert run() == ["x" * 1000, "y" * 1000, "z"]
    assert [recorded.task(f"give-{i}").result_kind for i in range(3)] == ["memory", "memory", "inline"]
    assert recorded.run().result_kind == "memory"
    monkeypatch.setenv("HELIOSTAT_PERSIST_RESULTS", "true")
    settings.reload_settings()
    assert run() == ["x" * 1000, "y" * 1000, "z"]
    assert [recorded.task(f"give-{i}").result_kind for i in range(3)] == ["stored", "stored", "inline"]
    assert recorded.run().result_kind == "stored"
    place = _place(recorded.task("give-0").result)
    assert place.url == str(heliostat_home / "results") and (heliostat_home / "results" / place.key).is_file()


def test_persisted_results_are_files_in_the_folder_that_was_named(recorded: Any, tmp_path: Path) -> None:
    kept = give.with_options(persist_result=True, result_storage=str(tmp_path / "here"), name="kept")

    @flow(persist_result=True, result_storage=str(tmp_path / "flows"), result_serializer="json")
    def run() -> dict[str, Any]:
        return {"values": [kept(1), kept.submit(2).result(), *kept.map([3, 4]).result()]}

    assert run() == {"values": [1, 2, 3, 4]}
    keys = [_place(recorded.task(f"kept-{i}").result).key for i in range(4)]
    assert len(set(keys)) == 4 and all((tmp_path / "here" / key).is_file() for key in keys)
    assert recorded.run().result_kind == "stored"
    (file,) = [path for path in (tmp_path / "flows").rglob("*") if path.is_file()]
    assert json.loads(file.read_text()) == {"values": [1, 2, 3, 4]} or "values" in file.read_text()


def test_results_go_to_any_fsspec_url(recorded: Any) -> None:
    url = "memory://results-of-tests"
    kept = give.with_options(persist_result=True, result_storage=url, name="kept")

    @flow
    def run() -> Any:
        return give.submit(kept.submit([1, 2])).result()

    assert run() == [1, 2]
    key = _place(recorded.task("kept-0").result).key
    assert storage_for(url).size(key)
    assert fsspec.filesystem("memory").glob("/results-of-tests/**")


def test_storage_that_cannot_be_written_fails_the_call_and_says_so(recorded: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    kept = give.with_options(
        persist_result=True, result_storage=str(tmp_path / "file" / "below"), name="kept"
    )

    @flow
    def run() -> None:
        kept.submit(1).result()

    with pytest.raises(Exception, match="file"):
        run()
    assert recorded.task("kept-0").state_name == "Failed"
    assert recorded.task("kept-0").message


def test_objects_that_cannot_be_pickled_pass_between_tasks_of_one_process(recorded: Any) -> None:
    lock = threading.Lock()

    @flow
    def run() -> Any:
        return give.submit(give.submit(lock)).result()

    assert run() is lock
    assert recorded.task("give-0").result_kind == "memory"
    assert recorded.run().result_kind == "memory"


def test_persisting_what_cannot_be_pickled_is_an_error_of_that_call(recorded: Any) -> None:
    kept = give.with_options(persist_result=True, name="kept")

    @flow
    def run() -> None:
        with pytest.raises(CannotPickle, match="result of kept"):
            kept.submit(threading.Lock()).result()
        with pytest.raises(CannotPickle, match="result of kept"):
            kept(threading.Lock())

    run()
    assert recorded.counts() == {"FAILED": 2}


# What a flow returns decides how it ended.


@task
def fail() -> None:
    raise ValueError("no")


def test_a_flow_that_returns_futures_gives_their_results() -> None:
    @flow
    def one() -> Any:
        return give.submit(1)

    @flow
    def listed() -> Any:
        return [give.submit(1), give.submit(2)]

    @flow
    def mapped() -> Any:
        return give.map([1, 2, 3])

    @flow
    def nested() -> Any:
        return {"a": give.submit(1), "b": [give.map([2, 3]), 4]}

    assert one() == 1
    assert listed() == [1, 2]
    assert mapped() == [1, 2, 3]
    assert nested() == {"a": 1, "b": [[2, 3], 4]}


def test_a_flow_that_returns_a_failed_future_fails_with_its_error(recorded: Any) -> None:
    @flow
    def one() -> Any:
        return fail.submit()

    @flow
    def listed() -> Any:
        return [give.submit(1), fail.submit()]

    @flow
    def behind() -> Any:
        return give.submit(fail.submit())

    for run in (one, listed, behind):
        with pytest.raises((ValueError, Exception)):
            run()
        assert recorded.run().state_type == "FAILED"
    assert one(return_state=True).is_failed()


def test_a_failed_future_that_is_not_returned_does_not_fail_the_flow(recorded: Any) -> None:
    @flow
    def run() -> str:
        fail.submit()
        return "fine"

    assert run() == "fine"
    assert recorded.run().state_type == "COMPLETED" and recorded.counts() == {"FAILED": 1}


def test_a_flow_may_return_states(recorded: Any) -> None:
    @flow
    def chosen() -> State:
        return states.Failed("as I say")

    @flow
    def of_calls() -> Any:
        return give.map([1, 2], return_state=True)

    @flow
    def mixed() -> Any:
        return [give(1, return_state=True), fail(return_state=True)]

    assert chosen(return_state=True).message == "as I say"
    assert recorded.run().state_type == "FAILED"
    assert of_calls(return_state=True).is_completed()
    state = mixed(return_state=True)
    assert state.is_failed() and state.message == "1/2 states failed."
    with pytest.raises(ValueError, match="no"):
        mixed()


def test_a_flow_that_returns_a_state_that_is_no_end_is_told_so(recorded: Any) -> None:
    @flow
    def run() -> State:
        return states.Running()

    with pytest.raises(Exception, match="(?i)running|not final|end"):
        run()
    assert recorded.run().state_type == "FAILED"
