"""Calls in processes of their own: what takes too much is ended, and holds nothing up.

The story: templates of automations and parameters were rendered on the server's event loop. Two loops inside
each other, or a number with a billion digits, stopped every request and every service for as long as it took.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from heliostat.api.actions.filling import filled_within, text_of
from heliostat.api.actions.templates import LONGEST, fault_of
from heliostat.runtime.foundation import bounded_calls
from heliostat.runtime.foundation.errors import BeyondBounds, CallFailed, UnresolvedParameter
from heliostat.runtime.values import parameter_templates

ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"


async def rendered(template: str, **names: Any) -> Any:
    return await bounded_calls.call(text_of, template, names, "http://pages")


async def test_templates_are_rendered_in_another_process() -> None:
    assert await rendered("{{ a.b }} {{ missing.part }}{{ run | ui_url }}", a={"b": 1}) == "1 http://pages"
    value = {"n": "{{ x }}", "t": ["{{ x }} {{ x }}"], "plain": 1}
    assert await bounded_calls.call(filled_within, value, {"x": 2}, "") == {"n": 2, "t": ["2 2"], "plain": 1}


@pytest.mark.parametrize(
    "template",
    [
        ENDLESS,
        "{{ 10 ** (10 ** 10) }}",
        "{{ ('a' * 99999 * 99999 * 99) | length }}",
        "{% for i in range(99999) %}{{ 'abcdefghijklmnopqrstuvwxyz' }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
    ],
)
async def test_a_template_that_takes_too_much_is_ended_and_the_loop_goes_on(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_calls, "WITHIN_S", 1.0)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    with pytest.raises(CallFailed):
        await rendered(template)
    turning.cancel()
    assert turns, "the loop was held up"
    monkeypatch.setattr(bounded_calls, "WITHIN_S", 30.0)
    assert await rendered("{{ 1 + 1 }}") == "2", "the next one is rendered"


async def test_many_templates_do_not_wait_for_one_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_calls, "WITHIN_S", 3.0)
    slow = asyncio.create_task(rendered(ENDLESS))
    quick = await asyncio.gather(*(rendered("{{ n }}", n=n) for n in range(20)))
    assert quick == [str(n) for n in range(20)]
    with pytest.raises(BeyondBounds, match="too long"):
        await slow


async def test_errors_of_templates_come_back_from_their_process() -> None:
    for template, told in (("{{ 1 / 0 }}", "division by zero"), ("{% nothing %}", "unknown tag")):
        with pytest.raises(CallFailed, match=told):
            await rendered(template)
    assert await rendered("{{ ().__class__.__mro__[0] }}") == "", "the sandbox shows nothing"


async def test_the_process_of_templates_has_no_secrets_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    bounded_calls.close()
    monkeypatch.setenv("HELIOSTAT_DATABASE_URL", "postgresql://ann:s3cret@db/x")
    assert await bounded_calls.call(os.getenv, "HELIOSTAT_DATABASE_URL") is None
    assert await bounded_calls.call(os.getenv, "PATH") == os.environ["PATH"]


async def test_parameters_with_templates_are_rendered_in_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded_calls, "WITHIN_S", 2.0)

    def template(text: str) -> dict[str, Any]:
        return {"a": [{"__prefect_kind": "jinja", "template": text}], "b": 1}

    assert await parameter_templates.written(template("{{ 1 + 1 }}"), {}) == {"a": ["2"], "b": 1}
    for text, told in ((ENDLESS, "too long"), ("{{ 1 / 0 }}", "a: .*division by zero")):
        with pytest.raises(UnresolvedParameter, match=told):
            await parameter_templates.written(template(text), {})
    with pytest.raises(UnresolvedParameter, match="no variable"):
        await parameter_templates.written({"v": {"__prefect_kind": "workspace_variable"}}, {})


def test_a_template_that_is_too_long_is_refused() -> None:
    assert fault_of("{{ a }}" + "x" * LONGEST) == f"it is longer than {LONGEST:,} characters"
    assert fault_of("{{ a }}") is None
