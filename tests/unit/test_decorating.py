"""What `@task` and `@flow` refuse when they decorate, before anything is called."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest

from heliostat import flow, task
from heliostat.runtime.authoring.options import FlowOptions, TaskOptions
from heliostat.runtime.foundation.errors import UserError


@pytest.mark.parametrize(
    ("decorator", "name"), [(task, "wait_for"), (task, "return_state"), (flow, "return_state")]
)
def test_parameters_named_like_an_option_of_the_call_are_refused(decorator: Any, name: str) -> None:
    """Seen: the call took such an argument as its option, and the function got its default without a word."""
    scope: dict[str, Any] = {}
    exec(
        f"def by_position(x, {name}=None): pass\ndef by_name(x, *, {name}): pass\n"
        f"def method(self, {name}): pass\nasync def later(x, {name}=None): pass",
        scope,
    )
    plain = [scope[each] for each in ("by_position", "by_name", "method", "later")]
    for fn in (
        *plain,
        staticmethod(plain[0]),
        classmethod(plain[2]),
        functools.wraps(plain[0])(lambda *a: a),
    ):
        with pytest.raises(UserError, match=f"cannot have a parameter named '{name}'") as refusal:
            decorator(fn)
        assert "another name" in str(refusal.value.hint)
        with pytest.raises(UserError, match=name):
            decorator(name="x")(fn)


def test_parameters_that_no_option_can_hide_may_have_any_name() -> None:
    def only_by_position(wait_for: int, /, *return_state: int, **others: Any) -> tuple[Any, ...]:
        return wait_for, return_state

    assert task(only_by_position)(1, 2) == (1, (2,))

    @flow
    def waiting(wait_for: int) -> int:
        return wait_for

    assert waiting.fn(3) == 3


def test_tasks_and_flows_are_not_decorated_twice() -> None:
    """Seen: a task made of a flow ran its body without the flow's retries, time limit, checks and run."""

    def work() -> int:
        return 1

    for decorator, made, problem in (
        (task, flow(work), "is a flow, which a task would run without"),
        (task, task(work), "is a task already"),
        (flow, task(work), "is a task, which a flow would run without"),
        (flow, flow(work), "is a flow already"),
    ):
        for fn in (made, staticmethod(made)):
            with pytest.raises(UserError, match=problem) as refusal:
                decorator(fn)  # pyright: ignore
            assert refusal.value.hint
    assert task(work).with_options(retries=1).fn is work
    assert flow(work).with_options(retries=1).fn is work


@pytest.mark.parametrize(("decorator", "options"), [(flow, FlowOptions), (task, TaskOptions)])
def test_each_option_is_told_by_help_and_none_is_as_good_as_unsaid(decorator: Any, options: Any) -> None:
    def function() -> None: ...

    def facts(**given: None) -> dict[str, Any]:
        made = decorator(**given)(function)
        return {
            **{name: value for name, value in vars(made).items() if name != "_options"},
            "hooks": [made.hooks(name) for name in options.__annotations__ if name.startswith("on_")],
            "result": (made.result_serializer, made.persists_result, made.result_storage_url),
        }

    told = type(flow).__call__.__doc__ if decorator is flow else decorator.__doc__
    unsaid = facts()
    for name in options.__annotations__:
        assert re.search(rf"\b{name}\b", told), f"help says nothing of {name}"
        assert facts(**{name: None}) == unsaid


@pytest.mark.parametrize(("decorator", "options"), [(flow, FlowOptions), (task, TaskOptions)])
def test_an_option_that_there_is_not_is_refused_with_those_that_there_are(
    decorator: Any, options: Any
) -> None:
    made = decorator(lambda: None)
    for use in (decorator, made.with_options):
        with pytest.raises(UserError) as refused:
            use(retires=3)
        assert refused.value.hint == "Options: " + ", ".join(options.__annotations__)
