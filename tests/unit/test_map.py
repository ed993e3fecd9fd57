"""The map of the code in CONTRIBUTING.md answers what newcomers ask, and what the pages name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from heliostat.runtime.foundation.setting_table import NOT_SETTINGS, TEST_PREFIX, setting_specs

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
TOP = {path.name for path in ROOT.iterdir()}
FEWEST_QUESTIONS = 20

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="not run from a checkout")


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table under a heading, without the table's own head."""
    section = text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def paths(words: str) -> list[str]:
    """Each path in backticks: what has a folder in it, and files at the top of the repository."""
    quoted = re.findall(r"`([^`\s]+)`", words)
    return [each for each in quoted if re.fullmatch(r"[\w.*/-]+", each) and ("/" in each or each in TOP)]


def is_there(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/")))


def test_every_path_that_the_map_names_exists() -> None:
    named = paths(text())
    assert len(named) > FEWEST_QUESTIONS
    assert [path for path in named if not is_there(path)] == []


def test_every_room_of_the_runtime_is_in_the_picture_of_the_floors() -> None:
    picture = text().partition("```mermaid\n")[2].partition("```")[0]
    found = {
        path.name + "/" * path.is_dir()
        for path in (ROOT / "runtime").iterdir()
        if not path.name.startswith(("_", "."))
    }
    drawn = set(re.findall(r"[a-z_]+(?:\.py|/)(?= · )", picture))
    assert drawn - {"api/", "demo/", "actors/", "pools/", "runtime/"} == found


def test_each_thing_that_one_looks_for_has_a_path() -> None:
    for what, files in rows("What are you looking for?"):
        assert paths(files), what


def test_each_question_of_a_newcomer_is_answered_by_one_path() -> None:
    questions = rows("Questions of a newcomer")
    assert len(questions) >= FEWEST_QUESTIONS
    for question, answer in questions:
        assert question.endswith("?"), question
        assert answer == f"`{answer.strip('`')}`" and (ROOT / answer.strip("`")).is_file(), question


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]


def test_every_link_of_the_pages_leads_to_a_file() -> None:
    broken = [
        f"{page.name}: {link}"
        for page in pages()
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert broken == []


def read_by_tests() -> set[str]:
    """The variables that say how the tests run."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    return {name for source in sources for name in re.findall(rf"\b{TEST_PREFIX}[A-Z_]+", source)}


def test_every_setting_that_the_pages_name_exists() -> None:
    earlier_names = {"HELIOSTAT_SERVER_CORS_ORIGINS"}
    known = {spec.env_name for spec in setting_specs()} | NOT_SETTINGS | earlier_names | read_by_tests()
    named = {
        (page.name, name)
        for page in pages()
        for name in re.findall(r"\bHELIOSTAT_[A-Z_]+", page.read_text(encoding="utf-8"))
    }
    assert {each for each in named if each[1] not in known} == set()
