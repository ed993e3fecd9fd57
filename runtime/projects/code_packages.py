"""A project folder as one package to send to a cluster, named by its content.

The revision is a hash of paths and contents, not of the archive's bytes: equal files give an equal revision,
whatever their times, the machine and the compressor.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from uuid import uuid4

from ..foundation.errors import BadPackage, NotFound, PackageTooLarge
from ..foundation.private_files import make_folder
from ..foundation.settings import current_settings
from .project_files import ProjectFile, project_files

try:
    import fcntl
except ImportError:  # Windows: several processes may unpack a package at once; one of them wins
    fcntl = None

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
_LARGEST_SHOWN = 5
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CodePackage:
    """A packed project. `content` is a zip file of `file_count` files with `source_bytes` before
    compression.
    """

    revision: str  # sha256, hexadecimal
    content: bytes
    file_count: int
    source_bytes: int


def pack(folder: Path | str, *, limit_bytes: int | None = None) -> CodePackage:
    """Pack a project folder, without what `.heliostatignore`, `.prefectignore` and DEFAULT_IGNORES name.

    Links to places inside the folder are packed as their targets. Raises BadPackage (no such folder, an empty
    one, a link that leads out) and PackageTooLarge (more than `limit_bytes` before compression; the default
    is the setting `code_package_limit_bytes`).
    """
    root = Path(folder).absolute()
    limit = current_settings().code_package_limit_bytes if limit_bytes is None else limit_bytes
    files = sorted(project_files(root), key=lambda file: file.name)
    if not files:
        raise BadPackage(
            f"there is nothing to pack in {root}",
            hint="name the project's folder, or look at .heliostatignore",
        )
    _check_size(root, files, limit)
    digest = _Digest()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            try:
                data = file.path.read_bytes()
            except OSError as error:
                raise BadPackage(
                    f"cannot read {file.path}: {error.strerror}",
                    hint="mend that, or name it in .heliostatignore",
                ) from error
            digest.add(file.name, file.executable, data)
            packed.writestr(_entry(file), data)
    return CodePackage(digest.revision(), archive.getvalue(), len(files), digest.size_bytes)


def revision_of(content: bytes, *, limit_bytes: int | None = None) -> str:
    """The revision of a packed project.

    Raises BadPackage when the content is not a package, or unsafe to unpack; PackageTooLarge when it holds
    more than `limit_bytes`.
    """
    digest = _Digest()
    with _opened(content) as archive:
        entries = _checked_entries(archive)
        total = sum(entry.file_size for entry in entries)
        if limit_bytes is not None and total > limit_bytes:
            raise _too_large(
                "the code package", total, limit_bytes, [(e.filename, e.file_size) for e in entries]
            )
        for entry in entries:
            digest.add(entry.filename, _is_executable(entry), archive.read(entry))
    return digest.revision()


def files_in(content: bytes) -> list[tuple[str, int]]:
    """The files of a packed project with their sizes in bytes. Raises BadPackage."""
    with _opened(content) as archive:
        return [(entry.filename, entry.file_size) for entry in _checked_entries(archive)]


def text_in(content: bytes, name: str, *, most_bytes: int) -> str | None:
    """A file of a packed project as text, up to so many bytes of it; None for one that is no text.

    Raises BadPackage, NotFound.
    """
    with _opened(content) as archive:
        if name not in archive.namelist():
            raise NotFound(f"the code package has no file {name!r}")
        with archive.open(name) as file:
            data = file.read(most_bytes)
    if b"\0" in data:
        return None
    return data.decode(errors="replace")


def unpack_once(revision: str, fetch: Callable[[str], bytes], cache: Path | None = None) -> Path:
    """The folder with that revision's files on this machine, fetched and unpacked if it does not exist.

    Many processes may call it at once: one of them calls `fetch(revision)`, and none sees half a folder. All
    runs of the revision share the folder. `cache` is by default `code` in the home folder. Raises BadPackage
    when the fetched content is not that revision, and what `fetch` raises.
    """
    if len(revision) != 64 or not set(revision) <= set("0123456789abcdef"):
        raise BadPackage(f"{revision!r} is not a revision of a code package")
    cache = cache or current_settings().home / "code"
    target = cache / revision
    if target.is_dir():
        return target
    make_folder(cache)
    with _alone(cache / f"{revision}.lock"):
        if not target.is_dir():
            _unpack_into(cache, target, revision, fetch(revision))
    return target


def _unpack_into(cache: Path, target: Path, revision: str, content: bytes) -> None:
    if (
        fcntl is not None
    ):  # this process holds the lock, so other scratch folders are left from dead processes
        for left in cache.glob(f".{revision}-*"):
            shutil.rmtree(left, ignore_errors=True)
    scratch = cache / f".{revision}-{uuid4().hex}"
    digest = _Digest()
    try:
        with _opened(content) as archive:
            for entry in _checked_entries(archive):
                data = archive.read(entry)
                digest.add(entry.filename, _is_executable(entry), data)
                path = scratch / entry.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                path.chmod(0o755 if _is_executable(entry) else 0o644)
        if digest.revision() != revision:
            raise BadPackage(
                f"the code package that was fetched is not revision {revision[:12]}",
                hint="deploy the code again",
            )
        try:
            scratch.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, with equal files
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class _Digest:
    """Computes a revision from files, which must be added in the order of their names."""

    def __init__(self) -> None:
        self._hash = sha256(b"heliostat code package 1\n")
        self.size_bytes = 0

    def add(self, name: str, executable: bool, data: bytes) -> None:
        encoded = name.encode()
        # Lengths first, so that no name or content can be confused with the beginning of another.
        self._hash.update(f"{len(encoded)} {int(executable)} {len(data)}\n".encode())
        self._hash.update(encoded)
        self._hash.update(data)
        self.size_bytes += len(data)

    def revision(self) -> str:
        return self._hash.hexdigest()


def _entry(file: ProjectFile) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(file.name, _EPOCH)
    entry.create_system = 3  # Unix, on every machine
    entry.external_attr = (stat.S_IFREG | (0o755 if file.executable else 0o644)) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _is_executable(entry: zipfile.ZipInfo) -> bool:
    return bool(entry.external_attr >> 16 & stat.S_IXUSR)


@contextmanager
def _opened(content: bytes) -> Generator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadPackage(f"this is not a code package: {error}", hint="deploy the code again") from error


def _checked_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files of an archive by name. Raises BadPackage unless all are plain files below its root, each
    once.
    """
    entries = sorted(archive.infolist(), key=lambda entry: entry.filename)
    seen: set[str] = set()
    for entry in entries:
        path = PurePosixPath(entry.filename)
        odd_kind = stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG)
        leads_out = path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in path.parts[0]
        if entry.is_dir() or odd_kind or leads_out or str(path) != entry.filename or entry.filename in seen:
            raise BadPackage(f"the code package has an entry that cannot be unpacked: {entry.filename!r}")
        seen.add(entry.filename)
    return entries


def _check_size(root: Path, files: list[ProjectFile], limit: int) -> None:
    total = sum(file.size_bytes for file in files)
    if total > limit:
        raise _too_large(str(root), total, limit, [(file.name, file.size_bytes) for file in files])


def _too_large(what: str, total: int, limit: int, files: list[tuple[str, int]]) -> PackageTooLarge:
    """The error that names the largest files and top folders, which are likely to be ignored."""
    sizes: dict[str, int] = {}
    for name, size in files:
        top, slash, _ = name.partition("/")
        sizes[top + slash] = sizes.get(top + slash, 0) + size
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:_LARGEST_SHOWN]
    shown = ", ".join(f"{name} ({_mib(size)})" for name, size in largest)
    error = PackageTooLarge(
        f"{what} is too large for a code package: {_mib(total)}, at most {_mib(limit)}. Largest: {shown}",
        hint="name what the code does not need in .heliostatignore, "
        "or raise HELIOSTAT_CODE_PACKAGE_LIMIT_BYTES",
    )
    error.largest = tuple(largest)
    return error


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


@contextmanager
def _alone(lock: Path) -> Generator[None]:
    """Lets one process of this machine in at a time; a process that dies releases the lock."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
