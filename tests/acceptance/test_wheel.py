"""The wheel that a checkout builds holds what it must and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = (
    ".git",
    ".venv",
    "build",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
    "node_modules",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, so that the checkout's own `build` folder can neither leak in nor be littered."""
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not run from a checkout")
    copy = tmp_path_factory.mktemp("checkout") / "any-name"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(copy / "out"),
            str(copy),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "HELIOSTAT_UI": "skip"},  # fresh pages are taken along, and none are built
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = (copy / "out").glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_holds_every_listed_package(wheel: zipfile.ZipFile) -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    names = wheel.namelist()
    missing = [package for package in listed if f"{package.replace('.', '/')}/__init__.py" not in names]
    assert missing == []


def test_wheel_holds_every_source_file_of_its_packages(wheel: zipfile.ZipFile) -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [ROOT.joinpath(*package.split(".")[1:]) for package in listed]
    wanted = {
        f"heliostat/{path.relative_to(ROOT).as_posix()}" for folder in folders for path in folder.glob("*.py")
    }
    assert wanted - set(wheel.namelist()) == set()


def test_wheel_is_marked_as_typed(wheel: zipfile.ZipFile) -> None:
    assert "heliostat/py.typed" in wheel.namelist()


def test_wheel_holds_every_migration(wheel: zipfile.ZipFile) -> None:
    migrations = ROOT / "runtime" / "store" / "migrations"
    wanted = {f"heliostat/{path.relative_to(ROOT).as_posix()}" for path in migrations.rglob("*.py")}
    assert wanted
    assert wanted - set(wheel.namelist()) == set()


def test_wheel_carries_the_licence(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert "Apache License" in wheel.read(name).decode()
    [metadata] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()


def test_wheel_gives_the_command(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    assert "heliostat = heliostat.__main__:main" in wheel.read(name).decode()


def test_wheel_carries_the_pages_of_these_sources(wheel: zipfile.ZipFile) -> None:
    """Seen: setuptools kept the files of an older build, and the wheel had both."""
    if not (ROOT / "api" / "ui" / "dist" / "sources.sha256").exists():
        pytest.skip("the pages are not built here")
    pages = "heliostat/api/ui/dist/"
    names = {name.removeprefix(pages) for name in wheel.namelist() if name.startswith(pages)}
    if not names:
        pytest.skip("the pages that are built here are of other sources")
    front = wheel.read(f"{pages}index.html").decode()
    wanted = set(re.findall(r"\./(assets/index-[\w-]+\.(?:js|css))", front))
    assert wanted and wanted == {name for name in names if re.match(r"assets/index-.*\.(js|css)$", name)}
    assert [name for name in wheel.namelist() if "ui/src" in name or "node_modules" in name] == []


def test_wheel_leaves_tests_and_tools_at_home(wheel: zipfile.ZipFile) -> None:
    stray = re.compile(r"heliostat/(tests|benchmarks|examples|docs|build|\.)|.*\.(db|sqlite3|pyc)$")
    assert [name for name in wheel.namelist() if stray.match(name)] == []
