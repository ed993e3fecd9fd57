"""Folders and files for one user alone: the home folder, and places that its processes trust.

The home folder holds passwords, the encryption key and results that are unpickled: it has mode 0700 and its
files 0600, whatever the umask. A place is trusted when no other user can have put anything there: its folders
belong to this user or to root, no other user may write to them, and no other user's link leads there.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600

_OURS = ("*.db", "*.db-wal", "*.db-shm", "profiles.toml*", "*.key", "servers", "servers/*", "results", "code")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_PASSING = stat.S_IXGRP | stat.S_IXOTH


def make_folder(folder: Path) -> Path:
    """The folder, made with its missing parents for this user alone; an existing folder is not changed."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        with suppress(FileExistsError):  # another process was faster, or a file is in the way
            folder.mkdir(FOLDER_MODE)
    return folder


def make_file(path: Path) -> None:
    """Make an empty file for this user alone, unless it exists."""
    make_folder(path.parent)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def make_once(path: Path, content: bytes) -> None:
    """Make a file with that content for this user alone, unless it exists; of several makers one wins.

    A reader sees the whole file or none. On a file system without links it may see the beginning only.
    """
    make_folder(path.parent)
    # A random name: process ids are not unique when several containers share the folder.
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        _write(handle, content)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            with suppress(FileExistsError):
                _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), content)
    finally:
        os.unlink(draft)


def shut(home: Path) -> list[str]:
    """Close an existing home folder, and Heliostat's files in it, to other users; returns a line for each
    change.

    A folder that other users need for something else stays open: only Heliostat's files in it are closed.
    """
    if not hasattr(os, "getuid"):
        return []
    home = home.resolve()
    found: list[str] = []
    if not _is_needed_by_others(home):
        # Root's embedded Postgres runs as another user, who must pass through to its data.
        found.append(_shut(home, _PASSING if _is_of_another(home / "postgres") else 0))
    found += [_shut(path) for pattern in _OURS for path in sorted(home.glob(pattern))]
    return [each for each in found if each]


def shut_database(path: Path, home: Path) -> None:
    """Close a database's files to other users. Outside the home folder a group that may write keeps its
    access.

    SQLite creates its other files with the mode of the database file.
    """
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(OSError):
            shared = each.parent != home and each.stat().st_mode & stat.S_IWGRP
            _shut(each, stat.S_IRWXG if shared else 0)


def make_own(folder: Path) -> bool:
    """Make a folder for this user alone, or close an existing one to others; True if it is private now."""
    with suppress(OSError):
        make_folder(folder)
        about = os.lstat(folder)
        if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and about.st_mode & _OTHERS:
            os.chmod(folder, FOLDER_MODE)
        return is_private(folder)
    return False


def is_private(folder: Path) -> bool:
    """Whether nobody but this user and root can have put anything into that folder.

    A private folder is no link, belongs to this user, is closed to others, and none of the folders above it
    can be replaced by others.
    """
    try:
        own = os.lstat(folder)
        if not stat.S_ISDIR(own.st_mode) or own.st_uid != os.getuid() or own.st_mode & _OTHERS:
            return False
        return all(_is_steady(each) for each in folder.parents)
    except OSError:
        return False


def open_private(path: Path) -> int | None:
    """Open a file of this user alone for reading; None for a link, or a file that others can write to."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    about = os.fstat(file)
    writable = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISREG(about.st_mode) and about.st_uid == os.getuid() and about.st_nlink == 1 and not writable:
        return file
    os.close(file)
    return None


def _write(handle: int, content: bytes) -> None:
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_steady(folder: Path) -> bool:
    """Whether other users cannot replace what this user or root has in a folder."""
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid not in (0, os.getuid()):
        return False
    return not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or bool(about.st_mode & stat.S_ISVTX)


def _shut(path: Path, keeps: int = 0) -> str:
    """Close a file or folder to others, except for the mode bits in `keeps`; returns a line for people."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    before = stat.S_IMODE(mode)
    wanted = before & ~(_OTHERS & ~keeps)
    if stat.S_ISLNK(mode) or wanted == before:
        return ""
    try:
        os.chmod(path, wanted)
    except OSError as error:
        return f"{path} has mode {before:04o}, which cannot be changed: {error.strerror}"
    return f"{path} had mode {before:04o}, which is {wanted:04o} now"


def _is_needed_by_others(folder: Path) -> bool:
    if os.lstat(folder).st_mode & stat.S_ISVTX:
        return True
    needed = (Path.home(), Path(sys.prefix))
    return any(each.is_relative_to(folder) for each in needed)


def _is_of_another(path: Path) -> bool:
    with suppress(OSError):
        return os.lstat(path).st_uid != os.getuid()
    return False
