"""Child processes of `heliostat server start` end with it, and tell it when a restart cannot help."""

from __future__ import annotations

import os
import signal
import threading

BEYOND_HELP = 78
"""Exit code of a child that a restart cannot help: a bad setting, a database of a newer version."""


def end_with_supervisor(alive_fd: int) -> None:
    """Send this process SIGTERM when the supervisor, which holds the pipe's other end, is gone."""

    def watch() -> None:
        os.read(alive_fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor watch", daemon=True).start()
