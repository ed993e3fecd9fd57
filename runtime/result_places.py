"""Where a stored result lies, as its run's record says it: for whoever reads it later, in another place."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .errors import ResultLost, StorageUnavailable
from .storage import local_folder, storage_for

_OURS = re.compile(r"[0-9a-f-]{36}/(result|[0-9a-f]{2}/[0-9a-f-]{36})|cache/[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """The storage's URL (a folder as an absolute path), the key in it, and the serializer of its bytes."""

    url: str
    key: str
    serializer: str
    host: str | None = None  # whose folder it is; None for storage that all machines reach

    def read(self) -> bytes:
        """Raises ResultLost, StorageUnavailable."""
        return storage_for(self.url).read(self.key)

    def exists(self) -> bool:
        return storage_for(self.url).exists(self.key)

    def is_a_results(self) -> bool:
        """Whether the key is such as results have, so that nothing else can be read by it."""
        return _OURS.fullmatch(self.key) is not None

    def __str__(self) -> str:
        return f"{self.url}/{self.key}" + (f" on {self.host}" if self.host else "")


def recorded(url: str, key: str, serializer: str) -> bytes:
    """What the record says of a result. The password of a URL is not in it: whoever reads has its own."""
    folder = local_folder(url)
    host = None if folder is None else platform.node()
    facts = {"url": folder or _without_password(url), "key": key, "serializer": serializer, "host": host}
    return json.dumps({name: value for name, value in facts.items() if value}).encode()


def place_of(record: bytes, url: str, serializer: str) -> ResultPlace:
    """What `recorded` was told; for records that hold a key alone, with the reader's url and serializer."""
    if not record.startswith(b"{"):
        return ResultPlace(url, record.decode(), serializer)
    facts: dict[str, Any] = json.loads(record)
    is_the_readers = facts["url"] == _without_password(url)
    return ResultPlace(
        url if is_the_readers else facts["url"], facts["key"], facts["serializer"], facts.get("host")
    )


def found_place(record: bytes, url: str, serializer: str) -> ResultPlace | None:
    """Where the result is now: where it was written, or under its key in the reader's own storage."""
    place, unreachable = place_of(record, url, serializer), None
    for each in (place, ResultPlace(url, place.key, place.serializer)):
        try:
            if each.exists():
                return each
        except StorageUnavailable as error:
            unreachable = unreachable or error
    if unreachable is not None:
        raise unreachable
    return None


def lost(place: ResultPlace) -> ResultLost:
    """The error for a result that is not to be had."""
    return ResultLost(
        f"The result lies in {place}, and there is none to be read from here.",
        hint="Read it on a machine that reaches that place, or set result_storage to one that all reach.",
    )


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
