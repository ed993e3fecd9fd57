"""The parent of a stock flow's processes: `python -IS stock_guard.py TERM_S COMMAND...`.

It ends with the exit code of the command. It leaves none of the command's processes behind, whether the
command has ended or the process at the other end of stdin is gone. A line on stdin asks the command to end
(SIGTERM), and ends it by force `TERM_S` seconds later. It needs only the standard library, so that it starts
at once.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

_BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of the command become children of this process


def main(term_s: float, command: list[str]) -> int:
    """Run the command to its end; returns its exit code, or 128 plus the signal that ended it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def obey() -> None:
        while os.read(0, 1024):
            child.terminate()
            threading.Timer(term_s, end_all, (child.pid,)).start()
        end_all(child.pid)

    threading.Thread(target=obey, daemon=True).start()
    code = child.wait()
    end_all(child.pid)
    with suppress(ChildProcessError):  # reap the orphans too
        while True:
            os.waitpid(-1, 0)
    return code if code >= 0 else 128 - code


def end_all(pid: int) -> None:
    """Kill every descendant of this process; `pid` leads a process group of them."""
    while found := descendants(os.getpid()):
        for each in found:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        threading.Event().wait(0.01)
    with suppress(ProcessLookupError, PermissionError):  # for systems without /proc
        os.killpg(pid, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    """The living descendants of a process, by /proc."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = path.read_text(encoding="utf-8").rpartition(")")[2].split()[:2]
            if state not in "ZX":
                children.setdefault(int(parent), []).append(int(path.parent.name))
    found: list[int] = []
    fresh = [root]
    while fresh:
        fresh = [child for each in fresh for child in children.get(each, ())]
        found += fresh
    return found


if __name__ == "__main__":
    code = main(float(sys.argv[1]), sys.argv[2:])
    sys.stdout.flush()
    os._exit(code)  # a timer may still wait
