"""Calls that fill users' templates, each in a separate process with bounds on time, memory and output size.

A sandbox hides from a template what it must not see, but cannot stop it from running for ever or filling the
memory, and a thread cannot be killed. So child processes make the calls, each process one call at a time. A
process whose call takes too long is killed, and the next call gets a new process. The server's event loop
never waits.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import clock
from .errors import BeyondBounds, CallFailed

WITHIN_S = 5.0
"""Time limit of one call."""
MOST_CHARACTERS = 1_000_000
"""Size limit of the value that a call returns, as JSON."""

HEAD = struct.Struct("<cI")  # kind and length of what the process says
READY, DONE, FAILED, TOO_LONG = b"R", b"D", b"F", b"L"

_AT_ONCE = 4
_BEGINS_WITHIN_S = 60.0  # the process imports its modules, perhaps on a busy machine
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
_HINT = f"the limits are {WITHIN_S:g} s and {MOST_CHARACTERS:,} characters: make it simpler"


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a module's function in a bounded process and return its value as JSON data. Arguments are pickled.

    Raises CallFailed with the function's own error, or BeyondBounds when a limit is passed.
    """
    question = pickle.dumps((function, args, WITHIN_S), 5)
    return await asyncio.get_running_loop().run_in_executor(_threads, _ask, question)


class _Process:
    """A child process that makes calls. It ends when this process ends, or at `close`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.bounded_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
        self.is_usable = False
        try:
            self._answer(_BEGINS_WITHIN_S)
        except BaseException:
            self.close()
            raise

    def ask(self, question: bytes) -> Any:
        """Raises CallFailed or BeyondBounds; `is_usable` says whether the process can take another call."""
        self.is_usable = False
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack("<I", len(question)) + question)
            self._process.stdin.flush()
        except OSError as error:
            raise BeyondBounds("the process of the call has ended", hint="try it again") from error
        kind, answer = self._answer(WITHIN_S)
        if kind == TOO_LONG:
            raise BeyondBounds(f"it becomes longer than {MOST_CHARACTERS:,} characters", hint=_HINT)
        said = json.loads(answer)
        if kind == FAILED:
            raise CallFailed(said["text"], hint=said["hint"])
        return said

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _answer(self, within_s: float) -> tuple[bytes, bytes]:
        until = clock.monotonic_s() + within_s
        kind, length = HEAD.unpack(self._read(HEAD.size, until))
        answer = self._read(length, until)
        self.is_usable = True
        return kind, answer

    def _read(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None
        fd, read = self._process.stdout.fileno(), bytearray()
        while len(read) < size:
            if not select.select([fd], [], [], max(until - clock.monotonic_s(), 0.0))[0]:
                raise BeyondBounds("it takes too long", hint=_HINT)
            chunk = os.read(fd, size - len(read))
            if not chunk:
                raise BeyondBounds("it takes too long, or too much memory", hint=_HINT)
            read += chunk
        return bytes(read)


_idle: list[_Process] = []
_lock = threading.Lock()
_threads = ThreadPoolExecutor(_AT_ONCE, "heliostat-bounded")


def _ask(question: bytes) -> Any:
    with _lock:
        process = _idle.pop() if _idle else None
    process = process or _Process()
    try:
        return process.ask(question)
    finally:
        if process.is_usable:
            with _lock:
                _idle.append(process)
        else:
            process.close()


@atexit.register
def close() -> None:
    """End the idle processes."""
    with _lock:
        idle, _idle[:] = _idle[:], []
    for process in idle:
        process.close()
