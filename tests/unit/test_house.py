"""The house keeps its own rules: layout, imports, sizes and names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE_FOLDERS = ("runtime", "pools", "actors", "api", "demo")
LONGEST_FILE_LINES = 500
LONGEST_TEST_FILE_LINES = 600
LONGEST_FUNCTION_LINES = 60
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="not run from a checkout")


def package_files() -> Iterator[Path]:
    yield from ROOT.glob("*.py")
    for folder in PACKAGE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" not in path.parts:  # what the pages' own tools bring along
                yield path


def tracked_or_new() -> list[Path]:
    """Every file of the checkout that git does not ignore; all files where this is no git checkout."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode:
        return [path for path in ROOT.rglob("*") if ".git" not in path.parts]
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def absolute_imports(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import in the file that is not relative."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((node.lineno, node.module or ""))
    return found


def importers_of(*libraries: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in package_files()
        for _, module in absolute_imports(path)
        if module.partition(".")[0] in libraries
    }


def configuration() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_packages_in_pyproject_are_the_folders_that_hold_python() -> None:
    listed = configuration()["tool"]["setuptools"]["packages"]  # type: ignore[index]
    found = {"heliostat"}
    for path in package_files():
        folder = path.parent.relative_to(ROOT)
        # Migrations are data: alembic reads them by path, and nothing imports them.
        if folder.parts and "migrations" not in folder.parts:
            found.add(".".join(("heliostat", *folder.parts)))
    assert sorted(listed) == sorted(found)


def test_every_package_has_an_init_file() -> None:
    for name in configuration()["tool"]["setuptools"]["packages"]:  # type: ignore[index]
        assert (ROOT.joinpath(*name.split(".")[1:]) / "__init__.py").is_file(), name


def test_imports_inside_the_package_are_relative() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in package_files()
        if path != ROOT / "__init__.py"
        for line, module in absolute_imports(path)
        if module.partition(".")[0] in ("heliostat", *PACKAGE_FOLDERS)
    ]
    assert wrong == []


def test_repository_holds_no_symbolic_link() -> None:
    assert [str(path) for path in tracked_or_new() if path.is_symlink()] == []


def test_text_files_are_read_and_written_as_utf_8_whatever_the_locale() -> None:
    """Seen: under LC_ALL=C a deployment file with an umlaut could not be read. Calls say the encoding."""
    assert [line for path in package_files() for line in texts_without_encoding(path)] == []


def texts_without_encoding(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        said = {each.arg: ast.unparse(each.value) for each in node.keywords}
        mode = said.get("mode") or (ast.unparse(node.args[1]) if len(node.args) > 1 else "''")
        is_text = (
            (name == "read_text" and not node.args)
            or name == "write_text"
            or (name == "open" and isinstance(node.func, ast.Name) and "b" not in mode)
            or (name == "fdopen" and "b" not in mode)
            or said.get("text") == "True"
        )
        if is_text and "encoding" not in said:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_ray_is_imported_only_where_work_is_sent_to_it() -> None:
    wrong = {
        name
        for name in importers_of("ray")
        if not re.fullmatch(r"runtime/engine/ray_\w+\.py|actors/.*", name)
    }
    assert wrong == set()


def test_database_libraries_are_imported_only_by_the_store() -> None:
    libraries = ("sqlalchemy", "asyncpg", "aiosqlite", "alembic", "sqlite3")
    wrong = {name for name in importers_of(*libraries) if not name.startswith("runtime/store/")}
    assert wrong - {"api/cli/version.py"} == set()  # it prints SQLite's version only


def test_command_line_libraries_are_imported_only_by_the_command_line() -> None:
    wrong = {name for name in importers_of("click") if not re.match(r"api/cli/|demo/", name)}
    assert wrong == set()


def test_web_frameworks_are_imported_only_by_the_api() -> None:
    wrong = {name for name in importers_of("fastapi", "starlette", "uvicorn") if not name.startswith("api/")}
    assert wrong == set()


def test_time_comes_from_the_one_clock() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in package_files()
        if path != ROOT / "runtime/foundation/clock.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"\b(datetime\.(now|utcnow)|time\.time)\(", line)
    ]
    assert wrong == []


def test_no_file_is_too_long() -> None:
    too_long = [
        f"{path.relative_to(ROOT)} has {lines} lines"
        for files, most in (
            (package_files(), LONGEST_FILE_LINES),
            (sorted((ROOT / "tests").rglob("*.py")), LONGEST_TEST_FILE_LINES),
        )
        for path in files
        if (lines := len(path.read_text().splitlines())) > most
    ]
    assert too_long == []


def test_no_function_is_too_long() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines"
        for path in package_files()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION_LINES
    ]
    assert too_long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in package_files()}
    assert {name for name in names if BANNED_NAMES & set(re.split(r"[/._]", name))} == set()


def test_changelog_has_a_place_for_what_is_not_released() -> None:
    assert re.search(r"^## \[?Unreleased\]?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "pip install . && heliostat demo" in readme
    assert "pip install '.[test]' && pytest" in readme


def test_importing_the_package_leaves_the_heavy_libraries_alone() -> None:
    heavy = [
        "ray",
        "sqlalchemy",
        "alembic",
        "asyncpg",
        "fastapi",
        "pydantic",
        "pydantic_settings",
        "rich",
        "click",
    ]
    program = f"import sys, heliostat; print(*[each for each in {heavy} if each in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=os.path.expanduser("~"),
        check=True,
    )
    assert done.stdout.split() == []


def test_migrations_that_the_code_lists_are_the_files_that_exist() -> None:
    from heliostat.runtime.store.database.schema import MIGRATIONS, REVISIONS

    found = [
        match[1]
        for path in sorted((MIGRATIONS / "versions").glob("*.py"))
        if (match := re.search(r"^revision\b.*= \"(\w+)\"", path.read_text(), re.MULTILINE))
    ]
    assert tuple(found) == REVISIONS


def test_workers_of_fan_outs_do_not_load_the_drivers_of_databases() -> None:
    """Workers record through the driver of the run; each library that they load slows their start."""
    heavy = ["sqlalchemy", "alembic", "asyncpg", "aiosqlite", "fastapi", "httpx", "pydantic_settings"]
    program = (
        "import sys, heliostat.runtime.engine.worker, heliostat.runtime.engine.ray_lane; "
        f"print(*[each for each in {heavy} if each in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_tests_run_against_one_copy_of_the_package() -> None:
    """pytest once imported the root's `__init__.py` a second time, under the name of the clone's folder."""
    import heliostat

    face = Path(heliostat.__file__ or "").resolve()
    copies = {
        name
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None))
        and Path(file).resolve() in (face, ROOT / "__init__.py")
    }
    assert copies == {"heliostat"}


def test_settings_page_is_up_to_date() -> None:
    import runpy

    page = runpy.run_path(str(ROOT / "docs" / "settings.py"))["settings_page"]()
    assert (ROOT / "docs" / "settings.md").read_text() == page, "run: python docs/settings.py"
