"""Folders and files that are for one user alone, and what another user of the machine can make of them.

The story: the home folder and its database had the modes that the umask gave, so that other users could read
passwords and results. The folder of finished calls was found by its name in the temporary folder, followed a
link that another user had made there first, and a resume unpickled what lay in it. Two containers that share
a home folder could write the encryption key at once, one over the other's. What is secret or unpickled is of
one user alone now, whatever was there before.
"""

from __future__ import annotations

import ast
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from heliostat.runtime.engine import spool
from heliostat.runtime.engine.outcomes import COMPLETED, Outcome
from heliostat.runtime.engine.spool import Spool
from heliostat.runtime.foundation import encryption
from heliostat.runtime.foundation.errors import BadSetting
from heliostat.runtime.foundation.ids import uuid7
from heliostat.runtime.foundation.private_files import (
    is_private,
    make_file,
    make_folder,
    make_own,
    open_private,
    shut,
)
from heliostat.runtime.foundation.profiles import create_profile
from heliostat.runtime.foundation.settings import override_settings, reload_settings
from heliostat.runtime.store.database.database import Database
from heliostat.runtime.values.storage import storage_for

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be two users")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


class Marks:
    """What an attacker leaves to be unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._marker),)


def planted(marker: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file of a pack whose first outcome does something when it is read."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(tempfile, "tempdir", str(marker.parent))
        written = Spool("planted")
        written.finished(0, Outcome(COMPLETED, 1.0, 2.0, 1, "inline", cast("bytes", Marks(marker)), b"h" * 8))
        written.close()
        return (spool.folder() / "planted").read_bytes()


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that everybody may write to, as /tmp is."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def kept(name: str = "pack") -> None:
    written = Spool(name)
    written.finished(0, Outcome(COMPLETED, 1.0, 2.0, 1, "inline", b"v", b"h" * 8))
    written.close()


async def test_what_is_made_in_the_home_folder_is_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        home = tmp_path / "deep" / "home"
        make_folder(home)
        monkeypatch.setenv("HELIOSTAT_HOME", str(home))
        reload_settings()
        create_profile("work")
        encryption.encrypted("open")
        storage_for(str(home / "results")).write("a/b", b"x")
        db = await Database.open(f"sqlite:///{home / 'heliostat.db'}")
        assert {path.name for path in home.glob("heliostat.db*")} == {
            f"heliostat.db{end}" for end in ("", "-wal", "-shm")
        }
        for path in (tmp_path / "deep", home, *home.rglob("*")):
            assert mode(path) == (0o700 if path.is_dir() else 0o600), path
        await db.close()
        storage_for(str(tmp_path / "shared")).write("a/b", b"x")
        assert mode(tmp_path / "shared" / "a" / "b") == 0o666, "a storage of many people has its own modes"
    finally:
        os.umask(before)


async def test_an_open_home_folder_is_closed_to_other_users(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for folder in (home / "servers", home / "results" / "deep"):
        folder.mkdir(parents=True)
    for name in ("heliostat.db", "heliostat.db-wal", "profiles.toml", "encryption.key", "servers/4200.log"):
        (home / name).write_text("x")
    (home / "mine.sh").write_text("x")
    (home / "mine.sh").chmod(0o755)
    (tmp_path / "elsewhere.db").write_text("x")
    (home / "linked.db").symlink_to(tmp_path / "elsewhere.db")
    told = shut(home)
    assert len(told) == 8 and all("had mode 07" in each or "had mode 06" in each for each in told)
    for name in ("", "servers", "results"):
        assert mode(home / name) == 0o700
    for name in ("heliostat.db", "heliostat.db-wal", "profiles.toml", "encryption.key", "servers/4200.log"):
        assert mode(home / name) == 0o600
    assert mode(home / "mine.sh") == 0o755 and mode(tmp_path / "elsewhere.db") == 0o644
    assert shut(home) == []


def test_a_folder_that_others_need_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home folder may be set to any folder: to the user's own home, or to /tmp."""
    home = tmp_path / "user"
    home.mkdir()
    home.chmod(0o755)
    (home / "heliostat.db").write_text("x")
    monkeypatch.setenv("HOME", str(home))
    assert len(shut(home)) == 1
    assert mode(home) == 0o755 and mode(home / "heliostat.db") == 0o600
    sticky = tmp_path / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    assert shut(sticky) == [] and mode(sticky) == 0o1777


async def test_a_database_elsewhere_keeps_the_group_that_writes_to_it(tmp_path: Path) -> None:
    for before, after in ((0o644, 0o600), (0o664, 0o660), (0o600, 0o600)):
        path = tmp_path / f"{before:o}.db"
        path.touch()
        path.chmod(before)
        await (await Database.open(f"sqlite:///{path}")).close()
        assert mode(path) == after


def test_finished_calls_are_kept_in_the_temporary_folder_of_the_node(shared: Path) -> None:
    kept()
    assert spool.folder() == shared / f"heliostat-{os.getuid()}" / "spool"
    assert mode(spool.folder().parent) == mode(spool.folder()) == 0o700
    found = spool.salvage("pack")
    assert found is not None and len(found.outcomes) == 1


def plant_a_link(place: Path, theirs: Path) -> None:
    (theirs / "spool").mkdir()
    place.symlink_to(theirs)


def plant_a_link_inside(place: Path, theirs: Path) -> None:
    place.mkdir(0o700)
    (place / "spool").symlink_to(theirs)
    (theirs / "spool").symlink_to(theirs)


def plant_a_file(place: Path, theirs: Path) -> None:
    place.write_text("mine")
    (theirs / "spool").mkdir()


@pytest.mark.parametrize("plant", [plant_a_link, plant_a_link_inside, plant_a_file])
def test_a_foreign_folder_in_place_of_ours_is_neither_read_nor_written(
    shared: Path, tmp_path: Path, heliostat_home: Path, plant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, marker, run_id = tmp_path / "theirs", tmp_path / "marker", uuid7()
    theirs.mkdir(0o700)
    plant(shared / f"heliostat-{os.getuid()}", theirs)
    name = spool.name_of(run_id, "a")
    for folder in (theirs, theirs / "spool"):
        (folder / name).write_bytes(planted(marker, monkeypatch))
    assert spool.left_by(run_id) == {} and spool.salvage(name) is None
    kept()
    assert (heliostat_home / "spool" / "pack").exists(), "the place under the home folder is as good"
    spool.forget(run_id)
    spool.sweep()
    assert not marker.exists() and (theirs / name).exists()


def test_only_files_of_this_user_are_read_from_its_folder(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may have been open to others before: what they put there stays what it is."""
    marker, run_id = tmp_path / "marker", uuid7()
    place = shared / f"heliostat-{os.getuid()}" / "spool"
    place.mkdir(parents=True)
    place.chmod(0o777)
    outside = tmp_path / "outside"
    outside.write_bytes(planted(marker, monkeypatch))
    names = [spool.name_of(run_id, end) for end in "abcd"]
    (place / names[0]).symlink_to(outside)
    os.link(outside, place / names[1])
    os.mkfifo(place / names[2])
    (place / names[3]).write_bytes(planted(marker, monkeypatch))
    (place / names[3]).chmod(0o666)
    assert spool.left_by(run_id) == {}
    for name in names:
        assert spool.salvage(name) is None
    assert not marker.exists() and mode(place) == 0o700


def test_a_temporary_folder_whose_entries_anybody_can_replace_is_not_used(
    shared: Path, heliostat_home: Path
) -> None:
    shared.chmod(0o777)
    kept()
    assert spool.folder() == heliostat_home / "spool"


def test_a_folder_that_was_tidied_away_is_made_again(shared: Path) -> None:
    kept()
    (spool.folder() / "pack").unlink()
    spool.folder().rmdir()
    kept()
    assert (spool.folder() / "pack").exists()


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users reach."""
    folder = Path(tempfile.mkdtemp(prefix="heliostat-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


PLANT = """
import os, shutil, sys
os.setgid(65534), os.setuid(65534)
os.makedirs(sys.argv[1], exist_ok=True)
shutil.copyfile(sys.argv[2], sys.argv[3])
"""


@as_root
@pytest.mark.parametrize("was_ours", [False, True])
def test_another_user_who_was_there_first_gets_nothing_run(
    open_to_all: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_ours: bool
) -> None:
    """With a process of that user: a folder of its own, or a file in ours from when it was open."""
    marker, run_id = tmp_path / "marker", uuid7()
    (open_to_all / "data").write_bytes(planted(marker, monkeypatch))
    (open_to_all / "tmp").mkdir()
    (open_to_all / "tmp").chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(open_to_all / "tmp"))
    place = open_to_all / "tmp" / "heliostat-0" / "spool"
    if was_ours:
        place.mkdir(parents=True)
        place.chmod(0o777)
    name = spool.name_of(run_id, "a")
    words = [sys.executable, "-c", PLANT, str(place), str(open_to_all / "data"), str(place / name)]
    subprocess.run(words, check=True, cwd="/")
    assert (place / name).stat().st_uid == NOBODY
    assert spool.left_by(run_id) == {} and spool.salvage(name) is None
    assert (spool.folder() == place) is was_ours
    assert not marker.exists()


@as_root
def test_a_folder_is_private_when_no_other_user_can_put_anything_into_it(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_own(folder)
    (tmp_path / "link").symlink_to(folder)
    assert not is_private(tmp_path / "link")
    os.chown(tmp_path / "a", NOBODY, NOBODY)
    assert not is_private(folder), "its owner can put another folder in its place"
    os.chown(tmp_path / "a", 0, 0)
    os.chown(folder, NOBODY, NOBODY)
    assert not is_private(folder) and not make_own(folder)
    make_file(tmp_path / "file")
    os.chown(tmp_path / "file", NOBODY, NOBODY)
    assert open_private(tmp_path / "file") is None and open_private(tmp_path / "none") is None


def test_those_who_make_the_key_at_once_get_one_key(tmp_path: Path) -> None:
    """Two containers have the same process id: a draft that is named by it was written by both."""
    home = tmp_path / "home"
    home.mkdir()
    script = (
        "import os, sys; os.getpid = lambda: 1\n"
        "from heliostat.runtime.foundation.encryption import encrypted\n"
        "print('ready', flush=True); sys.stdin.read(); print(encrypted('open'))"
    )
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "HELIOSTAT_HOME": str(home)}
    makers = [subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes) for _ in range(4)]
    for maker in makers:
        assert maker.stdout is not None and maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.close()
    told = [maker.stdout.read().strip() for maker in makers if maker.stdout is not None]
    assert [maker.wait() for maker in makers] == [0] * 4
    for maker in makers:
        assert maker.stdout is not None
        maker.stdout.close()
    with override_settings(home=str(home)):
        assert [encryption.decrypted(ast.literal_eval(each)) for each in told] == ["open"] * 4
    assert [path.name for path in home.iterdir()] == ["encryption.key"]


def test_a_key_is_made_where_files_cannot_be_linked(
    heliostat_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    assert encryption.decrypted(encryption.encrypted("open")) == "open"
    assert [path.name for path in heliostat_home.iterdir()] == ["encryption.key"]
    assert mode(heliostat_home / "encryption.key") == 0o600


def test_a_key_that_was_cut_short_is_refused(heliostat_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "_WRITTEN_WITHIN_S", 0.05)
    (heliostat_home / "encryption.key").write_text("half")
    with pytest.raises(BadSetting, match="holds no key"):
        encryption.encrypted("open")
