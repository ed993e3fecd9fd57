"""Parameters are bound, validated, described and shown; what does not fit is named before anything starts."""

# ruff: noqa: E501
from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from heliostat.runtime.foundation.errors import ParameterMismatch, UserError
from heliostat.runtime.values.docstrings import parameter_descriptions
from heliostat.runtime.values.parameters import bind, from_cli, json_schema, to_json, unbind, validate

if TYPE_CHECKING:
    from decimal import NeverImported


class Line(BaseModel):
    sku: str
    count: int = 1


class Order(BaseModel):
    id: int
    lines: list[Line] = []


@dataclass
class Point:
    x: int
    y: int = 0


class Box(TypedDict):
    width: int


class Options(TypedDict, total=False):
    fast: bool
    level: int


class Colour(Enum):
    RED = "red"


class Plain:
    """A class that pydantic knows nothing of."""


@dataclass
class HoldsPlain:
    plain: Plain = field(default_factory=Plain)


def sample(a, b: int, /, c: str = "c", *rest: int, d: bool = False, **more: float):
    return a, b, c, rest, d, more


def order_flow(customer: str, order: Order, retries: int = 3, when: Optional[date] = None):  # noqa: UP045
    pass


def no_arguments():
    pass


# bind


def test_bound_parameters_have_names_and_defaults():
    assert bind(sample, (1, 2), {}) == {"a": 1, "b": 2, "c": "c", "rest": (), "d": False, "more": {}}
    bound = bind(sample, (1, 2, "x", 4, 5), {"d": True, "e": 1.5})
    assert bound == {"a": 1, "b": 2, "c": "x", "rest": (4, 5), "d": True, "more": {"e": 1.5}}


@given(
    st.lists(st.integers(), min_size=2, max_size=6),
    st.dictionaries(st.sampled_from(["d", "x", "y"]), st.integers()),
)
def test_unbinding_calls_the_function_with_the_same_parameters(args, kwargs):
    parameters = bind(sample, args, kwargs)
    again, named = unbind(sample, parameters)
    assert sample(*again, **named) == sample(*args, **kwargs)


def test_unbinding_parameters_without_defaults_goes_by_name():
    def f(a=1, b=2, *, c=3):
        return a, b, c

    args, kwargs = unbind(f, {"b": 5, "c": 6})
    assert f(*args, **kwargs) == (1, 5, 6)


@pytest.mark.parametrize(
    ("args", "kwargs", "lines"),
    [
        ((), {}, ["customer: is missing", "order: is missing"]),
        (("x",), {"ordre": 1}, ["ordre: is no parameter; did you mean 'order'?", "order: is missing"]),
        (("x", 1), {"zzz": 1}, ["zzz: is no parameter; there are customer, order, retries, when"]),
        (("x", 1), {"customer": "y"}, ["customer: is given twice, by position and by name"]),
        (
            (1, 2, 3, 4, 5),
            {},
            ["positional arguments: 5 were given, but only these are taken: customer, order, retries, when"],
        ),
    ],
)
def test_call_that_does_not_fit_names_each_parameter(args, kwargs, lines):
    with pytest.raises(ParameterMismatch) as caught:
        bind(order_flow, args, kwargs)
    assert str(caught.value).splitlines() == [
        "order_flow cannot be called with these parameters:",
        *(f"  {line}" for line in lines),
    ]
    assert caught.value.parameters == tuple(line.partition(":")[0] for line in lines)
    assert caught.value.hint.startswith("It is called as order_flow(customer")


def test_positional_only_parameter_given_by_name_is_told():
    def f(a, /):
        pass

    with pytest.raises(ParameterMismatch, match="a: can only be given by position"):
        bind(f, (), {"a": 1})


def test_function_without_parameters_says_so():
    with pytest.raises(ParameterMismatch, match="x: is no parameter; it takes none"):
        bind(no_arguments, (), {"x": 1})


@given(st.lists(st.integers(), max_size=6), st.dictionaries(st.sampled_from("abcde"), st.integers()))
def test_bind_refuses_exactly_what_python_refuses(args, kwargs):
    def f(a, b=1, /, c=2, *, d, e=3):
        pass

    try:
        f(*args, **kwargs)
    except TypeError:
        with pytest.raises(ParameterMismatch, match=r"  \w"):
            bind(f, args, kwargs)
    else:
        assert set(bind(f, args, kwargs)) == set("abcde")


# validate


def hold(x: Any, hint: Any):
    def f(x):
        pass

    f.__annotations__["x"] = hint
    return validate(f, {"x": x})["x"]


@pytest.mark.parametrize(
    ("hint", "given", "wanted"),
    [
        (int, "3", 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, "yes", True),
        (bool, 0, False),
        (str, "s", "s"),
        (Path, "a/b", Path("a/b")),
        (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (Colour, "red", Colour.RED),
        (Literal["a", 1], 1, 1),
        (int | None, None, None),
        (int | None, "5", 5),
        (Optional[str], None, None),  # noqa: UP045
        (list[int], ("1", 2), [1, 2]),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (Order, {"id": "1", "lines": [{"sku": "x"}]}, Order(id=1, lines=[Line(sku="x")])),
        (Point, {"x": "1"}, Point(1)),
        (Box, {"width": "2"}, {"width": 2}),
        (list[Box] | None, [{"width": "2"}], [{"width": 2}]),
        (Annotated[int, Field(gt=0)], "4", 4),
        (object, 1, 1),
        (Any, "as it is", "as it is"),
    ],
)
def test_values_are_coerced_to_their_annotation(hint, given, wanted):
    value = hold(given, hint)
    assert value == wanted and type(value) is type(wanted)


@pytest.mark.parametrize("hint", [Plain, Plain | None, list[Plain], HoldsPlain])
def test_any_class_may_be_an_annotation(hint):
    value = [Plain()] if hint == list[Plain] else HoldsPlain() if hint is HoldsPlain else Plain()
    found = hold(value, hint)
    assert (found == value) if isinstance(value, list) else (found is value)
    with pytest.raises(ParameterMismatch, match="x: "):
        hold("something else", hint)


def test_every_bad_parameter_has_one_line_with_its_reason():
    with pytest.raises(ParameterMismatch) as caught:
        validate(
            order_flow, {"order": {"id": "x", "lines": [{"count": "y"}]}, "retries": "many", "custmer": 1}
        )
    assert str(caught.value).splitlines() == [
        "order_flow cannot be called with these parameters:",
        "  custmer: is no parameter; did you mean 'customer'?",
        "  customer: is missing",
        "  order: id: Input should be a valid integer, unable to parse string as an integer; lines.0.sku: Field"
        " required; lines.0.count: Input should be a valid integer, unable to parse string as an integer"
        " (got {'id': 'x', 'lines': [{'count': 'y'}]})",
        "  retries: Input should be a valid integer, unable to parse string as an integer (got 'many')",
    ]
    assert caught.value.parameters == ("custmer", "customer", "order", "retries")


def test_defaults_are_filled_in_and_not_validated():
    def f(a, count: int = None, *rest: int, **more: int):
        pass

    assert validate(f, {"a": 1}) == {"a": 1, "count": None, "rest": (), "more": {}}
    assert validate(f, bind(f, (1,), {})) == {"a": 1, "count": None, "rest": (), "more": {}}


def test_star_arguments_are_validated_one_by_one():
    parameters = {"a": 1, "b": "2", "rest": ("3", 4), "more": {"e": "1.5"}}
    assert validate(sample, parameters) == {
        "a": 1, "b": 2, "c": "c", "rest": (3, 4), "d": False, "more": {"e": 1.5},
    }  # fmt: skip
    with pytest.raises(ParameterMismatch, match=r"rest: 1: Input should be a valid integer"):
        validate(sample, {"a": 1, "b": 2, "rest": (1, "x")})


def test_unpacked_typed_dict_describes_keywords():
    def f(**options: Unpack[Options]):
        pass

    assert validate(f, bind(f, (), {"level": "3"})) == {"options": {"level": 3}}


def test_iterators_pass_as_they_are():
    def f(rows: Iterable[int]):
        pass

    rows = iter([1, 2])
    assert validate(f, {"rows": rows})["rows"] is rows


def test_annotation_that_cannot_be_resolved_leaves_the_others_in_force():
    def f(a: NeverImported, b: int):
        pass

    assert validate(f, {"a": "anything", "b": "2"}) == {"a": "anything", "b": 2}


def test_class_of_an_enclosing_function_is_resolved():
    class Local(BaseModel):
        n: int

    def f(a: Local, b: NeverImported):
        return Local

    assert validate(f, {"a": {"n": "1"}, "b": 1})["a"] == Local(n=1)


class Service:
    def run(self, n: int):
        return n

    @classmethod
    def make(cls, n: int):
        return n

    @staticmethod
    def plain(n: int):
        return n

    def __call__(self, n: int):
        return n


@pytest.mark.parametrize(
    "fn", [Service().run, Service.make, Service.plain, Service(), functools.partial(Service().run)]
)
def test_methods_and_callables_are_validated_without_self(fn):
    assert validate(fn, bind(fn, ("3",), {})) == {"n": 3}
    assert list(json_schema(fn)["properties"]) == ["n"]


def test_plain_function_of_a_class_keeps_self_and_hides_it_from_forms():
    service = Service()
    assert validate(Service.run, bind(Service.run, (service, "3"), {})) == {"self": service, "n": 3}
    assert json_schema(Service.run)["required"] == ["n"]


def test_wrapped_function_is_seen_through():
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    assert validate(decorated(order_flow), {"customer": "c", "order": {"id": 1}})["order"] == Order(id=1)


def test_validator_of_the_author_that_breaks_is_a_mismatch():
    def explode(value):
        raise KeyError("inside")

    from pydantic import BeforeValidator

    with pytest.raises(ParameterMismatch, match="KeyError"):
        hold(1, Annotated[int, BeforeValidator(explode)])


def test_builtin_without_signature_is_told():
    with pytest.raises(UserError, match="signature"):
        bind(type, (), {})


def test_plain_values_of_their_type_need_no_pydantic():
    script = (
        "import sys\nfrom heliostat.runtime.values.parameters import bind, validate\n"
        "def f(a: int, b: str = 'x', c: 'list | None' = None, *rest): pass\n"
        "assert validate(f, bind(f, (1,), {'c': [1]})) == {'a': 1, 'b': 'x', 'c': [1], 'rest': ()}\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


# json_schema


def test_schema_of_simple_parameters():
    def f(name: str, count: int = 3, ratio: float | None = None, tags: list[str] = ["a"], anything=None):  # noqa: B006
        """Do it.

        Args:
            name: Who it is for,
                on two lines.
            count (int): How many.
        """

    assert json_schema(f) == {
        "title": "Parameters",
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "name", "position": 0, "description": "Who it is for, on two lines."},
            "count": {"type": "integer", "title": "count", "position": 1, "description": "How many.", "default": 3},
            "ratio": {
                "anyOf": [{"type": "number"}, {"type": "null"}], "title": "ratio", "position": 2, "default": None,
            },
            "tags": {
                "type": "array", "items": {"type": "string"}, "title": "tags", "position": 3, "default": ["a"],
            },
            "anything": {"title": "anything", "position": 4, "default": None},
        },
        "required": ["name"],
        "definitions": {},
    }  # fmt: skip


def test_schema_of_models_dataclasses_and_enums():
    def f(order: Order, point: Point = Point(1), colour: Colour = Colour.RED, mode: Literal["a", "b"] = "a"):  # noqa: B008
        pass

    schema = json_schema(f)
    assert schema["properties"] == {
        "order": {"$ref": "#/definitions/Order", "title": "order", "position": 0},
        "point": {
            "$ref": "#/definitions/Point",
            "title": "point",
            "position": 1,
            "default": {"x": 1, "y": 0},
        },
        "colour": {"$ref": "#/definitions/Colour", "title": "colour", "position": 2, "default": "red"},
        "mode": {"type": "string", "enum": ["a", "b"], "title": "mode", "position": 3, "default": "a"},
    }
    assert set(schema["definitions"]) == {"Order", "Line", "Point", "Colour"}
    assert schema["definitions"]["Order"]["properties"]["lines"]["items"] == {"$ref": "#/definitions/Line"}
    assert schema["required"] == ["order"]


def test_schema_accepts_anything_where_json_has_no_words():
    def f(plain: Plain, call: Callable[[int], int], unresolved: NeverImported, box: Plain = Plain()):  # noqa: B008, F821
        pass

    properties = json_schema(f)["properties"]
    assert properties["plain"] == {"title": "plain", "position": 0}
    assert properties["box"] == {"title": "box", "position": 3}
    assert json_schema(f)["required"] == ["plain", "call", "unresolved"]


def test_schema_of_star_arguments_has_defaults():
    properties = json_schema(sample)["properties"]
    assert properties["rest"]["default"] == [] and properties["rest"]["type"] == "array"
    assert properties["more"]["default"] == {} and properties["more"]["type"] == "object"
    assert json_schema(sample)["required"] == ["a", "b"]


def test_schema_is_json():
    for fn in (sample, order_flow, no_arguments, Service.run):
        assert json.loads(json.dumps(json_schema(fn))) == json_schema(fn)


@pytest.mark.parametrize(
    "docstring",
    [
        "Title.\n\n:param int a: First\n   part.\n:param b: Second.\n:returns: x",
        "Title.\n\nArgs:\n    a (int): First\n        part.\n    b: Second.\n\nReturns:\n    c: no",
        "Title.\n\nParameters\n----------\na : int\n    First\n    part.\nb\n    Second.\n\nReturns\n-------\nc : x\n    no",
    ],
)
def test_descriptions_are_read_from_the_usual_docstrings(docstring):
    assert parameter_descriptions(docstring) == {"a": "First part.", "b": "Second."}


# from_cli


def test_values_from_the_command_line_are_json_or_text():
    def f(count, names, word, flag, nothing, spaced):
        pass

    pairs = ["count=3", 'names=["a", 1]', "word=hello", "flag=true", "nothing=null", "spaced=a = b"]
    assert from_cli(f, pairs) == {
        "count": 3, "names": ["a", 1], "word": "hello", "flag": True, "nothing": None, "spaced": "a = b",
    }  # fmt: skip


def test_text_parameters_keep_what_was_typed():
    def f(zip: str, maybe: str | None, other: str | None, quoted: str):
        pass

    given = from_cli(f, ["zip=123", "maybe=null", "other=1.50", 'quoted="a"'])
    assert given == {"zip": "123", "maybe": None, "other": "1.50", "quoted": "a"}


def test_further_names_go_to_keywords_if_the_function_takes_them():
    assert from_cli(sample, ["b=1", "x=2"]) == {"b": 1, "more": {"x": 2}}


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        (["customer"], "customer: write it as name=value"),
        (["=3"], "=3: write it as name=value"),
        (["custmer=3"], "custmer: is no parameter; did you mean 'customer'?"),
        (["customer=a", "customer=b"], "customer: is given twice"),
    ],
)
def test_pair_that_cannot_be_used_is_named(pairs, problem):
    with pytest.raises(ParameterMismatch) as caught:
        from_cli(order_flow, pairs)
    assert problem in str(caught.value)


# to_json


class Secretive(BaseModel):
    key: SecretStr
    hidden: str = Field("hidden", repr=False)


class Broken:
    def __repr__(self):
        raise RuntimeError("no")


def test_parameters_are_shown_as_json():
    shown = to_json(
        {
            "order": Order(id=1, lines=[Line(sku="x")]),
            "point": Point(1),
            "colour": Colour.RED,
            "when": datetime(2026, 1, 2, tzinfo=UTC),
            "path": Path("a/b"),
            "set": {1},
            "odd": float("nan"),
            "bytes": b"\x00",
            "broken": Broken(),
            "secret": Secretive(key="hunter2"),
            "keys": {1: 2},
        }
    )
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown == {
        "order": {"id": 1, "lines": [{"sku": "x", "count": 1}]},
        "point": {"x": 1, "y": 0},
        "colour": "red",
        "when": "2026-01-02T00:00:00+00:00",
        "path": "a/b",
        "set": [1],
        "odd": "nan",
        "bytes": "b'\\x00'",
        "broken": "<Broken>",
        "secret": {"key": "SecretStr('**********')"},
        "keys": {"1": 2},
    }  # fmt: skip


def test_what_is_too_long_to_read_is_cut():
    circle: list[Any] = []
    circle.append(circle)
    shown = to_json(
        {"text": "a" * 100_000, "many": list(range(10_000)), "circle": circle, "big": bytes(100_000)}
    )
    assert len(json.dumps(shown)) < 30_000
    assert shown["many"][-1] == "... 9000 more"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    )
)
def test_json_data_is_shown_as_it_is(value):
    assert to_json({"x": value}) == {"x": value}
