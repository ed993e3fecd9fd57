"""Judging a module by its measurement."""

from __future__ import annotations

from dataclasses import dataclass

from .measuring import Measurement

LEVELS = ("plain", "involved", "tangled")
_INVOLVED_ABOVE = 10  # McCabe's own advice was to split a function above it
_TANGLED_ABOVE = 25
_DEEP_ABOVE = 6  # blocks within blocks


@dataclass(frozen=True, slots=True)
class Module:
    """A measured file and the judgement on it."""

    measurement: Measurement
    level: str  # one of LEVELS
    documented_share: float | None  # of its functions and classes; None when it has none


def graded(measurement: Measurement) -> Module:
    """Judge a file by its hardest function, its deepest place and its docstrings."""
    hardest, nesting = measurement.hardest_complexity, measurement.deepest_nesting
    if hardest > _TANGLED_ABOVE:
        level = "tangled"
    elif hardest > _INVOLVED_ABOVE or nesting > _DEEP_ABOVE:
        level = "involved"
    else:
        level = "plain"
    defined = measurement.functions + measurement.classes
    return Module(measurement, level, measurement.documented / defined if defined else None)
