"""Errors that travel between processes keep their class, their message and the author's traceback."""

import json
import pickle
import subprocess
import sys
import traceback

import pytest

from heliostat.runtime.authoring.retry import RetryPolicy, exponential_backoff
from heliostat.runtime.foundation.errors import (
    CancelRun,
    ParameterMismatch,
    TaskCrashed,
    TaskFailed,
    TaskTimedOut,
)
from heliostat.runtime.values import tracebacks
from heliostat.runtime.values.tracebacks import (
    RemoteTraceback,
    capture,
    drop_our_frames,
    rebuild,
    ship,
    unship,
)


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


def test_frames_of_the_package_stay_when_there_are_no_others():
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


def test_an_exception_comes_back_without_what_cannot_travel():
    """Seen: an author's exception that held a lock or a response came back as TaskFailed, and the author's
    own `except` did not catch it.
    """
    error = HoldsALock("the message")
    error.note, error.both = "kept", [ChangesItsMessage(5), 1]
    again = unship(ship(raised(error)))
    assert type(again) is HoldsALock and str(again) == "the message" and again.note == "kept"
    assert type(again.both[0]) is ChangesItsMessage and again.both[0].code == 5
    assert "_thread.lock" in repr(again.lock)
    with pytest.raises(AttributeError, match="'acquire' of a _thread.lock .* could not be sent"):
        again.lock.acquire()


def test_an_argument_that_cannot_travel_leaves_the_message_as_it_was():
    import threading

    error = ValueError("busy", threading.Lock())
    again = unship(ship(raised(error)))
    assert type(again) is ValueError and again.args[0] == "busy" and "_thread.lock" in repr(again.args[1])
    only = threading.Lock()
    assert str(unship(ship(raised(ValueError(only))))) == str(only)


def test_a_message_that_cannot_be_made_does_not_hide_the_class():
    again = unship(ship(raised(Mute("the message"))))
    assert type(again) is Mute and again.args == ("the message",)


@pytest.mark.parametrize(
    "group",
    [
        ExceptionGroup("many", [ValueError(1), ChangesItsMessage(5), HoldsALock("held")]),
        ExceptionGroup("outer", [ExceptionGroup("inner", [NeedsKeywords(where="here", why="because")])]),
        BaseExceptionGroup("base", [KeyboardInterrupt(), ChangesItsMessage(5)]),
    ],
)
def test_members_of_groups_come_back_as_they_were(group):
    """Seen: a group came back as TaskFailed because one of its members could not be unpickled."""

    def leaves(one):
        return [leaves(each) for each in one.exceptions] if isinstance(one, BaseExceptionGroup) else one

    def told(one):
        return [told(each) if isinstance(each, list) else (type(each), str(each)) for each in one]

    again = unship(ship(raised(group)))
    assert type(again) is type(group) and str(again) == str(group)
    assert told(leaves(again)) == told(leaves(group))


class Slotted(OSError):
    __slots__ = ("place",)

    def __init__(self, place):
        super().__init__(2, "not here", "x.txt")
        self.place = place


class GroupOfMine(ExceptionGroup):
    def __new__(cls, members, *, note):
        made = super().__new__(cls, "mine", members)
        made.note = note
        return made

    def __init__(self, members, *, note):
        pass


class RaisesWhenUnpickled(Exception):
    def __reduce__(self):
        return (int, ("not a number",))


class StateOfItsOwn(Exception):
    def __init__(self, message):
        super().__init__(message)
        import threading

        self.lock = threading.Lock()

    def __getstate__(self):
        return {"lock": None}


def test_slots_and_attributes_of_built_in_errors_travel():
    again = unship(ship(raised(Slotted("here"))))
    assert (type(again), again.place, again.errno, again.filename) == (Slotted, "here", 2, "x.txt")
    assert str(again) == str(Slotted("here"))
    group = unship(ship(raised(GroupOfMine([ChangesItsMessage(5)], note="n"))))
    assert (type(group), group.note, group.exceptions[0].code) == (GroupOfMine, "n", 5)


@pytest.mark.parametrize("kind", [RaisesWhenUnpickled, StateOfItsOwn])
def test_an_exceptions_own_way_of_pickling_is_used_when_it_works(kind):
    again = unship(ship(raised(kind("the message"))))
    assert type(again) is kind and str(again) == "the message"


def test_causes_and_contexts_come_back_with_the_exception():
    def fail():
        try:
            try:
                raise ChangesItsMessage(5)
            except ChangesItsMessage as first:
                raise NeedsKeywords(where="here", why="because") from first
        except NeedsKeywords:
            raise HoldsALock("last")  # noqa: B904  (a context and no cause)

    try:
        fail()
    except HoldsALock as error:
        again = unship(ship(error))
    assert type(again) is HoldsALock
    second = again.__context__
    assert type(second) is NeedsKeywords and second.where == "here"
    assert type(second.__cause__) is ChangesItsMessage and second.__cause__ is second.__context__
    assert "last" in again.__cause__.text

    caused = unship(ship(raised(ValueError(1), cause=ChangesItsMessage(6))))
    assert type(caused.__cause__) is ChangesItsMessage and caused.__cause__.code == 6
    assert "raise error" in caused.__cause__.__cause__.text


def test_exceptions_that_refer_to_each_other_travel():
    one, other = ValueError("one"), ChangesItsMessage(5)
    one.other, other.one, one.__context__ = other, one, other
    again = unship(ship(one))
    assert type(again.other) is ChangesItsMessage and type(again.__context__) is ChangesItsMessage


def test_long_chains_travel_in_bounded_time_and_size():
    last = ValueError(0)
    for number in range(1, 200):
        following = ChangesItsMessage(number)
        following.__cause__ = following.__context__ = last
        last = following
    data = ship(last)
    assert len(data) < 1_000_000
    assert unship(data).__cause__.code == 198


def test_errors_whose_class_is_missing_here_are_named_and_the_others_arrive(monkeypatch):
    group = ExceptionGroup("many", [ChangesItsMessage(5), ValueError(1)])
    data = ship(raised(group, cause=ChangesItsMessage(6)))
    monkeypatch.delattr(sys.modules[__name__], "ChangesItsMessage")
    again = unship(data)
    assert type(again) is ExceptionGroup and type(again.exceptions[1]) is ValueError
    for lost, code in ((again.exceptions[0], 5), (again.__cause__, 6)):
        assert type(lost) is TaskFailed and f"ChangesItsMessage: code {code}" in str(lost)


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


def test_exception_raised_again_prints_both_tracebacks_and_is_captured_once():
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
        "from heliostat.runtime.values.tracebacks import ship\n"
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


def test_frames_of_the_package_are_dropped_from_a_live_traceback():
    error = drop_our_frames(raised_below_our_frames())
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names == ["raised_below_our_frames", "condition_of_the_author"]
