"""The report's tables, each made from all the modules."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .grading import LEVELS, Module

_ROWS = 10
_FEW_BYTES = 200  # smaller files may be equal by chance: empty ones, a version, an import

Cell = str | int


@dataclass(frozen=True)
class Table:
    """A title, column titles, and rows with a cell for each column."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


def largest(title: str, modules: Sequence[Module]) -> Table:
    found = sorted((module.measurement for module in modules), key=lambda each: (-each.lines, each.name))
    rows: list[tuple[Cell, ...]] = [
        (each.name, each.lines, each.code_lines, each.functions, each.classes) for each in found[:_ROWS]
    ]
    return Table(title, ("module", "lines", "of code", "functions", "classes"), rows)


def packages(title: str, modules: Sequence[Module]) -> Table:
    by_package: defaultdict[str, list[Module]] = defaultdict(list)
    for module in modules:
        by_package[module.measurement.package].append(module)
    rows: list[tuple[Cell, ...]] = [
        (package, len(members), _lines(members), _documented(members))
        for package, members in by_package.items()
    ]
    rows.sort(key=lambda row: (-int(row[2]), row[0]))
    return Table(title, ("package", "files", "lines", "documented"), rows[:_ROWS])


def most_imported(title: str, modules: Sequence[Module]) -> Table:
    counted = Counter(name for module in modules for name in module.measurement.imports)
    rows: list[tuple[Cell, ...]] = sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:_ROWS]
    return Table(title, ("imported", "by files"), rows)


def hardest_functions(title: str, modules: Sequence[Module]) -> Table:
    found = [module.measurement for module in modules if module.measurement.functions]
    found.sort(key=lambda each: (-each.hardest_complexity, each.name))
    rows: list[tuple[Cell, ...]] = [
        (each.hardest_function, each.name, each.hardest_complexity, each.deepest_nesting)
        for each in found[:_ROWS]
    ]
    return Table(title, ("function", "module", "complexity", "nesting"), rows)


def levels(title: str, modules: Sequence[Module]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for level in LEVELS:
        members = [module for module in modules if module.level == level]
        rows.append((level, len(members), _lines(members), _documented(members)))
    return Table(title, ("level", "modules", "lines", "documented"), rows)


def copies(title: str, modules: Sequence[Module]) -> Table:
    by_content: defaultdict[str, list[Module]] = defaultdict(list)
    for module in modules:
        if module.measurement.size_bytes >= _FEW_BYTES:
            by_content[module.measurement.sha256].append(module)
    rows: list[tuple[Cell, ...]] = [
        (min(each.measurement.name for each in alike), len(alike), alike[0].measurement.lines)
        for alike in by_content.values()
        if len(alike) > 1
    ]
    rows.sort(key=lambda row: (-int(row[1]), -int(row[2]), row[0]))
    return Table(title, ("the same as", "copies", "lines each"), rows[:_ROWS])


TABLES: dict[str, Callable[[str, Sequence[Module]], Table]] = {
    "Packages by lines": packages,
    "Largest modules": largest,
    "Most imported": most_imported,
    "Most complex functions": hardest_functions,
    "How modules grade": levels,
    "Identical files": copies,
}


def _lines(modules: Iterable[Module]) -> int:
    return sum(module.measurement.lines for module in modules)


def _documented(modules: Iterable[Module]) -> str:
    """The share of functions and classes with a docstring, over some modules."""
    defined = documented = 0
    for module in modules:
        defined += module.measurement.functions + module.measurement.classes
        documented += module.measurement.documented
    return f"{documented / defined:.0%}" if defined else "-"
