"""Records that did not reach the server, kept in files under the home folder.

A process that leaves its run because the server is gone writes its unrecorded events here. When the run is
resumed on this machine, calls that had completed need not run again, and log lines are not lost.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from ..foundation.private_files import make_folder, open_private
from ..foundation.settings import home_folder
from ..records import LogBatch, LogLine, Record, TaskRunBatch

_log = logging.getLogger("heliostat.internal.unrecorded")
_DURABLE = ("none", "inline", "stored")  # kinds of values that outlive the process


@dataclass(frozen=True, slots=True)
class Completed:
    """A call that had completed, and its value."""

    start_s: float | None
    end_s: float | None
    run_count: int
    kind: str
    payload: bytes | None
    input_hash: bytes | None


@dataclass(slots=True)
class Left:
    """What an earlier execution of a run left unrecorded; calls by the task run's id as a number."""

    completed: dict[int, Completed] = field(default_factory=dict[int, Completed])
    lines: list[LogLine] = field(default_factory=list[LogLine])
    paths: list[Path] = field(default_factory=list[Path])


def folder() -> Path:
    """The folder of the files."""
    return home_folder() / "unrecorded"


def keep(records: Mapping[UUID, Sequence[Record]]) -> Path | None:
    """Write records of runs to files; returns the folder, or None without records. Raises OSError."""
    place = folder()
    kept = False
    for run_id, some in records.items():
        if not some:
            continue
        make_folder(place)
        _write(place / f"{run_id.hex}.{uuid4().hex}.records", some)
        kept = True
    return place if kept else None


def left_by(run_id: UUID) -> Left:
    """What the files hold of a run."""
    left = Left()
    for path in _files_of(run_id):
        left.paths.append(path)
        for record in _records_in(path):
            if isinstance(record, TaskRunBatch):
                left.completed.update(_completed_of(record))
            elif isinstance(record, LogBatch):
                left.lines += record.lines
    return left


def forget(paths: Sequence[Path]) -> None:
    """Remove files whose records are in the database by now."""
    for path in paths:
        path.unlink(missing_ok=True)


def forget_lines(paths: Sequence[Path]) -> None:
    """Remove the log lines from files once they are in the database, so that a second resume does not add
    them again. The calls stay until the run has completed.
    """
    for path in paths:
        records = _records_in(path)
        others = [record for record in records if not isinstance(record, LogBatch)]
        if len(others) == len(records):
            continue
        try:
            _write(path, others) if others else path.unlink(missing_ok=True)
        except OSError as error:  # such as a full disk: lines twice are better than none
            _log.warning("log lines of %s may be recorded twice: %s", path, error)


def _write(path: Path, records: Sequence[Record]) -> None:
    part = path.with_suffix(f".{uuid4().hex}.part")
    with open(part, "xb", opener=_for_us_alone) as file:
        pickle.dump(list(records), file, 5)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _records_in(path: Path) -> list[Record]:
    """The records in a file; none when it cannot be read (it is cut off, or of another version)."""
    try:
        return cast("list[Record]", pickle.loads(_own_bytes(path)))
    except Exception:
        _log.warning("%s cannot be read", path)
        return []


def _completed_of(batch: TaskRunBatch) -> Iterator[tuple[int, Completed]]:
    for position, index in enumerate(batch.indexes):
        kind = _at(batch.result_kinds, position)
        if _at(batch.state_types, position) == "COMPLETED" and kind in _DURABLE:
            yield (
                batch.site.base + index,
                Completed(
                    _at(batch.starts, position),
                    _at(batch.ends, position),
                    _at(batch.run_counts, position),
                    kind,
                    _at(batch.results, position),
                    _at(batch.input_hashes, position),
                ),
            )


def _at(column: Any, position: int) -> Any:
    """One entry of a column, which may be a scalar that stands for all entries."""
    if column is None or isinstance(column, (str, int, float)):
        return column
    return column[position]


def _files_of(run_id: UUID) -> list[Path]:
    place = folder()
    try:
        if place.stat().st_uid != os.getuid():  # its content would be unpickled
            return []
    except OSError:
        return []
    return sorted(place.glob(f"{run_id.hex}.*.records"), key=lambda path: path.stat().st_mtime)


def _own_bytes(path: Path) -> bytes:
    """The content of a file that belongs to this user and is no link. Raises OSError."""
    handle = open_private(path)
    if handle is None:
        raise PermissionError(f"{path} does not belong to this user alone")
    with open(handle, "rb") as file:
        return file.read()


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
