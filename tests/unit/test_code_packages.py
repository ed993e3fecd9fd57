"""Packing a project folder and unpacking it on another machine."""

from __future__ import annotations

import io
import os
import random
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heliostat.runtime.foundation.errors import BadPackage, PackageTooLarge
from heliostat.runtime.foundation.settings import override_settings
from heliostat.runtime.projects.code_packages import pack, revision_of, unpack_once

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Makes a folder with files: `project({"a.py": "x = 1"})`."""

    def make(files: dict[str, str | bytes], name: str = "project") -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return make


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


def a_zip(*entries: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return raw.getvalue()


def test_the_same_content_is_the_same_package_whatever_times_and_places(project: Project) -> None:
    files: dict[str, str | bytes] = {f"pkg/{i}.py": f"x = {i}" for i in range(20)}
    first = pack(project(files, "one"))
    shuffled = list(files.items())
    random.Random(1).shuffle(shuffled)
    other = project(dict(shuffled), "two")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    assert pack(other) == first
    assert first.file_count == 20 and first.revision == revision_of(first.content)


def test_the_revision_does_not_depend_on_the_compressor(project: Project) -> None:
    packed = pack(project({"a.py": "x = 1", "b/c.py": "y = 2"}))
    assert revision_of(a_zip(("b/c.py", b"y = 2"), ("a.py", b"x = 1"))) == packed.revision


@pytest.mark.parametrize(
    "changed", [{"a.py": "x = 2"}, {"a.py": "x = 1", "b.py": ""}, {"c.py": "x = 1"}, {"a": "", "py": "x = 1"}]
)
def test_any_change_is_another_revision(project: Project, changed: dict[str, str]) -> None:
    before = pack(project({"a.py": "x = 1"}, "one"))
    assert pack(project(dict(changed), "two")).revision != before.revision


def test_an_executable_file_stays_executable(project: Project, tmp_path: Path) -> None:
    root = project({"run.sh": "#!/bin/sh", "a.py": ""})
    plain = pack(root)
    (root / "run.sh").chmod(0o755)
    packed = pack(root)
    assert packed.revision != plain.revision
    unpacked = unpack_once(packed.revision, lambda _: packed.content, tmp_path / "cache")
    assert os.access(unpacked / "run.sh", os.X_OK) and not os.access(unpacked / "a.py", os.X_OK)


def test_files_that_are_no_code_are_left_out(project: Project) -> None:
    root = project(
        {
            "flow.py": "",
            ".git/config": "",
            "sub/__pycache__/flow.pyc": "",
            "web/node_modules/x/index.js": "",
            ".venv/lib/x.py": "",
            "my-env/pyvenv.cfg": "",
            "my-env/lib/x.py": "",
            ".env": "SECRET=1",
            "sub/data.csv": "",
        }
    )
    assert names(pack(root).content) == ["flow.py", "sub/data.csv"]


def test_ignore_files_leave_files_out_and_take_them_back_in(project: Project) -> None:
    root = project(
        {
            "flow.py": "",
            ".env": "X=1",
            "data/big.bin": "",
            "data/keep.csv": "",
            "notes/a.txt": "",
            "deep/notes/a.txt": "",
            ".prefectignore": "# of another tool\n/notes/\ndata/*\n",
            ".heliostatignore": "!data/keep.csv\n!.env\n",
        }
    )
    assert names(pack(root).content) == [".env", "data/keep.csv", "deep/notes/a.txt", "flow.py"]


def test_changing_an_ignore_file_alone_is_no_new_revision(project: Project) -> None:
    root = project({"flow.py": ""})
    before = pack(root).revision
    (root / ".heliostatignore").write_text("nothing\n")
    assert pack(root).revision == before


def test_a_folder_over_the_limit_is_refused_with_its_largest_entries(project: Project) -> None:
    root = project({"flow.py": "x", "data/a.bin": b"0" * 700, "data/b.bin": b"0" * 700, "c.bin": b"0" * 900})
    with pytest.raises(PackageTooLarge, match=r"Largest: data/ \(.*, c\.bin") as refused:
        pack(root, limit_bytes=2000)
    assert refused.value.largest[:2] == (("data/", 1400), ("c.bin", 900))
    assert refused.value.hint is not None and ".heliostatignore" in refused.value.hint
    with override_settings(code_package_limit_bytes=1), pytest.raises(PackageTooLarge):
        pack(root)
    assert pack(root, limit_bytes=2301).source_bytes == 2301
    with pytest.raises(PackageTooLarge):
        revision_of(pack(root).content, limit_bytes=100)


def test_links_inside_are_packed_as_what_they_point_to(project: Project) -> None:
    root = project({"real/a.py": "x = 1"})
    (root / "b.py").symlink_to("real/a.py")
    (root / "linked").symlink_to("real")
    (root / "dangling").symlink_to("nowhere")
    assert names(pack(root).content) == ["b.py", "linked/a.py", "real/a.py"]


def test_links_out_of_the_folder_or_in_a_circle_are_refused_unless_ignored(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    root = project({"flow.py": ""})
    for name, target in (("key", "../secret/key"), ("folder", "../secret"), ("round", ".")):
        (root / name).symlink_to(target)
        with pytest.raises(BadPackage, match=name):
            pack(root)
        with (root / ".heliostatignore").open("a") as file:
            file.write(f"{name}\n")
        assert names(pack(root).content) == ["flow.py"]


@pytest.mark.parametrize("make", ["missing", "file", "empty"])
def test_a_folder_without_files_is_refused(project: Project, make: str) -> None:
    root = project({"flow.py": ""} if make == "file" else {})
    folder = {"missing": root / "no", "file": root / "flow.py", "empty": root}[make]
    with pytest.raises(BadPackage):
        pack(folder)


def test_unpacking_gives_the_same_files_and_fetches_once(project: Project, tmp_path: Path) -> None:
    packed = pack(project({"a.py": "x = 1", "sub/ü.txt": "ä"}))
    fetched: list[str] = []

    def fetch(revision: str) -> bytes:
        fetched.append(revision)
        return packed.content

    cache = tmp_path / "cache"
    first = unpack_once(packed.revision, fetch, cache)
    assert unpack_once(packed.revision, fetch, cache) == first
    assert fetched == [packed.revision]
    assert (first / "a.py").read_text() == "x = 1" and pack(first).revision == packed.revision


def test_many_threads_unpack_one_package_once(project: Project, tmp_path: Path) -> None:
    packed = pack(project({f"{i}.py": "x" for i in range(50)}))
    fetched: list[str] = []

    def ask(_: int) -> int:
        def fetch(revision: str) -> bytes:
            fetched.append(revision)
            return packed.content

        return len(list(unpack_once(packed.revision, fetch, tmp_path / "cache").iterdir()))

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, range(16))) == {50}
    assert len(fetched) == 1


def test_many_processes_unpack_one_package_once(project: Project, tmp_path: Path) -> None:
    packed = pack(project({f"{i}.py": "x" for i in range(50)}))
    (tmp_path / "package.zip").write_bytes(packed.content)
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from heliostat.runtime.projects.code_packages import unpack_once\n"
        "here = Path(sys.argv[1])\n"
        "def fetch(revision):\n"
        "    (here / f'fetched-{os.getpid()}').touch()\n"
        "    return (here / 'package.zip').read_bytes()\n"
        "print(len(list(unpack_once(sys.argv[2], fetch, here / 'cache').iterdir())))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), packed.revision]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == ["50"] * 4
    assert len(list(tmp_path.glob("fetched-*"))) == 1


def test_a_failed_fetch_leaves_nothing_and_the_next_one_works(project: Project, tmp_path: Path) -> None:
    packed = pack(project({"a.py": "x"}))
    cache = tmp_path / "cache"

    def broken(revision: str) -> bytes:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        unpack_once(packed.revision, broken, cache)
    with pytest.raises(BadPackage, match="not revision"):
        unpack_once(packed.revision, lambda _: a_zip(("b.py", b"")), cache)
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    (cache / f".{packed.revision}-dead").mkdir()  # of a process that was killed
    assert unpack_once(packed.revision, lambda _: packed.content, cache).is_dir()
    assert {path.suffix for path in cache.iterdir()} == {".lock", ""}
    assert not list(cache.glob(".*-dead"))


@pytest.mark.parametrize("name", ["../a.py", "/a.py", "a/../../b", "C:/a.py", "a\\b.py", "a//b.py", "./a"])
def test_packages_that_would_write_outside_their_folder_are_refused(tmp_path: Path, name: str) -> None:
    content = a_zip((name, b"x"))
    with pytest.raises(BadPackage):
        revision_of(content)
    with pytest.raises(BadPackage):
        unpack_once("a" * 64, lambda _: content, tmp_path / "cache")
    assert [path.name for path in tmp_path.rglob("*.py")] == []


def test_bytes_that_are_no_package_are_refused(tmp_path: Path) -> None:
    link = a_zip(("link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777)
    packed = a_zip(("a.py", b"x" * 1000))
    for content in (b"", b"nonsense", link, packed[:-30], a_zip(("a.py", b"1")).replace(b"1", b"2", 1)):
        with pytest.raises(BadPackage):
            revision_of(content)
    for revision in ("", "../x", "A" * 64, "a" * 63):
        with pytest.raises(BadPackage):
            unpack_once(revision, lambda _: packed, tmp_path / "cache")
