"""What the demo measures of a Python file, and how it judges it."""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path

import pytest

from heliostat.demo import sources
from heliostat.demo.grading import graded
from heliostat.demo.measuring import Measurement, measured
from heliostat.demo.report import TABLES, copies, packages

SOURCE = '''"""A module."""
import os.path
import os, sys
from . import sibling
from collections.abc import Iterator

# only a comment


class Thing:
    """Documented."""

    def plain(self):
        return 1

    def harder(self, rows):
        """Documented too."""
        def inner():
            if rows and self or os:
                return 2
        for row in rows:
            if row and (sys or os):
                while row:
                    with row:
                        row = [each for each in row if each]
        return inner
'''


@pytest.fixture
def measurement(tmp_path: Path) -> Measurement:
    (tmp_path / "pkg").mkdir()
    path = tmp_path / "pkg" / "module.py"
    path.write_text(SOURCE)
    return measured(path)


def test_file_is_counted_and_hashed(measurement: Measurement) -> None:
    assert measurement.sha256 == hashlib.sha256(SOURCE.encode()).hexdigest()
    assert (measurement.lines, measurement.size_bytes) == (26, len(SOURCE))
    assert measurement.code_lines == 20
    assert (measurement.functions, measurement.classes, measurement.documented) == (3, 1, 2)
    assert measurement.package == "pkg"


def test_imports_are_top_level_names_without_relative_ones(measurement: Measurement) -> None:
    assert measurement.imports == ("collections", "os", "sys")


def test_hardest_function_does_not_answer_for_the_one_inside_it(measurement: Measurement) -> None:
    # 1, for, if, `and`, `or`, while, the comprehension
    assert (measurement.hardest_function, measurement.hardest_complexity) == ("harder", 7)
    assert measurement.deepest_nesting == 4


@pytest.mark.parametrize(
    "source", [b"print 'old'\n", b"# coding: uft-8\n", b"x = '\xf6'\n", b"0777\n", b"a\0b"]
)
def test_file_that_cannot_be_parsed_raises_what_python_says(tmp_path: Path, source: bytes) -> None:
    (tmp_path / "bad.py").write_bytes(source)
    with pytest.raises((SyntaxError, ValueError)):
        measured(tmp_path / "bad.py")


def test_empty_file_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.py").touch()
    module = graded(measured(tmp_path / "empty.py"))
    assert (module.measurement.lines, module.measurement.hardest_complexity) == (0, 0)
    assert (module.level, module.documented_share) == ("plain", None)


def test_same_content_counts_as_copies_and_packages_add_up(tmp_path: Path) -> None:
    for package in ("one", "two", "two/sub"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "module.py").write_text(SOURCE)
    modules = [graded(measured(path)) for path in sources.sources_under(tmp_path)]
    assert [row[1:] for row in copies("copies", modules).rows] == [(3, 26)]
    assert sorted(packages("packages", modules).rows) == [
        ("one", 1, 26, "50%"),
        ("sub", 1, 26, "50%"),
        ("two", 1, 26, "50%"),
    ]


def test_every_table_can_be_made_of_no_modules_at_all() -> None:
    assert {title: make(title, []).title for title, make in TABLES.items()} == {
        title: title for title in TABLES
    }


def test_installation_is_the_standard_library_and_what_is_beside_it() -> None:
    found = sources.installed_sources()
    assert len(found) == len(set(found)) > 1_000
    assert Path(sysconfig.get_path("stdlib"), "ast.py") in found
    packages_found = {sources.package_of(path) for path in found}
    assert {sources.STANDARD_LIBRARY, "rich", "sqlalchemy"} <= packages_found
    assert sources.short_name(Path(sysconfig.get_path("stdlib"), "json", "tool.py")) == "json/tool.py"


@pytest.mark.parametrize(
    ("count", "taken"), [(1, [0]), (3, [0, 3, 6]), (10, list(range(10))), (99, list(range(10)))]
)
def test_sample_is_spread_evenly(count: int, taken: list[int]) -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert [int(path.name) for path in sources.spread(paths, count)] == taken
