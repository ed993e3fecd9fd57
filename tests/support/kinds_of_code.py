"""Functions, methods and classes in groups, for tests of what tells values apart."""

import collections
import functools
import math
import operator
import os
import pathlib
import sys
from typing import Any

import numpy as np
from kinds_of_values import Line, Point, with_attributes

FACTOR = 2
TABLE = {"a": 1}


def scaled(value):
    return value * FACTOR


def looked_up(value):
    return TABLE[value]


def calling_scaled(value):
    return scaled(value) + 1


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def with_default(k=1):
    return lambda x, k=k: x * k


def with_keyword_default(k):
    return lambda x, *, k=k: x * k


def closing_over(k):
    return lambda x: x * k


def closing_over_nothing_yet(fill):
    def inner():
        return later

    if fill:
        later = 1
    return inner


def calling_itself(step):
    def count(n):
        return 0 if n <= 0 else 1 + count(n - step)

    return count


def with_constant(source):
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope["made"]


class Machine:
    def __init__(self, speed):
        self.speed = speed

    def run(self):
        return self.speed

    def stop(self):
        return 0

    def __call__(self, x):
        return x * self.speed

    @classmethod
    def of_class(cls):
        return cls


class FasterMachine(Machine):
    pass


def local_class(number):
    class Local:
        def value(self):
            return number

    return Local


def class_of_text(body):
    scope: dict[str, Any] = {"__name__": "made"}
    exec(f"class Made:\n    def f(self):\n        {body}", scope)
    return scope["Made"]


@functools.lru_cache(maxsize=4)
def remembered(x):
    return x


@functools.lru_cache(maxsize=5)
def remembered_otherwise(x):
    return x


@functools.cache
def cached_sum(x):
    return x + 1


def wrapped_by(factor):
    def decorate(fn):
        @functools.wraps(fn)
        def around(*args):
            return fn(*args) * factor

        return around

    return decorate


def single_dispatch(answer):
    @functools.singledispatch
    def described(value):
        return "any"

    described.register(int, lambda value, answer=answer: answer)
    return described


# Every value of a group differs from every other one in what it is or does.
DIFFERENT: dict[str, list[Any]] = {
    "defaults of functions": [with_default(1), with_default(2), with_default(True), with_keyword_default(1)]
    + [with_keyword_default(2)],
    "closures": [
        closing_over(k) for k in (1, 2, 1.0, True, [1], [2], {"a": 1}, with_default(1), with_default(2))
    ],
    "empty cells": [closing_over_nothing_yet(True), closing_over_nothing_yet(False)],
    "recursive closures": [calling_itself(1), calling_itself(2)],
    "lambdas on one line": [lambda x: x + 1, lambda x: x * 2, lambda x: x + 2, lambda y: y + 1, lambda *x: x],
    "code": [
        with_constant(source)
        for source in (
            "def made(x): return x + 1",
            "def made(x): return x + 1.0",
            "def made(x): return x + True",
            "def made(x): return x - 1",
            "def made(x): return abs(x)",
            "def made(x): return len(x)",
            "def made(x): return x.a",
            "def made(x): return x.b",
            "def made(x):\n    def inner(): return 1\n    return inner",
            "def made(x):\n    def inner(): return 2\n    return inner",
            "def made(x): return x in {1, 2}",
            "def made(x): return x in {1, 3}",
            "def made(x, /): return x + 1",
            "async def made(x): return x + 1",
            "def made(x): yield x + 1",
            "def made(x):\n    try:\n        return x + 1\n    except KeyError: pass",
        )
    ],
    "methods": [
        Machine(1).run,
        Machine(2).run,
        Machine(1).stop,
        FasterMachine(1).run,
        Machine.run,
        Machine.of_class,
        FasterMachine.of_class,
    ],
    "callable objects": [Machine(1), Machine(2), FasterMachine(1), with_attributes(Machine(1), more=None)],
    "methods of builtins": [
        [].append,
        [1].append,
        {}.get,
        {1: 1}.get,
        "a".join,
        "b".join,
        [].__len__,
        [1].__len__,
    ]
    + [str.upper, str.lower, math.sin, math.cos, len, print],
    "partials": [
        functools.partial(scaled, 1),
        functools.partial(scaled, 2),
        functools.partial(scaled, value=1),
        functools.partial(looked_up, 1),
        functools.partial(with_default(1), 1),
        functools.partial(with_default(2), 1),
        with_attributes(functools.partial(scaled, 1), more=1),
    ],
    "wrapped functions": [
        remembered,
        remembered_otherwise,
        remembered.__wrapped__,
        cached_sum,
        wrapped_by(2)(scaled),
        wrapped_by(3)(scaled),
        wrapped_by(2)(looked_up),
        scaled,
    ],
    "single dispatch": [single_dispatch("a"), single_dispatch("b")],
    "operators": [operator.itemgetter(1), operator.itemgetter(2), operator.attrgetter("a"), operator.add],
    "classes": [
        Point,
        Line,
        local_class(1),
        local_class(2),
        class_of_text("return 1"),
        class_of_text("return 2"),
        int,
        collections.OrderedDict,
        list[int],
        list[str],
        dict[str, int],
        int | str,
        type(None),
    ],
    "instances of classes of one name": [local_class(1)(), local_class(2)()]
    + [class_of_text(body)() for body in ("return 1", "return 2")],
    "modules": [os, sys, np, pathlib],
}
