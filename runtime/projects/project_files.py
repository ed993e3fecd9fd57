"""Which files of a project folder belong to its code: all but those that ignore files and defaults name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..foundation.errors import BadPackage

IGNORE_FILES = (".prefectignore", ".heliostatignore")
"""Read from the project's root, in gitignore syntax; the last pattern that matches a path wins."""

DEFAULT_IGNORES = """
.git/
.hg/
.svn/
__pycache__/
*.py[co]
.venv/
venv/
node_modules/
.tox/
.nox/
.mypy_cache/
.pytest_cache/
.ruff_cache/
.ipynb_checkpoints/
.idea/
.vscode/
.DS_Store
.env
""".split()
"""Ignored unless an ignore file includes them again (`!.env`)."""


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file to be packed. `name` is its path below the root, with "/"."""

    name: str
    path: Path
    size_bytes: int
    executable: bool


def project_files(root: Path) -> Iterator[ProjectFile]:
    """Every file below `root` that is not ignored, in no particular order.

    Virtual environments are left out wherever they are. Links are followed while they stay inside. Raises
    BadPackage (no such folder, a link that leads out or in a circle, a name that is not UTF-8).
    """
    if not root.is_dir():
        raise BadPackage(f"there is no folder {root}", hint="name the folder that holds the flow's code")
    yield from _walk(root, root.resolve(), root, (root.resolve(),), _ignores(root))


def _ignores(root: Path) -> _Ignores:
    lines: list[str] = [*DEFAULT_IGNORES]
    for name in IGNORE_FILES:
        try:
            lines += (root / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise BadPackage(f"cannot read {root / name}: {error}") from error
    return _Ignores(lines)


class _Ignores:
    def __init__(self, lines: list[str]) -> None:
        from pathspec import GitIgnoreSpec

        try:
            self._spec = GitIgnoreSpec.from_lines(lines)
        except ValueError as error:
            raise BadPackage(
                f"an ignore file has a pattern that cannot be used: {error}", hint="see .heliostatignore"
            ) from error

    def match(self, name: str) -> bool:
        return self._spec.match_file(name)


def _walk(
    root: Path, real_root: Path, folder: Path, within: tuple[Path, ...], ignores: _Ignores
) -> Iterator[ProjectFile]:
    """`within`: the real paths of the enclosing folders, to detect a circle."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise BadPackage(
            f"cannot read {folder}: {error.strerror}", hint="mend that, or name it in .heliostatignore"
        ) from error
    for entry in entries:
        path = Path(entry.path)
        name = _name(path, root)
        if name in IGNORE_FILES:
            continue
        is_folder = entry.is_dir()
        if ignores.match(name + "/" if is_folder else name) or (is_folder and (path / "pyvenv.cfg").exists()):
            continue
        if is_folder:
            real = _inside(path, real_root, entry.is_symlink())
            if real in within:
                raise BadPackage(
                    f"the link {path} leads in a circle", hint="remove it, or name it in .heliostatignore"
                )
            yield from _walk(root, real_root, path, (*within, real), ignores)
        elif entry.is_file():  # not sockets or broken links
            _inside(path, real_root, entry.is_symlink())
            facts = entry.stat()
            yield ProjectFile(name, path, facts.st_size, bool(facts.st_mode & 0o100))


def _name(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadPackage(
            f"the name of {os.fsencode(path)!r} is not UTF-8",
            hint="rename it, or name it in .heliostatignore",
        ) from None
    if "\\" in name:
        raise BadPackage(f"the name of {path} has a backslash", hint="rename it")
    return name


def _inside(path: Path, real_root: Path, is_link: bool) -> Path:
    """The real path. A link must not lead out of the project: its target does not exist on the cluster."""
    real = path.resolve()
    if is_link and not real.is_relative_to(real_root):
        raise BadPackage(
            f"the link {path} leads out of the project, to {real}",
            hint="copy what it points to, or name it in .heliostatignore",
        )
    return real
