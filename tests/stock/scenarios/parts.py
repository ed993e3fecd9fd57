"""Several parts of a scenario in one process of the stock client, whose imports take seconds.

Each says what it found; one that fails is told with its traceback, and the others are carried out as well.
"""

import json
import sys
import time
import traceback


def carry_out(parts):
    said, failed = {}, {}
    for part in parts:
        if len(sys.argv) > 1 and part.__name__ not in sys.argv[1:]:
            continue
        began = time.monotonic()
        try:
            said[part.__name__] = part()
        except BaseException:
            failed[part.__name__] = traceback.format_exc()
        print(part.__name__, f"took {time.monotonic() - began:.1f} s", flush=True)
    for name, trace in failed.items():
        print(f"=== {name} failed\n{trace}", file=sys.stderr)
    print("SAID", json.dumps(said, default=str), flush=True)
    sys.exit(1 if failed else 0)


def wait_until(reached, timeout_s=90.0):
    """What `reached` gives as soon as it gives something."""
    until = time.monotonic() + timeout_s
    while not (got := reached()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    return got
