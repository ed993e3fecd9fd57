"""The recording of this process: to the server or the database that its settings name, or one put instead."""

from __future__ import annotations

import os
import threading

from ..foundation.settings import current_settings
from .database_recording import record_to_database
from .journal import JournalLimits
from .recording import Recording
from .thread_recording import ThreadRecording

_current: ThreadRecording | None = None
_installed: tuple[int, Recording] | None = None  # with the process that it is for
_current_lock = threading.Lock()


def use_recording(recording: Recording | None) -> None:
    """From now on `current_recording` of this process gives that one, whatever the settings say; None undoes
    it.

    For processes that reach the database through another one. A fork goes back to the settings.
    """
    global _installed
    _installed = None if recording is None else (os.getpid(), recording)


def current_recording() -> Recording:
    """The recording of this process, opened on first use: at the server that `HELIOSTAT_API_URL` names, else
    at the database that the settings name.

    A fork, and a change of the setting, get one of their own. Raises like `record_to_database`.
    """
    global _current
    installed = _installed
    if installed is not None and installed[0] == os.getpid():
        return installed[1]

    settings = current_settings()
    place = settings.api_url or settings.database_url
    with _current_lock:
        known = _current
        if known is not None and known.is_usable and known.place == place:
            return known
        if known is not None:
            known.close()
        _current = None
        limits = JournalLimits(
            buffer_events=settings.journal_buffer_events, linger_s=settings.journal_flush_ms / 1000
        )
        if settings.api_url:
            from .http_recording import record_to_server

            _current = record_to_server(settings.api_url, limits)
        else:
            _current = record_to_database(place, settings.lease_s, limits)
        return _current


def close_current_recording() -> None:
    """Close what `current_recording` opened, if it did."""
    global _current
    with _current_lock:
        if _current is not None:
            _current.close()
        _current = None


def _forget_after_fork() -> None:
    global _current_lock
    _current_lock = threading.Lock()  # the parent's may have been held at that moment


os.register_at_fork(after_in_child=_forget_after_fork)
