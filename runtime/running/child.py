"""One process that executes one flow run: its start, its output, and its end with all processes it started.

Its output goes to a file, not a pipe, so that the run can go on writing when the worker dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path

from ..foundation.long_lived import Tasks, tell
from ..foundation.standard_streams import say
from ..foundation.withheld import without_secrets

_KEPT_LINES = 40  # the last lines of output, for the record of a killed process
_LONGEST_LINE = 1_000
_READ_EVERY_S = 0.1
_LARGEST_FILE_BYTES = 4 * 1024 * 1024  # above this size the output that was read is deleted


@dataclass(frozen=True, slots=True)
class Job:
    """How the process of one run is started. `env` is added to this process's environment without the secrets
    of a server; None removes a name.
    """

    command: Sequence[str]
    env: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    working_dir: Path | None = None  # None: a new folder, removed afterwards
    stream_output: bool = True


class Child:
    """A started process in a new session, so that signals reach it and its children, and not this process."""

    def __init__(
        self, process: Process, output: RawIOBase, job: Job, scratch: tempfile.TemporaryDirectory[str] | None
    ) -> None:
        self._process = process
        self._output = output
        self._streams = job.stream_output
        self._scratch = scratch
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._rest = b""
        self._tasks = Tasks()
        self._tasks.keep(f"reading the output of process {process.pid}", self._read_more)

    @classmethod
    async def start(cls, job: Job) -> Child:
        """Raises OSError when there is no such command or folder."""
        scratch = tempfile.TemporaryDirectory(prefix="heliostat-run-") if job.working_dir is None else None
        folder = job.working_dir if scratch is None else Path(scratch.name)
        descriptor, path = tempfile.mkstemp(prefix="heliostat-output-")
        os.close(descriptor)
        # In append mode, so that the file can be truncated while the process writes.
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        output = open(path, "r+b", buffering=0)  # noqa: SIM115  (closed when the process has ended)
        os.unlink(path)
        try:
            process = await asyncio.create_subprocess_exec(
                *job.command,
                stdin=DEVNULL,
                stdout=descriptor,
                stderr=STDOUT,
                cwd=folder,
                env=_environment(job.env),
                start_new_session=True,
            )
        except BaseException:
            output.close()
            if scratch is not None:
                scratch.cleanup()
            raise
        finally:
            os.close(descriptor)
        return cls(process, output, job, scratch)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs, minus the number of the signal that killed it."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for its end, and kill the processes that it left; returns the exit code."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)  # its children, as it has ended itself
        await self._tasks.close()
        tell(f"reading the output of process {self.pid}", self._read_rest)
        self._output.close()
        if self._scratch is not None:
            self._scratch.cleanup()
        return code

    async def stop(self, term_s: float) -> None:
        """Send SIGTERM to its session, and SIGKILL to what is left after `term_s` seconds."""
        if self.exit_code is None:
            self._signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), term_s)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL to its session."""
        self._signal(signal.SIGKILL)

    @property
    def last_lines(self) -> list[str]:
        """The last lines of its output."""
        return list(self._lines)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _read_more(self) -> None:
        await asyncio.sleep(_READ_EVERY_S)
        self._read()

    def _read_rest(self) -> None:
        self._read()
        if self._rest:
            self._take_line(self._rest)
            self._rest = b""

    def _read(self) -> None:
        while chunk := self._output.read(1 << 16) or b"":
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._take_line(line)
            self._rest = self._rest[-_LONGEST_LINE:]
        if self._output.tell() > _LARGEST_FILE_BYTES:
            self._output.truncate(0)
            self._output.seek(0)

    def _take_line(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")  # output may be any bytes, and is only shown
        self._lines.append(line[-_LONGEST_LINE:])
        if self._streams:
            say(line)


def _environment(over: Mapping[str, str | None]) -> dict[str, str]:
    merged: dict[str, str | None] = {**without_secrets(os.environ), **over}
    return {name: value for name, value in merged.items() if value is not None}


def how_it_ended(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"
