"""Storage for results that are too large for the database: a folder, or any place that fsspec reaches.

Keys are relative paths with "/"; writing a key again replaces its value as a whole, so a resend is harmless
and a reader never sees half a value.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from ..foundation.errors import ResultLost, StorageUnavailable, UserError
from ..foundation.private_files import FILE_MODE, FOLDER_MODE
from ..foundation.settings import home_folder

_READ_AT_ONCE = 4 * 1024 * 1024
_KEY = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*")


def result_key(flow_run_id: UUID, task_run_id: UUID) -> str:
    """The key of a task run's result: each flow run has a folder of 256 parts, so that none grows too
    large.
    """
    return f"{flow_run_id}/{task_run_id.hex[-2:]}/{task_run_id}"


def flow_result_key(flow_run_id: UUID) -> str:
    """The key of a flow run's own result."""
    return f"{flow_run_id}/result"


def cache_result_key(cache_key: str) -> str:
    """The storage key for a cache key's result, which all runs share; any text may be a cache key."""
    digest = sha256(cache_key.encode()).hexdigest()
    return f"cache/{digest[:2]}/{digest}"


class ResultStorage:
    """Bytes by key below one URL: a local path, `file://...`, or any URL that fsspec knows (`s3://bucket/x`).

    Every call raises StorageUnavailable when the storage does not answer, cannot write, or is full.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        folder = local_folder(url)
        self._place: _Place = _Folder(folder) if folder is not None else _Remote(url)

    def write(self, key: str, data: bytes) -> None:
        """Write a value, durable on return. Atomic: readers see the old value or the new one."""
        with self._telling("write", key):
            self._place.write(_checked(key), data)

    def read(self, key: str) -> bytes:
        """The bytes of `key`. Raises ResultLost when there are none."""
        with self._telling("read", key):
            try:
                return self._place.read(_checked(key))
            except (FileNotFoundError, NotADirectoryError) as error:
                raise ResultLost(
                    f"No result under {key!r} in {self.url}.",
                    hint="It was deleted, or written to another storage; run the task again.",
                ) from error

    def size(self, key: str) -> int | None:
        """The number of bytes of `key`; None when it has no value."""
        with self._telling("look at", key):
            try:
                return self._place.size(_checked(key))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def checksum(self, key: str) -> int | None:
        """The CRC-32 of the bytes; None where computing it would fetch them over a network."""
        with self._telling("read", key):
            return self._place.checksum(_checked(key))

    def delete(self, key: str) -> None:
        """Remove one value; harmless when there is none."""
        with self._telling("delete", key):
            self._place.delete(_checked(key))

    def delete_all(self, prefix: str) -> None:
        """Remove everything below the folder `prefix` (a flow run's id, say); harmless when it is empty."""
        with self._telling("delete", prefix):
            self._place.delete_all(_checked(prefix))

    def __repr__(self) -> str:
        return f"ResultStorage({self.url!r})"

    @contextmanager
    def _telling(self, verb: str, key: str) -> Generator[None]:
        try:
            yield
        except (UserError, ResultLost, StorageUnavailable):
            raise
        except Exception as error:  # fsspec's implementations raise errors of their own libraries
            raise StorageUnavailable(
                f"Cannot {verb} {key!r} in result storage {self.url}: {type(error).__name__}: {error}.",
                hint=_hint(error),
            ) from error


def storage_for(url: str) -> ResultStorage:
    """The storage at `url`; one object for each URL. A relative path is taken from the current folder."""
    return _storage_at(local_folder(url) or url)


@lru_cache(maxsize=64)
def _storage_at(url: str) -> ResultStorage:
    return ResultStorage(url)


class _Place(Protocol):
    def write(self, key: str, data: bytes) -> None: ...
    def read(self, key: str) -> bytes: ...
    def size(self, key: str) -> int | None: ...
    def checksum(self, key: str) -> int | None: ...
    def delete(self, key: str) -> None: ...
    def delete_all(self, prefix: str) -> None: ...


class _Folder:
    """A local folder, or one that several machines mount."""

    def __init__(self, root: str) -> None:
        self.root = root
        # Results are unpickled, so the home folder is private; other folders get the modes of their umask.
        is_own = Path(root).is_relative_to(home_folder())
        self._folder_mode, self._file_mode = (FOLDER_MODE, FILE_MODE) if is_own else (0o777, 0o666)

    def write(self, key: str, data: bytes) -> None:
        path = os.path.join(self.root, key)
        folder = os.path.dirname(path)
        self._make(folder)
        draft = os.path.join(folder, f".{uuid4().hex}.part")
        try:
            with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, self._file_mode)) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            with _ignoring_absence():
                os.unlink(draft)
            raise
        _sync_folder(folder)

    def read(self, key: str) -> bytes:
        with open(os.path.join(self.root, key), "rb") as file:
            return file.read()

    def size(self, key: str) -> int | None:
        found = os.stat(os.path.join(self.root, key))
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def checksum(self, key: str) -> int | None:
        found = 0
        with open(os.path.join(self.root, key), "rb") as file:
            while part := file.read(_READ_AT_ONCE):
                found = zlib.crc32(part, found)
        return found

    def delete(self, key: str) -> None:
        with _ignoring_absence():
            os.unlink(os.path.join(self.root, key))

    def delete_all(self, prefix: str) -> None:
        with _ignoring_absence():
            shutil.rmtree(os.path.join(self.root, prefix))

    def _make(self, folder: str) -> None:
        """Create a folder durably: a new entry is safe only when its parent is synced too."""
        if os.path.isdir(folder):
            return
        parent = os.path.dirname(folder)
        if parent != folder:
            self._make(parent)
        os.makedirs(folder, self._folder_mode, exist_ok=True)
        _sync_folder(parent)


class _Remote:
    """A place that fsspec reaches; object stores write a whole object or none."""

    def __init__(self, url: str) -> None:
        import fsspec.core  # late, and never for a local folder: it costs a tenth of a second

        self.protocol = url.split(":", 1)[0]
        try:
            self.files, root = cast("tuple[Any, str]", cast("Any", fsspec.core).url_to_fs(url))
        except (ImportError, ValueError) as error:
            raise StorageUnavailable(
                f"Cannot use result storage {url}: {error}.",
                hint=f"Install the package that fsspec needs for {self.protocol}:// (s3: s3fs, gs: gcsfs,"
                " abfs: adlfs) where the flow and its tasks run, and check the URL.",
            ) from error
        self.root = root.rstrip("/")

    def write(self, key: str, data: bytes) -> None:
        path = f"{self.root}/{key}"
        try:
            self.files.pipe_file(path, data)
        except FileNotFoundError:  # storage with real folders
            self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.files.pipe_file(path, data)

    def read(self, key: str) -> bytes:
        return self.files.cat_file(f"{self.root}/{key}")

    def size(self, key: str) -> int | None:
        path = f"{self.root}/{key}"
        self.files.invalidate_cache(path.rpartition("/")[0])  # another process may have written it since
        facts: dict[str, Any] = self.files.info(path)
        return None if facts.get("type") == "directory" else facts.get("size")

    def checksum(self, key: str) -> int | None:
        return None

    def delete(self, key: str) -> None:
        with _ignoring_absence():
            self.files.rm_file(f"{self.root}/{key}")

    def delete_all(self, prefix: str) -> None:
        with _ignoring_absence():
            self.files.rm(f"{self.root}/{prefix}", recursive=True)


@contextmanager
def _ignoring_absence() -> Generator[None]:
    try:
        yield
    except FileNotFoundError:
        pass


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def local_folder(url: str) -> str | None:
    """The absolute folder of a URL or path; None when it is not a local folder."""
    if url.startswith(("file://", "local://")):
        return os.path.abspath(unquote(urlsplit(url).path))
    if not os.path.isabs(url) and ("://" in url or "::" in url):
        return None
    return os.path.abspath(os.path.expanduser(url))


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key) or any(part.strip(".") == "" for part in key.split("/")):
        raise UserError(
            f"{key!r} cannot be a storage key.",
            hint="Use letters, digits and . _ = - in parts joined by /, none of them only dots.",
        )
    return key


def _hint(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: free some space or point result storage at another place."
    if isinstance(error, PermissionError):
        return "Give this user the right to read and write there, or choose another place."
    return "Check that the place exists, is reachable from this machine and that its credentials are set."
