"""Being a child of `heliostat server start`: ends with it, and tells it when it is beyond help."""

from __future__ import annotations

import os
import signal
import threading

BEYOND_HELP = 78
"""Exit code of a child that would fail again: a bad setting, a database of a newer version."""


def end_with_supervisor(alive_fd: int) -> None:
    """End as by SIGTERM when the supervisor, which holds the pipe's other end, is gone."""

    def watch() -> None:
        os.read(alive_fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor watch", daemon=True).start()
