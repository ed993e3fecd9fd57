"""What digests of all kinds of values share: framed parts, the mode, and the protocol of a walk."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Protocol

DIGEST_BYTES = 20


class Mode(enum.Enum):
    """Which differences a digest must show."""

    DATA = "data"  # everything that a task could see of a value
    CODE = "code"  # what a task does: like DATA, without the state that its own code writes
    ORIGIN = (
        "origin"  # which task it is: code and constants; what can change counts by its type; never raises
    )


def digest_of(tag: str, *parts: bytes | memoryview) -> bytes:
    """The digest of a tag and parts, each framed by its length."""
    made = blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES)
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        made.update(b"\0" + size.to_bytes(8, "big"))
        made.update(part)
    return made.digest()


class Walk(Protocol):
    """What the digest of a value needs from the walk: the digests of the parts that it holds."""

    mode: Mode
    in_code: bool

    def of(self, value: Any) -> bytes: ...
    def remembered(self, value: Any, make: Callable[[], bytes]) -> bytes: ...
    def members(self, values: Iterable[Any]) -> bytes: ...
    def unordered(self, values: Iterable[Any]) -> bytes: ...
    def entries(self, pairs: Iterable[tuple[Any, Any]]) -> bytes: ...
