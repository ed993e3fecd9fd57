"""Entrypoints: "path.py:flow" and "module:flow" find a flow, or say what is there instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliostat.runtime.foundation.errors import MissingFlow
from heliostat.runtime.projects.entrypoints import load_flow

TWO_FLOWS = """
from heliostat import flow

@flow
def clean():
    return 1

@flow(name="weekly report")
def report():
    return 2

limit = 3
"""


@pytest.fixture(autouse=True)
def modules_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("heliostat."):
            del sys.modules[name]


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_file_and_variable_name_find_the_flow(tmp_path: Path) -> None:
    assert load_flow(write(tmp_path, "work.py", TWO_FLOWS) + ":clean").fn() == 1


def test_flow_is_found_by_its_own_name_too(tmp_path: Path) -> None:
    assert load_flow(write(tmp_path, "work.py", TWO_FLOWS) + ":weekly report").fn() == 2


def test_file_alone_is_enough_when_it_has_one_flow(tmp_path: Path) -> None:
    path = write(tmp_path, "one.py", "from heliostat import flow\n@flow\ndef only():\n    return 5\n")
    assert load_flow(path).fn() == 5


def test_file_alone_with_two_flows_names_both(tmp_path: Path) -> None:
    path = write(tmp_path, "work.py", TWO_FLOWS)
    with pytest.raises(MissingFlow, match="has 2 flows") as refusal:
        load_flow(path)
    assert f"{path}:clean" in str(refusal.value.hint)
    assert f"{path}:report" in str(refusal.value.hint)


def test_file_can_import_what_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "beside_it.py", "ANSWER = 42\n")
    text = "from heliostat import flow\nfrom beside_it import ANSWER\n@flow\ndef ask():\n    return ANSWER\n"
    assert load_flow(write(tmp_path, "asks.py", text) + ":ask").fn() == 42


def test_same_file_is_one_module_and_another_of_its_name_is_not_mistaken_for_it(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    one = write(first, "work.py", TWO_FLOWS)
    other = write(second, "work.py", TWO_FLOWS.replace("return 1", "return 10"))
    assert load_flow(f"{one}:clean") is load_flow(f"{one}:clean")
    assert load_flow(f"{other}:clean").fn() == 10
    assert load_flow(f"{one}:clean").fn() == 1


def test_module_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "importable_work.py", TWO_FLOWS)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_flow("importable_work:clean").fn() == 1


@pytest.mark.parametrize(
    ("asked", "what", "hint"),
    [
        ("clea", "has no flow 'clea'", "did you mean"),
        ("wholly_other", "has no flow 'wholly_other'", "work.py:report"),
        ("limit", "is not a flow but 'int'", "work.py:clean"),
    ],
)
def test_missing_flow_is_answered_with_the_flows_that_exist(
    tmp_path: Path, asked: str, what: str, hint: str
) -> None:
    path = write(tmp_path, "work.py", TWO_FLOWS)
    with pytest.raises(MissingFlow) as refusal:
        load_flow(f"{path}:{asked}")
    assert what in str(refusal.value)
    assert hint in str(refusal.value.hint)


def test_plain_function_is_answered_with_how_to_make_it_a_flow(tmp_path: Path) -> None:
    path = write(tmp_path, "plain.py", "def clean():\n    return 1\n")
    with pytest.raises(MissingFlow) as refusal:
        load_flow(f"{path}:clean")
    assert "is not a flow but 'function'" in str(refusal.value)
    assert "@flow" in str(refusal.value.hint)


def test_missing_file_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "work.py", TWO_FLOWS)
    with pytest.raises(MissingFlow, match="There is no file") as refusal:
        load_flow(f"{tmp_path}/wrok.py:clean")
    assert path in str(refusal.value.hint)


def test_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "broken.py", "x = 1\ndef clean(:\n    pass\n")
    with pytest.raises(MissingFlow, match=r"not valid Python: .*line 2"):
        load_flow(f"{path}:clean")


def test_error_while_loading_is_told_with_its_line_and_kept_as_cause(tmp_path: Path) -> None:
    path = write(tmp_path, "raises.py", "x = 1\ny = {}['k']\n")
    with pytest.raises(MissingFlow, match=r"KeyError: 'k' \(line 2: y = ") as refusal:
        load_flow(f"{path}:clean")
    assert isinstance(refusal.value.__cause__, KeyError)
    assert not [name for name in sys.modules if name.endswith("_raises")]


def test_missing_import_in_the_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "needs.py", "import no_such_library_here\n")
    with pytest.raises(MissingFlow) as refusal:
        load_flow(f"{path}:clean")
    assert "no_such_library_here" in str(refusal.value.hint)


def test_exit_while_loading_does_not_end_the_program(tmp_path: Path) -> None:
    path = write(tmp_path, "leaves.py", "raise SystemExit(3)\n")
    with pytest.raises(MissingFlow, match="SystemExit: 3"):
        load_flow(f"{path}:clean")


def test_missing_module_is_told_apart_from_a_missing_import_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "module_that_needs.py", "import no_such_library_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingFlow, match="There is no module 'no_such_module'"):
        load_flow("no_such_module:clean")
    with pytest.raises(MissingFlow, match="module module_that_needs cannot be loaded"):
        load_flow("module_that_needs:clean")


@pytest.mark.parametrize("words", ["", ":", "work", "work.py:", ":clean"])
def test_words_that_name_no_flow_are_refused(words: str) -> None:
    with pytest.raises(MissingFlow, match="does not name a flow"):
        load_flow(words)


def test_a_file_of_a_package_can_import_its_neighbours_with_a_dot(tmp_path: Path) -> None:
    """Seen: `from .submodule import X` failed in a flow's file that was named by its path."""
    inner = tmp_path / "outer_of_dots" / "inner"
    inner.mkdir(parents=True)
    write(inner.parent, "__init__.py", "")
    write(inner.parent, "above.py", "ANSWER = 40\n")
    write(inner, "__init__.py", "MORE = 1\n")
    write(inner, "beside.py", "ONE = 1\n")
    text = (
        "from heliostat import flow\nfrom ..above import ANSWER\nfrom . import MORE\n"
        "@flow\ndef ask():\n    from .beside import ONE\n    return ANSWER + MORE + ONE\n"
    )
    assert load_flow(write(inner, "asks_with_dots.py", text) + ":ask").fn() == 42


def test_a_package_of_the_same_name_is_not_taken_for_the_files_own(tmp_path: Path) -> None:
    found = list[object]()
    for number in (1, 2):
        package = tmp_path / str(number) / "package_of_two"
        package.mkdir(parents=True)
        write(package, "__init__.py", "")
        write(package, "beside.py", f"ANSWER = {number}\n")
        text = (
            "from heliostat import flow\nfrom .beside import ANSWER\n@flow\ndef ask():\n    return ANSWER\n"
        )
        path = write(package, "asks_two.py", text)
        try:
            found.append(load_flow(f"{path}:ask").fn())
        except MissingFlow as refusal:
            assert "no other package of that name" in str(refusal.hint)
    assert found == [1]


def test_a_relative_import_outside_of_a_package_says_what_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path, "dotted.py", "from .beside import ANSWER\n")
    with pytest.raises(MissingFlow) as refusal:
        load_flow(f"{path}:ask")
    assert "__init__.py" in str(refusal.value.hint)
