"""The process's standard streams, which may be missing, closed, full or without a reader.

A failure to print for a person must not fail the work. Use `say` to print for a person.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

GONE = (OSError, ValueError, AttributeError)
"""What a write to a bad stream raises, in this order: full or no reader, closed, None."""


def occupy_missing() -> None:
    """Open /dev/null in place of descriptors 0 to 2 that are closed.

    The system gives the lowest free number to the next file that is opened. A database or socket with number
    2 would receive what C libraries and child processes write to stderr.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                # It gets this number, the lowest free one; child processes inherit it.
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def say(text: str) -> None:
    """Write a line to stderr for a person."""
    write_line(sys.stderr, text)


def write_line(stream: Any, text: str) -> None:
    """Write a line to a stream, or do nothing where that fails."""
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
