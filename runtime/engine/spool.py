"""Finished calls of a running pack, kept where they outlive the worker.

A pack answers once, at its end. So that a killed worker's finished calls need not run again, each outcome is
also copied into a memory-mapped file on the node: the page cache keeps it when the process dies. The
driver reads it back (`salvage`), or a process that resumes the run (`left_by`). When the node is lost, so is
the file, and all of the pack runs again.

A worker holds a lock on the file while it has it open, so that files of processes that are gone can be told.

What is read back is unpickled: so folder and files must be of this user alone. The folder is in the node's
temporary folder, for it is written to often and belongs to the node: a home folder may be on another machine.
Where somebody else has put something in that place it is in the home folder.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import pickle
import struct
import tempfile
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from ..foundation import clock
from ..foundation.private_files import make_own, open_private
from ..foundation.settings import home_folder
from .outcomes import COMPLETED, Outcome

_log = logging.getLogger("heliostat.internal.spool")
_HEADER = struct.Struct("<Ii16s")  # bytes written, position being executed (-1: none), base of the ids
_ENTRY = struct.Struct("<IIQ")  # position in the pack, length, index at the call site
_DURABLE = ("none", "inline", "stored")  # values that are not gone with the worker
_SWEPT_AFTER_S = 3600.0
_WRITING = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_START_BYTES = 64 * 1024
_MAX_BYTES = 256 * 1024 * 1024  # beyond it outcomes are no longer spooled and a crash repeats them


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a dead worker left: the outcomes by position, and the position that it was at (None: unknown)."""

    outcomes: dict[int, Outcome]
    running: int | None


def folder() -> Path:
    """The node's spool folder of this user, in which nobody else can have put anything.

    Raises PermissionError where there is no such place.
    """
    return _checked_folder(tempfile.gettempdir(), home_folder())


@lru_cache(maxsize=8)
def _checked_folder(temporary: str, home: Path) -> Path:
    # Once it is this user's alone nobody else can change that, so one look a process is enough.
    own = Path(temporary).resolve() / f"heliostat-{os.getuid()}"
    if make_own(own) and make_own(own / "spool"):
        return own / "spool"
    other = home.resolve() / "spool"
    if make_own(home.resolve()) and make_own(other):
        _log.warning("%s is not of this user alone: finished calls of packs are kept in %s", own, other)
        return other
    raise PermissionError(f"{own} and {other} can be changed by others")


def name_of(flow_run_id: UUID, pack_id: str) -> str:
    """The name of a pack's file."""
    return f"{flow_run_id.hex}.{pack_id}"


class Spool:
    """The file of one pack; only this process writes it. `base` is that of the ids of its task runs.

    Raises OSError where there is no room for it.
    """

    def __init__(self, name: str, base: int = 0) -> None:
        self._base = base.to_bytes(16, "big")
        self._path = folder() / name
        try:
            self._file = os.open(self._path, _WRITING, 0o600)
        except FileNotFoundError:  # the folder was removed
            _checked_folder.cache_clear()
            self._path = folder() / name
            self._file = os.open(self._path, _WRITING, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _make_room(self._file, _START_BYTES)
            self._map = mmap.mmap(self._file, _START_BYTES)
        except OSError:
            os.close(self._file)
            self.delete()
            raise
        self._end = _HEADER.size
        self._room = _START_BYTES
        self.starting(-1)

    def starting(self, position: int) -> None:
        """Note which call is being executed."""
        _HEADER.pack_into(self._map, 0, self._end, position, self._base)

    def finished(self, position: int, outcome: Outcome, index: int = 0) -> None:
        """Keep the outcome of one call; `index` is its number at the call site."""
        blob = pickle.dumps(tuple(outcome), 5)
        end = self._end + _ENTRY.size + len(blob)
        if end > self._room and not self._grow(end):
            return
        _ENTRY.pack_into(self._map, self._end, position, len(blob), index)
        self._map[self._end + _ENTRY.size : end] = blob
        self._end = end
        # The length goes last: a reader never sees half an entry.
        _HEADER.pack_into(self._map, 0, end, -1, self._base)

    def close(self) -> None:
        self._map.close()
        os.close(self._file)

    def delete(self) -> None:
        """Remove the file of a pack whose answer has arrived."""
        delete(self._path.name)

    def _grow(self, needed: int) -> bool:
        room = self._room
        while room < needed:
            room *= 4
        if room > _MAX_BYTES:
            return False
        try:
            _make_room(self._file, room)
            self._map.resize(room)
        except OSError:
            return False
        self._room = room
        return True


def _make_room(file: int, size_bytes: int) -> None:
    # Room that a full disk cannot give when it is written to would end the process.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size_bytes)
    else:
        os.ftruncate(file, size_bytes)


def salvage(name: str) -> Salvaged | None:
    """What is left of a pack on this node, and remove it; None where there is no such file."""
    data = _read(name)
    delete(name)
    if data is None or len(data) < _HEADER.size:  # the worker died before it wrote anything
        return None
    _, running, _ = _HEADER.unpack_from(data, 0)
    outcomes = {position: outcome for position, _, outcome in _entries(name, data)}
    return Salvaged(outcomes, running if running >= 0 else None)


def left_by(flow_run_id: UUID) -> dict[int, Outcome]:
    """What an earlier execution of a run had completed on this node, reported or not, by the task run's id as
    a number.
    """
    found: dict[int, Outcome] = {}
    for path in _files_of(flow_run_id):
        data = _read(path.name)
        if data is None or len(data) < _HEADER.size:
            continue
        base = int.from_bytes(_HEADER.unpack_from(data, 0)[2], "big")
        for _, index, outcome in _entries(path.name, data):
            if outcome.status == COMPLETED and outcome.kind in _DURABLE:
                found[base + index] = outcome
    return found


def forget(flow_run_id: UUID) -> None:
    """Remove the files of a run that has completed."""
    for path in _files_of(flow_run_id):
        path.unlink(missing_ok=True)


def delete(name: str) -> None:
    """Remove a pack's file on this node, if it is there."""
    with suppress(OSError):
        (folder() / name).unlink(missing_ok=True)


def sweep() -> None:
    """Remove old files of processes that are gone."""
    old = clock.epoch_s() - _SWEPT_AFTER_S
    with suppress(OSError):
        for path in folder().iterdir():
            with suppress(OSError):  # somebody else was faster, or a process still writes to it
                if path.stat().st_mtime < old:
                    file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        path.unlink()
                    finally:
                        os.close(file)


def _files_of(flow_run_id: UUID) -> list[Path]:
    try:
        return list(folder().glob(f"{flow_run_id.hex}.*"))
    except OSError:
        return []


def _read(name: str) -> bytes | None:
    """What a file holds; None where there is none of this user's alone."""
    try:
        file = open_private(folder() / name)
    except PermissionError:
        return None
    if file is None:
        return None
    with os.fdopen(file, "rb") as opened:
        return opened.read()


def _entries(name: str, data: bytes) -> Generator[tuple[int, int, Outcome]]:
    """Position, index and outcome of every call that a file knows."""
    end, _, _ = _HEADER.unpack_from(data, 0)
    at = _HEADER.size
    try:
        while at < end:
            position, length, index = _ENTRY.unpack_from(data, at)
            at += _ENTRY.size
            yield position, index, Outcome(*pickle.loads(data[at : at + length]))
            at += length
    except Exception:  # a full disk, say: what cannot be read runs again
        _log.warning("the spool %s can be read in part only", name)
