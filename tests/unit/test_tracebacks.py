"""Errors that travel between processes keep their class, their message and the author's traceback."""

import json
import pickle
import subprocess
import sys
import traceback

import pytest

from heliostat.runtime import tracebacks
from heliostat.runtime.errors import CancelRun, ParameterMismatch, TaskCrashed, TaskFailed, TaskTimedOut
from heliostat.runtime.retry import RetryPolicy, exponential_backoff
from heliostat.runtime.tracebacks import RemoteTraceback, capture, drop_our_frames, rebuild, ship, unship


class ChangesItsMessage(Exception):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


class NeedsKeywords(Exception):
    def __init__(self, *, where, why):
        super().__init__(f"{where}: {why}")
        self.where = where


class HoldsALock(Exception):
    def __init__(self, message):
        super().__init__(message)
        import threading

        self.lock = threading.Lock()


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no")


class RefusesToPickle(Exception):
    def __reduce__(self):
        raise TypeError("never")


def raised(error, cause=None):
    try:
        if cause is not None:
            raise error from cause
        raise error
    except BaseException as caught:
        return caught


def raised_below_our_frames():
    def condition_of_the_author(attempt):
        raise LookupError("in the author's function")

    try:
        RetryPolicy(1, condition_of_the_author).delay_s(1)
    except LookupError as caught:
        return caught


def test_captured_error_is_json_with_type_message_traceback_and_cause():
    captured = capture(raised(ChangesItsMessage(5)))
    assert json.loads(json.dumps(captured)) == captured
    assert captured["type"].endswith("test_tracebacks.ChangesItsMessage")
    assert captured["message"] == "code 5"
    assert captured["cause"] == "user-error"
    assert captured["traceback"].startswith("Traceback (most recent call last):\n")
    assert "raise error" in captured["traceback"]


def test_frames_of_the_package_are_left_out_and_the_authors_stay():
    error = raised_below_our_frames()
    assert "retry.py" in "".join(traceback.format_exception(error))
    text = capture(error)["traceback"]
    assert "retry.py" not in text
    assert "condition_of_the_author" in text


def test_our_frames_stay_when_there_are_no_others():
    try:
        exponential_backoff(-1)
    except Exception as error:
        inner = error.with_traceback(error.__traceback__.tb_next)
    assert "retry.py" in capture(inner)["traceback"]


def test_further_folders_can_be_left_out():
    error = raised_below_our_frames()
    folder = __file__.rpartition("/")[0]
    assert "retry.py" in capture(error, (folder,))["traceback"]  # nothing is left, so all is shown


def test_causes_are_part_of_the_captured_text():
    text = capture(raised(ValueError("second"), cause=KeyError("first")))["traceback"]
    assert text.index("KeyError: 'first'") < text.index("direct cause") < text.index("ValueError: second")


def test_exception_group_is_captured_with_its_members():
    text = capture(raised(ExceptionGroup("several", [ValueError("a"), raised_below_our_frames()])))[
        "traceback"
    ]
    assert "ValueError: a" in text and "LookupError" in text and "retry.py" not in text


def test_long_texts_are_cut_in_the_middle():
    captured = capture(raised(ValueError("a" * 1_000_000)))
    assert len(captured["message"]) <= tracebacks.MAX_TEXT_LENGTH
    assert "characters left out" in captured["traceback"]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (TaskCrashed("m", "out-of-memory"), "out-of-memory"),
        (TaskTimedOut("m"), "timeout"),
        (CancelRun("m"), "cancelled"),
        (OSError("m"), "user-error"),
    ],
)
def test_cause_tells_who_is_to_blame(error, cause):
    assert capture(error)["cause"] == cause


@pytest.mark.parametrize(
    "error",
    [
        ValueError("plain", 1),
        KeyError("k"),
        FileNotFoundError(2, "No such file", "x.txt"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ChangesItsMessage(5),
        NeedsKeywords(where="here", why="because"),
        ExceptionGroup("g", [ValueError("a")]),
        ParameterMismatch("m", hint="mend it"),
        CancelRun("stop"),
        StopIteration(3),
        RefusesToPickle("but its parts do not"),
    ],
)
def test_shipped_exception_comes_back_as_the_authors_own(error):
    again = unship(ship(raised(error)))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__
    assert "raise error" in again.__cause__.text


@pytest.mark.parametrize("kind", [HoldsALock, Mute])
def test_exception_that_cannot_be_pickled_becomes_task_failed_with_the_same_text(kind):
    again = unship(ship(raised(kind("the message"))))
    assert type(again) is TaskFailed
    assert kind.__name__ in str(again)
    assert "raise error" in again.__cause__.text
    assert "__reduce__" in again.hint


def test_class_that_cannot_be_imported_on_the_other_side_becomes_task_failed(monkeypatch):
    data = ship(raised(ChangesItsMessage(5)))
    monkeypatch.delattr(sys.modules[__name__], "ChangesItsMessage")
    again = unship(data)
    assert type(again) is TaskFailed
    assert "code 5" in str(again)


def test_notes_travel_along():
    error = ValueError("v")
    error.add_note("a note")
    assert unship(ship(raised(error))).__notes__ == ["a note"]


def test_exception_raised_again_prints_both_tracebacks_and_is_told_once_by_capture():
    def raise_on_this_side():
        raise unship(ship(raised_below_our_frames()))

    try:
        raise_on_this_side()
    except LookupError as error:
        printed = "".join(traceback.format_exception(error))
        captured = capture(error)["traceback"]
    for text in (printed, captured):
        assert text.index("condition_of_the_author") < text.index("raise_on_this_side")
    assert "RemoteTraceback" not in captured
    twice = unship(ship(error_with(captured)))
    assert twice.__cause__.text.count("condition_of_the_author") == captured.count("condition_of_the_author")


def error_with(text):
    error = ValueError("v")
    error.__cause__ = RemoteTraceback(text)
    return error


def test_exception_of_a_scripts_own_class_travels_to_a_fresh_process():
    script = (
        "import sys\n"
        "from heliostat.runtime.tracebacks import ship\n"
        "class Mine(Exception): pass\n"
        "try:\n    raise Mine('from there')\n"
        "except Mine as e: sys.stdout.buffer.write(ship(e))\n"
    )
    data = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout
    error = unship(data)
    assert (type(error).__name__, str(error)) == ("Mine", "from there")


def test_rebuilt_error_keeps_text_class_and_cause():
    failed = rebuild(capture(raised(ValueError("v"))))
    assert type(failed) is TaskFailed and str(failed) == "ValueError: v"
    assert "raise error" in failed.__cause__.text
    crashed = rebuild(capture(TaskCrashed("m", "node-lost")))
    assert type(crashed) is TaskCrashed and crashed.cause == "node-lost" and str(crashed) == "m"


def test_remote_traceback_survives_pickling():
    assert pickle.loads(pickle.dumps(RemoteTraceback("text"))).text == "text"


def test_our_frames_are_dropped_from_a_live_traceback():
    error = drop_our_frames(raised_below_our_frames())
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names == ["raised_below_our_frames", "condition_of_the_author"]
