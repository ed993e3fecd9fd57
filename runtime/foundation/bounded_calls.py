"""Calls that work on users' templates: in processes of their own, within bounds of time, memory and size.

A sandbox keeps a template from what it must not see, but not from running for ever or from filling the
memory, and no thread can be made to stop. So a process calls, one call after another, and is ended when one
takes too long; the next call gets a new process. The server's event loop is never held up.
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
"""What a call may take."""
MOST_CHARACTERS = 1_000_000
"""Of what a call gives, as JSON."""

HEAD = struct.Struct("<cI")  # kind and length of what the process says
READY, DONE, FAILED, TOO_LONG = b"R", b"D", b"F", b"L"

_AT_ONCE = 4
_BEGINS_WITHIN_S = 60.0  # imports, on a machine that has other things to do
_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
_HINT = f"it may take {WITHIN_S:g} s and become {MOST_CHARACTERS:,} characters: make it simpler"


async def call(function: Callable[..., Any], *args: Any) -> Any:
    """What a function of a module gives, as JSON data. Its arguments are pickled.

    Raises CallFailed with what the function raised, and BeyondBounds.
    """
    question = pickle.dumps((function, args, WITHIN_S), 5)
    return await asyncio.get_running_loop().run_in_executor(_threads, _ask, question)


class _Process:
    """A process that calls. It ends with this process, and with `close`."""

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
        """Raises CallFailed and BeyondBounds; `is_usable` tells whether it can be asked again."""
        self.is_usable = False
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack("<I", len(question)) + question)
            self._process.stdin.flush()
        except OSError as error:
            raise BeyondBounds("the process that was to do it has ended", hint="try it again") from error
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
    """End the processes that wait for work."""
    with _lock:
        idle, _idle[:] = _idle[:], []
    for process in idle:
        process.close()
