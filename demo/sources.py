"""The files that the survey reads."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

STANDARD_LIBRARY = "standard library"
_SITE_FOLDERS = ("site-packages", "dist-packages")
_PLACES = ("stdlib", "platstdlib", "purelib", "platlib")  # the names in sysconfig


def installed_sources() -> list[Path]:
    """Every Python file of the standard library and of the installed packages."""
    places = {Path(sysconfig.get_path(name)) for name in _PLACES}
    return sorted({path for place in places for path in _walk(place)})


def sources_under(folder: Path) -> list[Path]:
    """Every Python file in a folder."""
    return sorted(_walk(folder))


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spread, so that a small sample is mixed."""
    count = min(count, len(paths))
    return [paths[place * len(paths) // count] for place in range(count)]


def package_of(path: Path) -> str:
    """The top-level package that a file belongs to; the standard library counts as one."""
    parts = _parts_of_name(path)
    if parts is None:
        return path.parent.name
    inside_site = path.parts[-len(parts) - 1] in _SITE_FOLDERS
    return parts[0].removesuffix(".py") if inside_site else STANDARD_LIBRARY


def short_name(path: Path) -> str:
    """The path relative to the folder of its installation."""
    parts = _parts_of_name(path)
    return "/".join(parts) if parts is not None else str(path)


def _parts_of_name(path: Path) -> tuple[str, ...] | None:
    for place in range(len(path.parts) - 2, 0, -1):
        if path.parts[place] in _SITE_FOLDERS:
            return path.parts[place + 1 :]
    standard = Path(sysconfig.get_path("stdlib"))
    return path.relative_to(standard).parts if path.is_relative_to(standard) else None


def _walk(top: Path) -> Iterator[Path]:
    # Site folders inside are skipped: a virtual environment uses the standard library of its base Python, but
    # not the packages in that Python's site folder.
    for folder, inner, names in os.walk(top):
        inner[:] = [name for name in inner if name not in _SITE_FOLDERS and name != "__pycache__"]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))
