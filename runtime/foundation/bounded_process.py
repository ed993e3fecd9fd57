"""The process of `bounded_calls`, started with `python -m` and asked over its stdin.

It knows nothing of the server: its environment is nearly empty, and each question brings what a call needs.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import signal
import struct
import sys
from contextlib import suppress

from jinja2 import sandbox  # most calls need it: so it is there before their time counts

from .bounded_calls import DONE, FAILED, HEAD, MOST_CHARACTERS, READY, TOO_LONG

_MEMORY_BYTES = 512 * 1024 * 1024
_BEYOND_S = 2  # normally the asking process ends this one in time; the alarm helps when that process is gone


_TOLD_AS_THEY_ARE = (sandbox.__name__.partition(".")[0], __name__.partition(".")[0])


def main() -> int:
    """Answer questions until stdin is closed."""
    _bound_memory()
    asked, told = sys.stdin.buffer, os.dup(1)
    _say(told, READY, "")
    while head := asked.read(4):
        kind, answer = _answer(asked.read(struct.unpack("<I", head)[0]))
        signal.alarm(0)
        _say(told, kind, answer)
    return 0


def _answer(question: bytes) -> tuple[bytes, str]:
    try:
        function, args, within_s = pickle.loads(question)
        signal.alarm(math.ceil(within_s) + _BEYOND_S)  # SIGALRM ends the process
        answer = json.dumps(function(*args))
    except MemoryError:
        return FAILED, json.dumps({"text": "it takes too much memory", "hint": None})
    except Exception as error:
        is_told = type(error).__module__.partition(".")[0] in _TOLD_AS_THEY_ARE
        text = str(error) if is_told else repr(error)
        return FAILED, json.dumps({"text": text[:MOST_CHARACTERS], "hint": getattr(error, "hint", None)})
    return (DONE, answer) if len(answer) <= MOST_CHARACTERS else (TOO_LONG, "null")


def _bound_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _say(told: int, kind: bytes, answer: str) -> None:
    said = answer.encode()
    left = memoryview(HEAD.pack(kind, len(said)) + said)
    while left:
        left = left[os.write(told, left) :]


if __name__ == "__main__":
    sys.exit(main())
