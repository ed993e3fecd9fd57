"""What a deployment's parameters are as JSON: each value arrives alike, or is refused with its name.

Seen before: `bytes` arrived as the text "b'xy'", a secret as ten asterisks, text with NUL with another
character in it; models and sets were refused with words about duplicates. The rule: what is written is read
again before it is sent, and only what comes back alike goes.
"""

# No future annotations: pydantic is to see the types that the test's functions are given.
import enum
import ipaddress
import json
import math
import re
import typing
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
)
from typing_extensions import TypedDict

from heliostat.runtime.client.asked_parameters import asked
from heliostat.runtime.foundation.errors import ParameterMismatch
from heliostat.runtime.values.alike import alike
from heliostat.runtime.values.parameters import arrived, json_schema, to_send, validate

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    CRIMSON = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


class Shade(enum.StrEnum):
    DARK = "dark"


class Line(BaseModel):
    sku: str
    count: int = 1


class Order(BaseModel):
    id: int
    lines: list[Line] = []
    at: datetime | None = None


class Named(BaseModel):
    """Validation and serialization call its fields by different names."""

    one: int = Field(alias="uno")
    two: int = Field(validation_alias="dos", serialization_alias="deux")
    three: int = Field(3, validation_alias=AliasChoices("tres", "drei"))


class Password(BaseModel):
    user: str
    password: SecretStr
    more: list[SecretStr] = []
    by_name: dict[str, SecretBytes] = {}


class Half(BaseModel):
    a: int
    b: int = Field(2, exclude=True)


class Private(BaseModel):
    a: int
    _seen: int = 0


class Computed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int

    @pydantic.computed_field
    @property
    def double(self) -> int:
        return 2 * self.a


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Blob(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    data: bytes


class Text(BaseModel):
    data: bytes


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date
    tags: set[str]
    colour: Colour


class Tree(BaseModel):
    value: int
    children: "list[Tree]" = []


class Box(BaseModel, Generic[T]):
    value: T


class Numbers(RootModel[list[int]]):
    pass


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    name: str


class BigCat(Cat):
    size: int = 3


class Measured(BaseModel):
    value: float


@dataclass
class Point:
    x: int
    y: float = 0.5


@dataclass(frozen=True)
class Segment:
    ends: tuple[Point, Point]
    tags: frozenset[str] = frozenset()
    day: date = field(default=date(2025, 1, 1))


@pydantic.dataclasses.dataclass
class Checked:
    x: int = Field(alias="ex")


class Pair(NamedTuple):
    left: int
    right: date


class Options(TypedDict, total=False):
    day: date
    level: Level


class Plain:
    """A class that pydantic knows nothing of."""


def function_of(hint: Any) -> Any:
    def body(v):  # pyright: ignore
        return v

    body.__annotations__ = {"v": hint}
    return body


def through(hint: Any, value: Any) -> Any:
    """The value as the flow gets it: over the wire's bytes, as a server stores and gives it."""
    fn = function_of(hint)
    sent = json.loads(json.dumps(to_send(fn, {"v": value}), allow_nan=False))
    return arrived(fn, sent)["v"]


NOON = datetime(2025, 8, 27, 12, 0, 0, 123456)
ARRIVING: list[tuple[Any, Any]] = [
    (int, 2**62),
    (int, "3"),
    (float, 0.1),
    (float, -1e300),
    (bool, True),
    (str, "grüße 🎉"),
    (str, 'data:;base64,eHk='),
    (bytes, b"xy"),
    (bytes, b""),
    (bytes, b"\xff\x00\xfe"),
    (bytes, b"nul\0"),
    (bytes, b"data:;base64,eHk="),
    (bytes, b"b'xy'"),
    (list[bytes], [b"\xff", b"a"]),
    (dict[str, bytes], {"a": b"\xff"}),
    (tuple[bytes, int] | None, (b"\x80", 1)),
    (None, None),
    (date | None, None),
    (date | None, date(2025, 8, 27)),
    (date, date(2025, 8, 27)),
    (datetime, NOON),
    (datetime, NOON.replace(tzinfo=UTC)),
    (datetime, NOON.replace(tzinfo=timezone(timedelta(hours=5, minutes=45)))),
    (AwareDatetime, NOON.replace(tzinfo=ZoneInfo("Europe/Berlin"))),
    (time, time(1, 2, 3, 4)),
    (timedelta, timedelta(days=-1, seconds=3, microseconds=7)),
    (timedelta, timedelta(days=40000)),
    (Decimal, Decimal("0.1000")),
    (Decimal, Decimal("1e-40")),
    (Fraction, Fraction(1, 3)),
    (complex, 1 - 2j),
    (UUID, UUID(int=5)),
    (Path, Path("/tmp/ä b")),
    (PurePosixPath, PurePosixPath("a/b")),
    (re.Pattern[str], re.compile(r"a+\d")),
    (ipaddress.IPv4Address, ipaddress.ip_address("10.0.0.1")),
    (ipaddress.IPv6Network, ipaddress.ip_network("2001:db8::/32")),
    (HttpUrl, HttpUrl("https://example.org/a?b=c")),
    (ByteSize, ByteSize(1024)),
    (Colour, Colour.RED),
    (Colour, Colour.CRIMSON),
    (Level, Level.LOW),
    (Shade, Shade.DARK),
    (Literal["a", 1], 1),

    (set[int], {1, 2}),
    (set, {1, "a"}),
    (frozenset[date], frozenset({date(2025, 1, 1)})),
    (deque[int], deque([1, 2])),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (tuple, (1, "a")),
    (tuple[()], ()),
    (list[tuple[int, date]], [(1, date(2025, 1, 1))]),
    (Sequence[int], [1, 2]),
    (Mapping[str, int], {"a": 1}),
    (dict[int, str], {1: "a"}),
    (dict[UUID, date], {UUID(int=1): date(2025, 1, 1)}),
    (dict[Colour, set[int]], {Colour.RED: {1}}),
    (dict[tuple[int, int], int] | dict[str, int], {"a": 1}),
    (defaultdict[str, list[int]], defaultdict(list, {"a": [1]})),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (Line, Line(sku="a")),
    (Line, {"sku": "a", "count": "2"}),
    (list[Line], [Line(sku="a", count=5)]),
    (dict[str, Line | None], {"a": Line(sku="x"), "b": None}),
    (Order, Order(id=1, lines=[Line(sku="a")], at=NOON.replace(tzinfo=UTC))),
    (Named, Named(uno=1, dos=2, tres=4)),
    (list[Named], [Named(uno=1, dos=2)]),
    (Password, Password(user="a", password="hunter2", more=["x", "y"], by_name={"k": b"z"})),  # pyright: ignore
    (Half, Half(a=1)),
    (Private, Private(a=1)),
    (Computed, Computed(a=1)),
    (Open, Open(a=1, b=[2])),  # pyright: ignore
    (Blob, Blob(data=b"\xff\x00")),
    (Text, Text(data=b"abc")),
    (Strict, Strict(day=date(2025, 1, 1), tags={"a"}, colour=Colour.BLUE)),
    (Tree, Tree(value=1, children=[Tree(value=2, children=[Tree(value=3)])])),
    (Box[date], Box[date](value=date(2025, 1, 1))),
    (Numbers, Numbers([1, 2])),
    (Cat | Dog, Dog(name="rex")),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(lives=3)),
    (int | str, "3"),
    (int | str, 3),
    (int | float, 1.0),
    (date | None | int, 5),
    (Point, Point(1)),
    (Segment, Segment((Point(1), Point(2, 1.5)), frozenset({"a"}), date(2025, 2, 2))),
    (Checked, Checked(ex=4)),  # pyright: ignore
    (Pair, Pair(1, date(2025, 1, 1))),
    (Options, {"day": date(2025, 1, 1), "level": Level.LOW}),
    (SecretStr, SecretStr("hunter2")),
    (SecretStr | None, SecretStr("hunter2")),
    (SecretBytes, SecretBytes(b"hunter2")),
    (list[SecretStr], [SecretStr("a"), SecretStr("b")]),
    (Secret[int], Secret[int](5)),
    (Annotated[int, Field(gt=1)], 2),
    (Annotated[bytes, Field(min_length=1)], b"\xff"),
    (typing.NewType("Day", date), date(2025, 1, 1)),
    (Any, {"a": [1, None, True, "x", 1.5]}),
    (Any, [[], {}]),
    (object, "x"),
]  # fmt: skip


def in_one_order(each: Any) -> str:
    """The name of a case. The members of a set come in another order in each process."""
    if isinstance(each, set | frozenset):
        return f"{{{', '.join(sorted(map(repr, each)))}}}"[:40]
    return str(each)[:40]


@pytest.mark.parametrize(("hint", "value"), ARRIVING, ids=in_one_order)
def test_a_value_arrives_as_a_plain_call_would_give_it(hint, value):
    expected = validate(function_of(hint), {"v": value})["v"]
    got = through(hint, value)
    assert type(got) is type(expected)
    assert alike(expected, got), f"{got!r}"


def loop() -> list[Any]:
    one: list[Any] = []
    one.append(one)
    return one


class Shouting(BaseModel):
    """What it is validated from is not what it shows."""

    text: str

    @pydantic.field_validator("text")
    @classmethod
    def louder(cls, value: str) -> str:
        return value + "!"


class Losing(BaseModel):
    at: datetime

    @pydantic.field_serializer("at")
    def day_only(self, at: datetime) -> str:
        return at.date().isoformat()


def seen_private() -> Private:
    made = Private(a=1)
    made._seen = 5
    return made


REFUSED: list[tuple[Any, Any]] = [
    (Any, (1, 2)),
    (Any, {1, 2}),
    (Any, b"xy"),
    (Any, date(2025, 1, 1)),
    (Any, Colour.RED),
    (Any, Line(sku="a")),
    (Any, Point(1)),
    (Any, {1: "a"}),
    (Any, {"a": {(1, 2): 3}}),
    (Any, math.nan),
    (Any, [math.inf]),
    (Any, 2**64),
    (Any, "nul\0"),
    (Any, {"nul\0": 1}),
    (Any, "\ud800"),
    (Any, SecretStr("hunter2")),
    (Any, Plain()),
    (Any, lambda: 1),
    (Any, loop()),
    (list[Any], [date(2025, 1, 1)]),
    (dict[str, Any], {"a": {1}}),
    (float, math.nan),
    (int, 2**70),
    (str, "nul\0"),
    (str, "\udfff"),
    (Measured, Measured(value=math.inf)),
    (float | None, -math.inf),
    (Plain, Plain()),
    (list[Plain], [Plain()]),
    (Half, Half(a=1, b=7)),
    (Private, seen_private()),
    (Text, Text(data=b"\xff")),
    (Cat, BigCat()),
    (Losing, Losing(at=NOON)),
    (Shouting, Shouting(text="a")),
    (str | bytes, b"xy"),
    (str | date, date(2025, 1, 1)),
    (Sequence[int], (1, 2)),
    (dict[str | int, int], {1: 1}),
    (type[int], int),
    (range, range(3)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("hint", "value"), REFUSED, ids=lambda each: str(type(each) if each is not None else each)[:40]
)
def test_what_would_arrive_as_something_else_is_refused_with_the_parameters_name(hint, value):
    with pytest.raises(ParameterMismatch) as caught:
        through(hint, value)
    assert caught.value.parameters == ("v",)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [(1, 2), b"x", math.nan, date(2025, 1, 1)])
def test_a_flow_that_does_not_validate_gets_plain_json_only(value):
    fn = function_of(tuple[int, int])
    with pytest.raises(ParameterMismatch):
        to_send(fn, {"v": value}, checked=False)
    assert to_send(fn, {"v": [1, "2"]}, checked=False) == {"v": [1, "2"]}


def test_args_and_kwargs_arrive_too():
    def fn(first: date, /, *rest: bytes, **more: set[int]) -> None: ...

    given = {"first": date(2025, 1, 1), "rest": (b"\xff",), "more": {"a": {1}}}
    assert arrived(fn, json.loads(json.dumps(to_send(fn, given)))) == given

    def untyped(*rest, **more) -> None: ...

    given = {"rest": (1, "a"), "more": {"b": 2}}
    assert arrived(untyped, json.loads(json.dumps(to_send(untyped, given)))) == given


def test_what_an_author_wrote_as_json_is_sent_as_it_was_written():
    def fn(n: int, day: date, line: Line) -> None: ...

    given = {"n": "3", "day": "2025-08-27", "line": {"sku": "a"}}
    assert to_send(fn, given) == given


def test_defaults_that_json_cannot_say_or_that_are_secret_are_in_no_schema():
    def fn(
        a: SecretStr = SecretStr("hunter2"),  # noqa: B008
        b: set[int] = {1},  # noqa: B006
        c: bytes = b"\xff",
        d=(1, 2),  # pyright: ignore
        e: float = math.nan,
        f: Line = Line(sku="a"),  # noqa: B008
        g: int = None,  # pyright: ignore
    ) -> None: ...

    schema = json_schema(fn)
    assert "hunter2" not in str(schema)
    defaults = {name: entry["default"] for name, entry in schema["properties"].items() if "default" in entry}
    assert defaults == {
        "b": [1],
        "c": "data:;base64,/w==",
        "f": {"sku": "a", "count": 1},
        "g": None,
    }


ASKED_ALIKE = [
    (hint, value)
    for hint, value in ARRIVING
    if hint not in (HttpUrl, ByteSize, Fraction, set, tuple, PurePosixPath, Secret[int], Options, Pair)
    and not (hint == defaultdict[str, list[int]])
]


@pytest.mark.parametrize(("hint", "value"), ARRIVING, ids=in_one_order)
def test_who_asks_for_a_run_sends_what_arrives_alike_or_names_the_parameter(hint, value):
    """`run_deployment` knows the schema that the server has, and no annotation."""
    fn = function_of(hint)
    expected = validate(fn, {"v": value})["v"]
    try:
        sent = asked({"v": value}, json_schema(fn))
    except ParameterMismatch as mismatch:
        assert mismatch.parameters == ("v",)
        assert (hint, value) not in ASKED_ALIKE, str(mismatch)
        return
    assert alike(expected, arrived(fn, json.loads(json.dumps(sent)))["v"]), f"{sent}"


@pytest.mark.parametrize(
    ("hint", "value"), REFUSED, ids=lambda each: str(type(each) if each is not None else each)[:40]
)
def test_who_asks_for_a_run_is_refused_what_would_arrive_as_something_else(hint, value):
    fn = function_of(hint)
    try:
        expected = validate(fn, {"v": value})["v"]
        sent = asked({"v": value}, json_schema(fn))
        got = arrived(fn, json.loads(json.dumps(sent)))["v"]
    except ParameterMismatch as mismatch:
        assert mismatch.parameters == ("v",)
        assert "hunter2" not in str(mismatch)
        return
    assert alike(expected, got), f"{sent}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(json_values)
def test_plain_json_passes_unchanged(value):
    assert alike(value, through(Any, value))
    assert asked({"v": value}, None) == {"v": value}


@given(st.binary())
def test_any_bytes_arrive(value):
    assert through(bytes, value) == value
    assert through(list[bytes] | None, [value]) == [value]


@given(st.datetimes(timezones=st.none() | st.timezones()), st.timedeltas(), st.decimals(allow_nan=False))
def test_any_time_and_number_arrives(moment, span, number):
    for hint, value in ((datetime, moment), (timedelta, span), (Decimal, number)):
        try:
            got = through(hint, value)
        except ParameterMismatch as mismatch:
            assert mismatch.parameters == ("v",)
        else:
            assert got == value
