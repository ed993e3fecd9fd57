"""What earlier versions pickled is read although the modules of its classes have moved since."""

from __future__ import annotations

import pickle

import pytest

from heliostat.runtime.foundation.errors import TaskCrashed
from heliostat.runtime.records import LogLine


@pytest.mark.parametrize(
    ("value", "earlier"),
    [
        (TaskCrashed("its worker was killed", "killed"), "heliostat.runtime.errors"),
        (LogLine(1.0, 20, "flow", "said"), "heliostat.runtime.journal.records"),
    ],
)
def test_a_pickle_that_names_the_earlier_module_is_read(value: object, earlier: str) -> None:
    now = type(value).__module__
    # Text of protocol 3 and before has no lengths that a longer name would make wrong.
    blob = pickle.dumps(value, 2).replace(b"c" + now.encode() + b"\n", b"c" + earlier.encode() + b"\n")
    assert earlier.encode() in blob
    assert repr(pickle.loads(blob)) == repr(value)
