"""What runs are called."""

from dataclasses import dataclass
from datetime import date

import pytest

from heliostat.runtime.authoring import names
from heliostat.runtime.authoring.names import generate_name, render_run_name
from heliostat.runtime.foundation.errors import UserError


@dataclass
class Order:
    id: int
    _secret: str = "s"


def test_invented_name_is_an_adjective_and_an_animal():
    adjective, animal = generate_name().split("-")
    assert adjective in names._ADJECTIVES and animal in names._ANIMALS


def test_there_are_more_than_ten_thousand_invented_names_and_no_word_twice():
    for words in (names._ADJECTIVES, names._ANIMALS):
        assert len(words) >= 100
        assert len(set(words)) == len(words)
        assert all(word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("plain", "plain"),
        ("{x}-{word}", "1-hello"),
        ("{order.id:04d}", "0007"),
        ("{items[1]} and {lookup[a]}", "20 and yes"),
        ("{day:%Y-%m}", "2026-03"),
        ("{word!r:>{x}0}", "   'hello'"),
        ("{flow_name}/{x}", "etl/1"),
        ("{{literal}}", "{literal}"),
    ],
)
def test_template_is_filled_from_parameters_and_extras(template, name):
    parameters = {
        "x": 1,
        "word": "hello",
        "order": Order(7),
        "items": [10, 20],
        "lookup": {"a": "yes"},
        "day": date(2026, 3, 1),
    }
    assert render_run_name(template, parameters, {"flow_name": "etl", "x": "hidden by the parameter"}) == name


def test_missing_field_is_named_with_those_that_exist():
    with pytest.raises(UserError, match=r"\{custmer\}") as caught:
        render_run_name("{custmer}", {"customer": 1}, {"flow_name": "f"})
    assert "customer, flow_name" in caught.value.hint


@pytest.mark.parametrize("template", ["{x.__class__}", "{x._secret}", "{x.id._y}", "{x.__class__.__init__}"])
def test_private_attributes_cannot_be_read(template):
    with pytest.raises(UserError, match="private"):
        render_run_name(template, {"x": Order(1)})


@pytest.mark.parametrize("template", ["{}", "{0}", "{x", "{x.nothing}", "{x:%Q!}", "", "  ", "{x[9]}"])
def test_template_that_cannot_be_filled_is_a_user_error(template):
    with pytest.raises(UserError, match="template"):
        render_run_name(template, {"x": 1})


def test_function_gives_the_name_with_or_without_parameters():
    assert render_run_name(lambda: "made", {}) == "made"
    assert render_run_name(lambda parameters: f"n={parameters['n']}", {"n": 3}) == "n=3"


def test_function_that_fails_or_gives_no_text_is_named():
    def broken():
        raise KeyError("k")

    with pytest.raises(UserError, match="broken raised KeyError"):
        render_run_name(broken, {})
    with pytest.raises(UserError, match="None"):
        render_run_name(lambda: None, {})


def test_long_names_are_cut():
    assert len(render_run_name("{x}", {"x": "a" * 10_000})) == names.MAX_NAME_LENGTH
