"""Exceptions of a script come back from Ray workers as the author's own.

Seen: an exception whose constructor takes no argument, or only keywords, and groups with such members, came
back as TaskFailed, so that the author's `except` did not catch it.
"""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import flow, task

pytestmark = pytest.mark.usefixtures("recorded")


class TwoArguments(Exception):
    def __init__(self, foo: str, bar: str) -> None:
        super().__init__(f"{foo} and {bar}")
        self.foo, self.bar = foo, bar


class NoArguments(Exception):
    def __init__(self) -> None:
        super().__init__("there was another")


class KeywordOnly(Exception):
    def __init__(self, *, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@task
def fail(which: str) -> None:
    if which == "two":
        raise TwoArguments("a", "b")
    if which == "none":
        raise NoArguments
    if which == "keyword":
        raise KeywordOnly(status=404)
    raise ExceptionGroup("many", [ValueError(1), TwoArguments("1", "2")])


def test_exceptions_of_any_make_come_back_as_the_authors_own() -> None:
    @flow(task_runner="ray")
    def run() -> dict[str, Any]:
        return {
            which: fail.submit(which).result(raise_on_failure=False)
            for which in ("two", "none", "keyword", "group")
        }

    got = run()
    assert isinstance(got["two"], TwoArguments) and got["two"].bar == "b" and str(got["two"]) == "a and b"
    assert isinstance(got["none"], NoArguments) and str(got["none"]) == "there was another"
    assert isinstance(got["keyword"], KeywordOnly) and got["keyword"].status == 404
    assert isinstance(got["group"], ExceptionGroup) and isinstance(got["group"].exceptions[1], TwoArguments)


def test_the_authors_except_catches_what_a_worker_raised() -> None:
    @flow(task_runner="ray")
    def run() -> str:
        with pytest.raises(KeywordOnly) as caught:
            fail.submit("keyword").result()
        return str(caught.value)

    assert run() == "status 404"
