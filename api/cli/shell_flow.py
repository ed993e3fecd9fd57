"""The flow that runs a shell command, for `heliostat shell`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

from ...runtime.authoring.logging import get_run_logger
from ...runtime.flows import Flow, flow

ENTRYPOINT = f"{__name__}:shell_command"
_TAIL = 5  # lines of the output that the error of a failed command shows


class CommandFailed(Exception):
    """The command ended with an exit code other than 0."""


@flow(name="Shell Command", task_runner="inline")
def shell_command(command: str, log_output: bool = True, stream_stdout: bool = True) -> int:
    """Run a command by the shell; the run fails when its exit code is not 0.

    Its output goes to the run's log (`log_output`) and to this process's (`stream_stdout`). The command gets
    a process group of its own, which is ended with the run.
    """
    logger, last = get_run_logger(), list[str]()
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last[1 - _TAIL :], line.rstrip("\n")]
            if log_output:
                logger.info(line.rstrip("\n"))
            if stream_stdout:
                with suppress(OSError):
                    sys.stdout.write(line)
        code = process.wait()
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
    if code:
        raise CommandFailed("\n".join([f"the command ended with exit code {code}", *last]))
    return code


def shell_flow(name: str) -> Flow[Any, Any]:
    """The flow under another name; deployments of it find it by its module."""
    return shell_command.with_options(name=name)
