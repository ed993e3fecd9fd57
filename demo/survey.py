"""The survey, as a user of Heliostat would write it: two mapped stages and a sub-flow.

Nothing here is special. Outside this package the import reads `from heliostat import flow, task`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .. import flow, task, unmapped
from .grading import Module, graded
from .measuring import Measurement, measured
from .report import TABLES, Table
from .sources import installed_sources, sources_under, spread


@dataclass(frozen=True)
class Unreadable:
    """A file that this version of Python cannot parse, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What a survey found."""

    files: int
    unreadable: list[Unreadable]
    tables: list[Table]


@task
def measure(path: Path) -> Measurement:
    """Parse one file and measure it; fails when Python cannot parse it."""
    return measured(path)


@task
def grade(measurement: Measurement) -> Module:
    """Judge one measurement."""
    return graded(measurement)


@task
def tabulate(title: str, modules: list[Module]) -> Table:
    """Make one of the report's tables."""
    return TABLES[title](title, modules)


@flow
def report(modules: list[Module]) -> list[Table]:
    """Reduce all the modules to a few tables."""
    return tabulate.map(list(TABLES), unmapped(modules)).result()


@flow(persist_result=True)  # another process than the run's own asks for the result
def survey(files: int | None = None, folder: Path | None = None) -> Survey:
    """Survey the Python files of this installation, or of a folder; `files` takes a sample of that size."""
    paths = installed_sources() if folder is None else sources_under(folder)
    if files is not None:
        paths = spread(paths, files)

    measurements = measure.map(paths)  # one task run per file; a file that fails does not stop the others
    states = measurements.wait()

    readable = [each for each, state in zip(measurements, states, strict=True) if state.is_completed()]
    modules = grade.map(readable)

    unreadable = [
        Unreadable(str(path), state.message or state.name)
        for path, state in zip(paths, states, strict=True)
        if not state.is_completed()
    ]
    return Survey(len(paths), unreadable, report(modules.result()))
