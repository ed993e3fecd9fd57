"""What a worker leaves behind of a pack, also when it was stopped in the middle of writing."""

from __future__ import annotations

import errno
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from heliostat.runtime.engine import spool
from heliostat.runtime.engine.outcomes import COMPLETED, FAILED, Extra, Outcome
from heliostat.runtime.engine.spool import Spool, salvage
from heliostat.runtime.foundation.ids import uuid7


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path / f"heliostat-{os.getuid()}" / "spool"


def _outcome(payload: bytes = b"v") -> Outcome:
    return Outcome(COMPLETED, 1.0, 2.0, 1, "inline", payload, b"h" * 8)


def test_finished_calls_and_the_running_one_are_salvaged_once() -> None:
    written = Spool("pack")
    written.starting(0)
    written.finished(0, _outcome(b"a"))
    failed = Outcome(FAILED, 1.0, 2.0, 2, None, b"shipped", None, Extra("no", {"type": "E"}))
    written.finished(3, failed)
    written.starting(4)
    left = salvage("pack")
    assert left is not None
    assert left.outcomes == {0: _outcome(b"a"), 3: failed} and left.running == 4
    assert salvage("pack") is None, "the file is removed"
    written.close()


def test_between_two_calls_none_is_running() -> None:
    written = Spool("pack")
    written.starting(0)
    written.finished(0, _outcome())
    left = salvage("pack")
    assert left is not None and left.running is None


def test_a_pack_that_had_not_begun_leaves_nothing() -> None:
    Spool("pack")
    left = salvage("pack")
    assert left is not None and left.outcomes == {} and left.running is None
    assert salvage("another") is None


def test_an_entry_whose_writing_was_cut_short_is_not_there(_folder: Path) -> None:
    written = Spool("pack")
    written.finished(0, _outcome(b"whole"))
    end = struct.unpack_from("<I", (_folder / "pack").read_bytes())[0]
    written.starting(1)
    written.finished(1, _outcome(b"half"))
    written.close()
    # As if the process had died before the last step, which moves the end of what counts.
    with open(_folder / "pack", "r+b") as file:
        file.write(struct.pack("<Ii", end, 1))
        file.seek(end + 9)
        file.write(os.urandom(16))
    left = salvage("pack")
    assert left is not None and left.outcomes == {0: _outcome(b"whole")} and left.running == 1


@pytest.mark.parametrize(
    "data", [b"", b"\x01\x02", struct.pack("<Ii", 4_000, 2), struct.pack("<Ii", 40, -1) + b"x" * 32]
)
def test_a_damaged_spool_file_counts_as_empty(_folder: Path, data: bytes) -> None:
    _folder.mkdir(parents=True)
    (_folder / "pack").write_bytes(data)
    left = salvage("pack")
    assert left is None or left.outcomes == {}
    assert not (_folder / "pack").exists()


def test_a_spool_grows_with_what_is_written_and_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_MAX_BYTES", 300_000)
    written = Spool("pack")
    for position in range(40):
        written.finished(position, _outcome(bytes(10_000)))
    left = salvage("pack")
    assert left is not None and 20 <= len(left.outcomes) < 40
    assert sorted(left.outcomes) == list(range(len(left.outcomes)))


def test_an_answered_pack_leaves_no_file(_folder: Path) -> None:
    written = Spool("pack")
    written.close()
    written.delete()
    assert list(_folder.iterdir()) == []
    spool.delete("pack")


def test_a_resumed_run_finds_what_its_workers_had_completed() -> None:
    run_id, other = uuid7(), uuid7()
    base = 7 << 64
    first, second = Spool(spool.name_of(run_id, "a"), base), Spool(spool.name_of(run_id, "b"), base)
    foreign = Spool(spool.name_of(other, "a"), base)
    first.finished(0, _outcome(b"ten"), 10)
    first.finished(1, Outcome(FAILED, 1.0, 2.0, 1, None, b"shipped"), 11)
    second.finished(0, Outcome(COMPLETED, 1.0, 2.0, 1, "memory", None), 20)
    second.finished(1, _outcome(b"twenty-one"), 21)
    foreign.finished(0, _outcome(b"foreign"), 30)
    assert spool.left_by(run_id) == {base + 10: _outcome(b"ten"), base + 21: _outcome(b"twenty-one")}
    spool.forget(run_id)
    assert spool.left_by(run_id) == {}
    assert len(spool.left_by(other)) == 1


def test_only_old_files_of_processes_that_are_gone_are_swept(_folder: Path) -> None:
    for name in ("gone and old", "gone and new"):
        Spool(name).close()
    still = Spool("still written")
    for name in ("gone and old", "still written"):
        os.utime(_folder / name, (1, 1))
    spool.sweep()
    assert sorted(path.name for path in _folder.iterdir()) == ["gone and new", "still written"]
    still.close()


def test_a_full_disk_is_reported_when_a_spool_begins(_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        Spool("pack")
    assert list(_folder.iterdir()) == []
