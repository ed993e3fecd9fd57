"""Where a stored result is, as a run's record tells a later reader, who may be on another machine."""

from __future__ import annotations

import json
import platform
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..foundation.errors import ResultLost, StorageUnavailable, UserError
from .serializers import serializer_named
from .storage import local_folder, storage_for

_OURS = re.compile(r"[0-9a-f-]{36}/(result|[0-9a-f]{2}/[0-9a-f-]{36})|cache/[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ResultPlace:
    """The storage's URL (a folder as an absolute path), the key in it, and the serializer of its bytes."""

    url: str
    key: str
    serializer: str
    host: str | None = None  # the machine that has the folder; None for storage that all machines reach
    size: int | None = None  # the number of bytes, and their CRC-32; None in records of earlier versions
    crc: int | None = None

    def read(self) -> bytes:
        """Raises ResultLost, StorageUnavailable."""
        return storage_for(self.url).read(self.key)

    def is_whole(self) -> bool:
        """Whether exactly the bytes that were written are there."""
        storage = storage_for(self.url)
        size = storage.size(self.key)
        if not size or self.size not in (None, size):
            return False
        return self.crc is None or storage.checksum(self.key) in (None, self.crc)

    def recorded(self) -> bytes:
        """The place as bytes for a run's record, without the password of its URL: each reader has its own."""
        folder = local_folder(self.url)
        facts = {
            "url": folder or _without_password(self.url),
            "key": self.key,
            "serializer": self.serializer,
            "host": None if folder is None else platform.node(),
            "size": self.size,
            "crc": self.crc,
        }
        return json.dumps({name: value for name, value in facts.items() if value is not None}).encode()

    def is_a_results(self) -> bool:
        """Whether the key has the form of result keys, so that nothing else can be read with it."""
        return _OURS.fullmatch(self.key) is not None

    def __str__(self) -> str:
        return f"{self.url}/{self.key}" + (f" on {self.host}" if self.host else "")


def recorded(url: str, key: str, serializer: str, data: bytes) -> bytes:
    """The place, as bytes for a run's record, of a result whose bytes were just written."""
    return ResultPlace(url, key, serializer, None, len(data), zlib.crc32(data)).recorded()


def place_of(record: bytes, url: str, serializer: str) -> ResultPlace:
    """The place in a record; a record that holds only a key gets the reader's url and serializer."""
    if not record.startswith(b"{"):
        return ResultPlace(url, record.decode(), serializer)
    facts: dict[str, Any] = json.loads(record)
    if not all(isinstance(facts[name], str) for name in ("url", "key", "serializer")):
        raise ValueError(f"this is not the record of a result: {record[:200]!r}")
    is_the_readers = facts["url"] == _without_password(url)
    return ResultPlace(
        url if is_the_readers else facts["url"],
        facts["key"],
        facts["serializer"],
        facts.get("host"),
        facts.get("size"),
        facts.get("crc"),
    )


def found_place(record: bytes, url: str, serializer: str) -> ResultPlace | None:
    """Where the result is now: at its recorded place, or under its key in the reader's own storage.

    None when it is gone or damaged, or the record is malformed: then the result must be computed again.
    """
    try:
        place, unreachable = place_of(record, url, serializer), None
        serializer_named(place.serializer)
    except (ValueError, KeyError, TypeError, AttributeError, UserError):
        return None
    for each in (place, replace(place, url=url, host=None)):
        try:
            if each.is_whole():
                return each
        except UserError:  # the key or the address is malformed
            continue
        except StorageUnavailable as error:
            unreachable = unreachable or error
    if unreachable is not None:
        raise unreachable
    return None


def lost(place: ResultPlace) -> ResultLost:
    """The error for a result that cannot be read."""
    return ResultLost(
        f"The result lies in {place} and cannot be read from here.",
        hint="Read it on a machine that reaches that place, or set result_storage to a shared one.",
    )


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
