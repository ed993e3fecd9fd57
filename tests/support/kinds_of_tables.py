"""Arrays and tables in groups, for tests of what tells values apart."""

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
from kinds_of_values import Point

ROWS = np.arange(6.0).reshape(2, 3)

NAN_WITH_PAYLOAD = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\x7f", "<f8")
ROWS = np.arange(6.0).reshape(2, 3)


def masked(data=(1, 2, 3), mask=(0, 1, 0), **more):
    return np.ma.MaskedArray(list(data), mask=list(mask), **more)


def hard_masked():
    array = masked()
    array.harden_mask()
    return array


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


def frame_with(change):
    frame = FRAME.copy()
    change(frame)
    return frame


def categories(order, ordered=False, values=("x", "y")):
    return pd.Series(pd.Categorical(list(values), categories=list(order), ordered=ordered))


# Every value of a group differs from every other one in what it is or does.
DIFFERENT: dict[str, list[Any]] = {
    "array types": [
        np.array([1, 2], kind)
        for kind in (
            "<i4",
            ">i4",
            "<i8",
            "<u4",
            "<f4",
            "<f8",
            "<M8[s]",
            "<M8[ms]",
            "<m8[s]",
            "O",
            "U1",
            "S1",
            "<c8",
        )
    ]
    + [np.array([1, 2], [("a", "<i8")]), np.array([1, 2], [("b", "<i8")]), np.array([1, 2], [("a", ">i8")])]
    + [np.array([1, 2], np.dtype([("a", "<i8")], metadata={"unit": 1})), np.array([1, 2], "T")],
    "structures": [
        np.zeros(1, np.dtype({"names": names, "formats": ["i4", "i4"], "offsets": offsets, "itemsize": size}))
        for names, offsets, size in (
            (["a", "b"], [0, 4], 8),
            (["b", "a"], [0, 4], 8),
            (["a", "b"], [4, 0], 8),
            (["a", "b"], [0, 4], 16),
            (["a", "b"], [0, 0], 8),
        )
    ]
    + [np.zeros(1, [("a", "i4", 2)]), np.zeros(1, [("a", "i4", (2, 1))]), np.zeros(1, "V8")]
    + [np.zeros(1, [("a", "i4"), ("b", "i4")]).view(np.recarray)],
    "array shapes": [
        np.zeros((2, 3)),
        np.zeros((3, 2)),
        np.zeros(6),
        np.zeros((1, 6)),
        np.zeros(()),
        np.float64(0),
    ]
    + [np.asfortranarray(np.zeros((2, 3))), np.zeros((0, 3)), np.zeros((0, 2)), np.zeros((3, 2)).T[:, :1]],
    "array values": [
        np.array([0.0]),
        np.array([-0.0]),
        np.array([np.nan]),
        NAN_WITH_PAYLOAD,
        np.array([1.0]),
    ],
    "array kinds": [
        ROWS,
        np.matrix(ROWS),
        np.ma.array(ROWS),
        ROWS.tolist(),
        ROWS.T,
        ROWS[::-1],
        ROWS.T.copy(),
    ],
    "object arrays": [
        np.array([1, "1"], object),
        np.array(["1", 1], object),
        np.array([1, 1], object),
        np.array([True, "1"], object),
        np.array([[1], ["1"]], object),
        np.array([None, "1"], object),
        np.array([Point(1), "1"], object),
        np.array([Point(1, "note"), "1"], object),
    ],
    "masks": [
        masked(),
        masked(mask=(1, 0, 0)),
        masked(fill_value=7),
        masked(data=(1, 9, 3)),
        hard_masked(),
        np.ma.MaskedArray([1, 2, 3]),
        np.ma.masked,
        np.array([1, 2, 3]),
    ],
    "random states": [np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1)],
    "universal functions": [np.add, np.subtract],
    "frames": [
        FRAME,
        FRAME.rename(columns={"a": "c"}),
        FRAME.rename_axis(index="i"),
        FRAME.rename_axis(columns="i"),
        FRAME.set_index("a"),
        FRAME.set_index("a", drop=False),
        FRAME.set_index(pd.Index([1, 0])),
        FRAME[::-1],
        FRAME[["b", "a"]],
        FRAME.astype({"a": "Int64"}),
        FRAME.astype({"a": "int32"}),
        FRAME.astype({"b": object}),
        FRAME.astype({"b": "category"}),
        frame_with(lambda frame: frame.attrs.update(unit="m")),
        frame_with(lambda frame: object.__setattr__(frame, "note", 1)),
        FRAME.set_flags(allows_duplicate_labels=False),
        pd.concat([FRAME, FRAME["a"]], axis=1),
        FRAME["a"],
        FRAME.columns,
    ],
    "columns of mixed types": [
        pd.Series(values, dtype=object)
        for values in ([1], ["1"], [True], [1.0], [None], [np.nan], [pd.NA], [pd.NaT], [decimal.Decimal(1)])
    ],
    "names": [pd.Series([1], name=name) for name in (None, "a", 1, "1", ("a", "b"), True)],
    "categories": [
        categories("xy"),
        categories("yx"),
        categories("xyz"),
        categories("xy", ordered=True),
        categories("yx", ordered=True),
        categories("xy", values=("y", "x")),
        pd.Series(pd.Categorical([1, 2])),
        pd.Series(pd.Categorical(["1", "2"])),
    ],
    "column types": [
        pd.Series([1, 2], dtype=kind)
        for kind in ("int64", "Int64", "Int32", "float64", "Float64", "object", "string", "UInt8", "boolean")
        if kind != "boolean"
    ]
    + [pd.Series([True, False], dtype=kind) for kind in ("bool", "boolean", "object")]
    + [pd.Series(pd.arrays.SparseArray([1, 2], fill_value=fill)) for fill in (0, 1)]
    + [pd.Series([pd.Interval(0, 1, closed)]) for closed in ("left", "right")]
    + [pd.Series(pd.period_range("2026", periods=2, freq=each)) for each in ("D", "M")],
    "missing values": [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([None, 1], dtype="Int64"),
        pd.Series([1, 1], dtype="Int64"),
        pd.Series([1.0, np.nan]),
        pd.Series(["a", None], dtype="string"),
        pd.Series(["a", None], dtype=object),
    ],
    "time columns": [
        pd.Series(pd.date_range("2026", periods=2, freq=freq, tz=tz, unit=unit))
        for freq, tz, unit in (
            ("D", None, "ns"),
            ("h", None, "ns"),
            ("D", "UTC", "ns"),
            ("D", "Europe/Berlin", "ns"),
            ("D", None, "s"),
        )
    ]
    + [pd.Series(pd.to_timedelta([0, 1], unit="s"))],
    "indexes": [
        pd.RangeIndex(3),
        pd.RangeIndex(0, 3, 1, name="i"),
        pd.Index([0, 1, 2]),
        pd.Index([0, 1, 2], name="i"),
        pd.Index([0.0, 1, 2]),
        pd.Index([0, 1, 2], dtype=object),
        pd.Index(["0", "1", "2"]),
        pd.CategoricalIndex([0, 1, 2]),
        pd.MultiIndex.from_tuples([(0, 1)], names=["a", "b"]),
        pd.MultiIndex.from_tuples([(0, 1)], names=["b", "a"]),
        pd.MultiIndex.from_tuples([(1, 0)], names=["a", "b"]),
        pd.Index([(0, 1)], tupleize_cols=False),
        pd.DatetimeIndex(["2026-01-01", "2026-01-02"]),
        pd.DatetimeIndex(["2026-01-01", "2026-01-02"], freq="D"),
    ],
    "spans": [
        pd.Timedelta(1, "s"),
        dt.timedelta(seconds=1),
        np.timedelta64(1, "s"),
        np.timedelta64(1000, "ms"),
    ],
}
