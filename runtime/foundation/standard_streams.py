"""The process's standard streams, which may be missing, closed, full or without a reader.

Nothing that is printed for a person may fail what is being done. Whoever writes for a person uses `say`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

GONE = (OSError, ValueError, AttributeError)
"""What writing to such a stream raises: no room or reader, closed, and None where there is none."""


def occupy_missing() -> None:
    """Open /dev/null in place of descriptors 0 to 2 that are closed.

    The system gives the lowest free number to what is opened next. A database or a socket under the number 2
    would get what C libraries and child processes write to stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                # It gets this number, the lowest one that is free; children are to find it, too.
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def say(text: str) -> None:
    """Write a line to stderr for a person."""
    write_line(sys.stderr, text)


def write_line(stream: Any, text: str) -> None:
    """Write a line to a stream and do nothing where that is not possible."""
    with suppress(*GONE):
        try:
            stream.write(text + "\n")
        except UnicodeError:
            stream.write(text.encode("ascii", "backslashreplace").decode() + "\n")
        stream.flush()


@contextmanager
def stderr_present() -> Generator[None]:
    """Within the block there is a `sys.stderr` with a descriptor, which some libraries need to start."""
    before = sys.stderr
    try:
        before.fileno()
    except GONE:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (who has taken it may go on using it)
    try:
        yield
    finally:
        sys.stderr = before


def is_terminal(stream: Any) -> bool:
    """Whether a person looks at the stream."""
    try:
        return bool(stream.isatty())
    except GONE:
        return False
