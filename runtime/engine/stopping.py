"""Stops running calls from another thread, by an exception in the author's code, even while that waits.

The main thread (where Ray runs tasks) is woken by a signal, also from a blocking call. In another thread the
exception takes effect at its next bytecode: a call blocked in C ends late. On an event loop the calls' tasks
are cancelled; what keeps the loop from hearing of it gets the exception. The programs that the calls have
started end, too. What was asked is noted on the board first, so that a call that swallows the exception does
not pass for one that completed.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

from ..foundation import clock
from ..foundation.errors import CancelRun
from . import programs
from .board import Board
from .shields import put_down, set_on, shield_of, take_up

_WAKE = signal.SIGURG  # not used by others: programs without a handler ignore it
_TRY_EVERY_S = 0.05
_LOOP_HEARS_WITHIN_S = 0.5
_BEFORE_PROGRAMS_S = 0.2  # the code is stopped first, so that it does not take its program's end for a result
_BOOKKEEPERS = ("execution", "board", "deadline", "loop_limits", "stopping", "shields")
_OURS = frozenset(
    {f"{__package__}.{name}" for name in _BOOKKEEPERS} | {"contextlib"}  # between two lines of a `with`
)


class CallCancelled(CancelRun):
    """Raised in the code of a call that is cancelled."""

    of: ClassVar[Board]


_main = threading.main_thread()
_boards: dict[int, list[Board]] = {}  # executed by each thread, the outermost first
_before: Any = signal.SIG_DFL  # what handled SIGINT before us
_armed = False
_rings: deque[Callable[[], None]] = deque()


def enter(board: Board) -> None:
    """The calling thread begins to execute calls of a board."""
    thread = threading.get_ident()
    if board.thread != thread:
        board.thread, board.native_thread = thread, threading.get_native_id()
    take_up()
    _boards.setdefault(thread, []).append(board)
    if thread == _main.ident and not _armed:
        _arm()


def leave(board: Board) -> None:
    """The calling thread is done with the calls of a board."""
    thread = threading.get_ident()
    boards = _boards[thread]
    boards.remove(board)
    if not boards:
        del _boards[thread]
    put_down()


def note_all_of(thread: int, because: type[BaseException]) -> None:
    """Note that all calls of a thread are being stopped, so that none of them can complete."""
    for board in list(_boards.get(thread, ())):
        board.because = because
        board.stop_asked = True


def stop(board: Board, *, again: bool = False) -> None:
    """Stop a board's calls, at once or soon; nothing of it is started any more. `again`: what was raised has
    not ended them, so it is raised once more.
    """
    with board.lock:
        board.cancelled = True
        is_news = not board.stop_asked or board.why is None
        if again:
            board.raised.clear()
        elif not is_news:
            return
        if board.why is None:
            board.why = type("CallCancelled", (CallCancelled,), {"of": board})
        board.because = board.because or board.why
        board.stop_asked = True
        if not board.is_at_work:
            return
    if board.thread is not None:
        _note_above(board, board.thread, board.why)
    threading.Thread(target=_stop, args=(board, is_news), name="heliostat-stopping", daemon=True).start()


def _note_above(board: Board, thread: int, because: type[BaseException]) -> None:
    """The calls that a stopped call executes itself, in its thread, are stopped with it."""
    boards = list(_boards.get(thread, ()))
    if board in boards:
        for each in boards[boards.index(board) + 1 :]:
            each.because = because
            each.stop_asked = True


def _stop(board: Board, is_news: bool) -> None:
    since_s = min(board.current.copy().values(), default=clock.epoch_s())
    # Ray executes one pack a process: what another thread started there belongs to the call as well.
    started = programs.started_by(None if board.has_process else board.native_thread, since_s)
    loop, began = board.loop, clock.monotonic_s()
    if loop is not None and is_news:
        loop.call_soon_threadsafe(_cancel_tasks, board)
    told = not started
    while board.is_at_work and board.stop_asked:
        waited_s = clock.monotonic_s() - began
        if loop is None or waited_s >= _LOOP_HEARS_WITHIN_S:
            _raise_in(board)
        if not told and waited_s >= _BEFORE_PROGRAMS_S:
            told = True
            threading.Thread(target=programs.end, args=(started,), name="heliostat-programs-end").start()
        elif told and not is_news:
            return  # the thread that was first goes on trying
        clock.sleep(_TRY_EVERY_S)
    if not told:
        programs.end(started)


def _cancel_tasks(board: Board) -> None:
    for task in list(board.tasks.values()):
        task.cancel()


def _raise_in(board: Board) -> None:
    """Raise in the author's code of that board, unless that has happened."""
    thread = board.thread
    if thread is None:
        return
    if thread == _main.ident and signal.getsignal(_WAKE) is _woken:
        signal.pthread_kill(thread, _WAKE)
        return
    with board.lock:
        why = _why(board)
        shield = shield_of(thread)
        if why is not None and shield is not None:
            with shield.lock:
                if not shield.holds_back(why):
                    board.injected = True
                    set_on(thread, why)


def _why(board: Board) -> type[BaseException] | None:
    """What is to be raised in that board's code where its thread is now, noted as raised; or None."""
    if board.why is None or not board.stop_asked:
        return None
    at: Any = None
    if board.loop is None:
        if not board.inside:
            return None
    else:
        at = asyncio.current_task(board.loop)
        if at is None or at not in board.tasks.values():
            return None
    if at in board.raised:
        return None
    board.raised.add(at)
    return board.why


def _arm() -> None:
    """Install the handler of the waking signal; on the main thread, once per process."""
    global _armed
    _armed = True
    signal.signal(_WAKE, _woken)


def is_main(thread: int) -> bool:
    return thread == _main.ident


def arm_here() -> None:
    """The calling thread may have to be woken by a signal."""
    if threading.get_ident() == _main.ident and not _armed:
        _arm()


def wake_main(ring: Callable[[], None]) -> None:
    """Call that function on the main thread, between two lines of others' code; what it raises is raised
    there. It may be called in vain, or not at all.
    """
    if signal.getsignal(_WAKE) is _woken and _main.ident is not None:
        _rings.append(ring)
        signal.pthread_kill(_main.ident, _WAKE)


def take_interrupts() -> None:
    """In a worker: Ray's own way to cancel, as Ctrl-C would, stops the call that runs and nothing else."""
    global _before
    if threading.current_thread() is _main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _before = signal.signal(signal.SIGINT, _interrupted)


def _woken(_signal: int, frame: FrameType | None) -> None:
    if frame is not None and frame.f_globals.get("__name__") in _OURS:
        _rings.clear()
        return  # bookkeeping, in which nothing may be raised: the asking thread tries again
    while _rings:
        _rings.popleft()()
    thread = threading.get_ident()
    shield = shield_of(thread)
    for board in list(_boards.get(thread, ())):
        why = _why(board)
        if why is not None and not (shield is not None and shield.holds_back(why)):
            raise why("the call was cancelled")


def _interrupted(number: int, frame: FrameType | None) -> None:
    boards = _boards.get(threading.get_ident())
    if boards:
        stop(boards[0])
    elif callable(_before):
        _before(number, frame)
