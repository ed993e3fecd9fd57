"""Result storage keeps whole values, and says what is wrong when it cannot."""

import os
import subprocess
import sys
from uuid import UUID, uuid4

import pytest

from heliostat.runtime.foundation.errors import ResultLost, StorageUnavailable, UserError
from heliostat.runtime.values.storage import (
    ResultStorage,
    cache_result_key,
    flow_result_key,
    result_key,
    storage_for,
)


@pytest.fixture(params=["folder", "file", "fsspec"])
def storage(request, tmp_path):
    urls = {
        "folder": str(tmp_path / "results"),
        "file": f"file://{tmp_path}/with%20blank",
        "fsspec": f"memory://{uuid4().hex}",
    }
    return ResultStorage(urls[request.param])


def test_written_value_is_read_back_and_replaced_as_a_whole(storage):
    assert storage.size("run/ab/x") is None
    storage.write("run/ab/x", b"one")
    storage.write("run/ab/x", b"two, longer")
    assert storage.size("run/ab/x") is not None
    assert storage.read("run/ab/x") == b"two, longer"


def test_deleting_is_harmless_when_there_is_nothing(storage):
    storage.write("run/x", b"1")
    storage.delete("run/x")
    storage.delete("run/x")
    assert storage.size("run/x") is None


def test_everything_of_a_run_can_be_deleted_at_once(storage):
    storage.write("run/ab/x", b"1")
    storage.write("other/x", b"1")
    storage.delete_all("run")
    storage.delete_all("run")
    assert storage.size("run/ab/x") is None
    assert storage.size("other/x") is not None


def test_missing_value_is_a_lost_result(storage):
    with pytest.raises(ResultLost, match="nothing/here"):
        storage.read("nothing/here")


@pytest.mark.parametrize("key", ["", "/etc/x", "../x", "a/../x", "a//b", "a/.", "a\\b", "a b", "a\n"])
def test_keys_cannot_leave_the_storage(storage, key):
    with pytest.raises(UserError, match="storage key"):
        storage.write(key, b"")


def test_failed_write_leaves_the_old_value_and_no_draft(tmp_path, monkeypatch):
    storage = ResultStorage(str(tmp_path))
    storage.write("run/x", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable) as caught:
        storage.write("run/x", b"new")
    assert "full" in caught.value.hint
    assert storage.read("run/x") == b"old"
    assert os.listdir(tmp_path / "run") == ["x"]


def test_folder_that_cannot_be_made_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="file"):
        ResultStorage(str(tmp_path / "file")).write("run/x", b"1")


def test_url_of_an_unknown_kind_tells_what_to_install():
    with pytest.raises(StorageUnavailable, match="nosuch") as caught:
        ResultStorage("nosuch://bucket/x")
    assert "fsspec" in caught.value.hint


def test_local_folder_needs_no_fsspec(tmp_path):
    script = (
        "import sys\nfrom heliostat.runtime.values.storage import storage_for\n"
        f"s = storage_for({str(tmp_path)!r})\n"
        "s.write('a/b', b'1'); s.read('a/b'); s.size('a/b'); s.delete('a/b')\n"
        "assert 'fsspec' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_one_storage_object_a_url(tmp_path):
    assert storage_for(str(tmp_path)) is storage_for(str(tmp_path))


def test_keys_are_stable_distinct_and_valid(tmp_path):
    run, task = UUID(int=1), UUID(int=0xAB)
    keys = [result_key(run, task), flow_result_key(run), cache_result_key("any text / at all: ü")]
    assert keys[0] == f"{run}/ab/{task}"
    assert len(set(keys)) == 3
    for key in keys:
        ResultStorage(str(tmp_path)).write(key, b"1")
