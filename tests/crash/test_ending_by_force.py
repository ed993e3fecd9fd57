"""A process that is ended by force leaves with the code of the signal, whatever it does at that moment.

Seen: what is unrecorded is kept just before the end, which releases whoever waits for the record; the main
thread, so released, left first, with its own exit code.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import threading

from heliostat.runtime.foundation.ending import Watchdog, before_leaving, watchdog

released = threading.Event()


def act():
    released.set()
    main.join()  # it has left its code by then
    return "kept"


main = threading.main_thread()
watchdog()._within_s = 0.0
watchdog().ready()
before_leaving(act)
watchdog().asked(int(sys.argv[1]))
released.wait()
sys.exit(3)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_process_that_is_released_by_its_last_acts_leaves_with_the_signals_code(
    number: signal.Signals,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(int(number))], stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert ended.returncode == 128 + number, ended.stderr
    assert f"This process ends by force ({number.name}).\nkept" in ended.stderr
