"""Values of many types in groups, for tests of what tells values apart."""

import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import pathlib
import re
import struct
import types
import uuid
import zoneinfo
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, PrivateAttr


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Shade(enum.Enum):
    RED = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Level(enum.IntEnum):
    LOW = 1


def enum_of(value):
    return enum.Enum("Made", {"RED": value}, module=__name__).RED


@dataclass
class Point:
    x: Any
    note: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Slotted:
    x: Any


@dataclass
class Line(Point):
    pass


class SlottedBelow(Slotted):
    __slots__ = ("extra",)


class Pair(NamedTuple):
    left: int
    right: int


class Tagged(dict):
    tag = None


class Text(str):
    pass


class Drops:
    """An object whose pickle leaves one of its attributes out."""

    def __init__(self, kept, dropped):
        self.kept, self.dropped = kept, dropped

    def __getstate__(self):
        return {"kept": self.kept}


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", ignored_types=(functools.cached_property,))
    a: int = 0
    b: int = 0
    _secret: int = PrivateAttr(default=0)

    @functools.cached_property
    def size(self):
        return self.a


class OtherModel(BaseModel):
    a: int = 0
    b: int = 0


class FixedZone(dt.tzinfo):
    def __init__(self, hours=0):
        self.hours = hours

    def utcoffset(self, when):
        return dt.timedelta(hours=self.hours)

    def dst(self, when):
        return None

    def tzname(self, when):
        return "fixed"

    def __str__(self):
        return "fixed"


class PathWithMore(type(pathlib.Path())):
    pass


def with_attributes(value, **attributes):
    for name, part in attributes.items():
        object.__setattr__(value, name, part)
    return value


def private(value):
    model = Model(a=1)
    model._secret = value
    return model


def cyclic(value):
    made = [value]
    made.append(made)
    return made


def cyclic_deeper(value):
    inner: list[Any] = [value]
    inner.append([value, inner])
    return inner


def error_with(**changes):
    error = ValueError(1)
    for name, value in changes.items():
        setattr(error, name, value)
    return error


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


# Every value of a group differs from every other one in what it is or does.
DIFFERENT: dict[str, list[Any]] = {
    "numbers": [
        0,
        False,
        0.0,
        -0.0,
        0j,
        complex(0, -0.0),
        complex(-0.0, 0),
        "0",
        b"0",
        None,
        (),
        "",
        b"",
        [0],
    ]
    + [decimal.Decimal(0), fractions.Fraction(0), np.int64(0), np.float64(0), np.float32(0), np.bool_(False)],
    "one": [1, True, 1.0, "1", decimal.Decimal("1.0"), decimal.Decimal("1.00"), Level.LOW, np.int8(1)],
    "large numbers": [10**5000, 10**5000 + 1, -(10**5000), 255, -1, 256, 128, -128],
    "not a number": [
        math.nan,
        -math.nan,
        struct.unpack("<d", b"\x01\0\0\0\0\0\xf8\x7f")[0],
        math.inf,
        decimal.Decimal("nan"),
    ],
    "framing of lists": [
        ["a", "b"],
        ["ab"],
        ["a", ["b"]],
        [["a"], "b"],
        ["a", "b", []],
        ("a", "b"),
        ["a\0b"],
    ],
    "framing of dicts": [
        {"a": {"b": 1}},
        {"a": ["b", 1]},
        ["a", "b", 1],
        {"a": "b", 1: None},
        ["a", {"b": 1}],
    ],
    "order of dicts": [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}, {"a": 1}],
    "sets": [
        {1, 2},
        frozenset({1, 2}),
        {1},
        {1, "2"},
        {(1, 2)},
        frozenset({frozenset({1}), 2}),
        [1, 2],
        (1, 2),
    ],
    "nested frozen sets": [frozenset({frozenset({1}), frozenset({2})}), frozenset({frozenset({1, 2})})],
    "dict kinds": [
        {"a": 1, "b": 1},
        collections.OrderedDict(a=1, b=1),
        collections.OrderedDict(b=1, a=1),
        collections.Counter(a=1, b=1),
        collections.defaultdict(int, a=1, b=1),
        collections.defaultdict(list, a=1, b=1),
        collections.defaultdict(None, a=1, b=1),
        collections.UserDict(a=1, b=1),
        collections.ChainMap({"a": 1, "b": 1}),
        types.MappingProxyType({"a": 1, "b": 1}),
        Tagged(a=1, b=1),
        with_attributes(Tagged(a=1, b=1), tag="x"),
    ],
    "lists": [
        [1],
        (1,),
        collections.deque([1]),
        collections.deque([1], 3),
        np.array([1]),
        bytearray(b"\1"),
        b"\1",
    ],
    "bytes": [
        b"a",
        bytearray(b"a"),
        "a",
        Text("a"),
        with_attributes(Text("a"), more=1),
        np.str_("a"),
        np.bytes_(b"a"),
    ],
    "ranges": [
        range(3),
        range(0, 4),
        range(0, 3, 2),
        slice(0, 3),
        slice(0, 3, 1),
        slice([0], 3),
        slice(0, 3, -1),
    ],
    "pairs": [Pair(1, 2), (1, 2), [1, 2], Pair(2, 1)],
    "moments": [
        dt.datetime(2026, 10, 25, 2, 30),
        dt.datetime(2026, 10, 25, 2, 30, fold=1),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=dt.timezone(dt.timedelta(0), "UTC+0")),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("UTC")),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=FixedZone(1)),
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=FixedZone(2)),
        dt.date(2026, 10, 25),
        pd.Timestamp(2026, 10, 25, 2, 30),
        pd.Timestamp("2026-10-25 02:30:00.000000001"),
        np.datetime64("2026-10-25T02:30"),
        np.datetime64("2026-10-25T02:30:00"),
    ],
    "times": [dt.time(1), dt.time(1, fold=1), dt.time(1, tzinfo=dt.UTC), dt.timedelta(hours=1), "01:00:00"],
    "paths": [
        pathlib.PurePosixPath("a/b"),
        pathlib.PosixPath("a/b"),
        pathlib.PureWindowsPath("a/b"),
        pathlib.PosixPath("a/c"),
        PathWithMore("a/b"),
        with_attributes(PathWithMore("a/b"), more=1),
        "a/b",
    ],
    "identifiers": [uuid.UUID(int=1), uuid.UUID(int=2), str(uuid.UUID(int=1)), 1],
    "members": [Colour.RED, Colour.BLUE, Shade.RED, 1, enum_of(1), enum_of(2), enum_of("1")],
    "flags": [Right.READ, Right.READ | Right.WRITE, Right.READ | Right.RUN, Right(0), 3, ~Right.READ],
    "undeclared attributes": [
        Point(1),
        Point(1, "a note that does not compare"),
        Point(2),
        with_attributes(Point(1), more=1),
        Line(1),
        Slotted(1),
        Slotted(2),
        SlottedBelow(1),
        with_attributes(SlottedBelow(1), extra=1),
        types.SimpleNamespace(x=1),
        types.SimpleNamespace(x=2),
    ],
    "what a pickle drops": [Drops(1, 1), Drops(1, 2), Drops(2, 1)],
    "models": [
        Model(a=1),
        Model(a=1, b=0),
        Model(a=1, c=2),
        Model(a=1, c=3),
        private(1),
        private(2),
        OtherModel(a=1),
        Model.model_construct(a="1"),
        with_attributes(Model(a=1), undeclared=1),
    ],
    "errors": [
        ValueError(1),
        ValueError(2),
        TypeError(1),
        error_with(more=1),
        error_with(__notes__=["a"]),
        error_with(__cause__=KeyError(1)),
        error_with(__context__=KeyError(1)),
        raised(ValueError(1)),
        OSError(2, "no", "a.txt"),
        OSError(2, "no", "b.txt"),
        ImportError("x", name="a"),
        ImportError("x", name="b"),
        ExceptionGroup("g", [ValueError(1)]),
        ExceptionGroup("g", [ValueError(2)]),
        StopIteration(1),
        SystemExit(1),
    ],
    "cycles": [cyclic(1), cyclic(2), cyclic_deeper(1), cyclic_deeper(2), [1, [1]], [1, []]],
    "patterns": [re.compile("a"), re.compile("a", re.I), re.compile("b"), re.compile(b"a")],
    "contexts": [decimal.Context(prec=3), decimal.Context(prec=4)],
    "iterators of lists": [iter([1]), iter([2]), iter((1,))],
}
