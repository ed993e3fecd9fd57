"""Finished calls of a running pack, kept where they outlive the worker.

A pack answers once, at its end. So that a killed worker's finished calls need not run again, each outcome is
also copied into a memory-mapped file on the node: the page cache keeps it when the process dies. Whoever
started the pack reads it back (`salvage`); a node that is lost takes the file along, and then all of the pack
runs again.
"""

from __future__ import annotations

import logging
import mmap
import os
import pickle
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .outcomes import Outcome

_log = logging.getLogger("heliostat.internal.spool")
_HEADER = struct.Struct("<Ii")  # bytes written, position being executed (-1: none)
_ENTRY = struct.Struct("<II")  # position, length
_START_BYTES = 64 * 1024
_MAX_BYTES = 256 * 1024 * 1024  # beyond it outcomes are no longer spooled and a crash repeats them


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a dead worker left: the outcomes by position, and the position that it was at (None: unknown)."""

    outcomes: dict[int, Outcome]
    running: int | None


def folder() -> Path:
    """The node's spool folder of this user."""
    return Path(tempfile.gettempdir()) / f"heliostat-{os.getuid()}" / "spool"


class Spool:
    """The file of one pack; only this process writes it."""

    def __init__(self, pack_id: str) -> None:
        self._path = folder() / pack_id
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.ftruncate(self._file, _START_BYTES)
        self._map = mmap.mmap(self._file, _START_BYTES)
        self._end = _HEADER.size
        self._room = _START_BYTES
        self.starting(-1)

    def starting(self, position: int) -> None:
        """Note which call is being executed."""
        _HEADER.pack_into(self._map, 0, self._end, position)

    def finished(self, position: int, outcome: Outcome) -> None:
        """Keep the outcome of one call."""
        blob = pickle.dumps(tuple(outcome), 5)
        end = self._end + _ENTRY.size + len(blob)
        if end > self._room and not self._grow(end):
            return
        _ENTRY.pack_into(self._map, self._end, position, len(blob))
        self._map[self._end + _ENTRY.size : end] = blob
        self._end = end
        # The length goes last: a reader never sees half an entry.
        _HEADER.pack_into(self._map, 0, end, -1)

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
            os.ftruncate(self._file, room)
            self._map.resize(room)
        except OSError:
            return False
        self._room = room
        return True


def salvage(pack_id: str) -> Salvaged | None:
    """What is left of a pack on this node, and remove it; None where there is no such file."""
    path = folder() / pack_id
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    delete(pack_id)
    if len(data) < _HEADER.size:  # the worker died before it wrote anything
        return None
    end, running = _HEADER.unpack_from(data, 0)
    outcomes: dict[int, Outcome] = {}
    at = _HEADER.size
    try:
        while at < end:
            position, length = _ENTRY.unpack_from(data, at)
            at += _ENTRY.size
            outcomes[position] = Outcome(*pickle.loads(data[at : at + length]))
            at += length
    except Exception:  # a full disk, say: what cannot be read runs again
        _log.warning("the spool of pack %s can be read in part only", pack_id)
    return Salvaged(outcomes, running if running >= 0 else None)


def delete(pack_id: str) -> None:
    """Remove a pack's file on this node, if it is there."""
    (folder() / pack_id).unlink(missing_ok=True)
