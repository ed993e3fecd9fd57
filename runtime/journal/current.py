"""The recording of this process: to the server or database of its settings, or another that was set."""

from __future__ import annotations

import os
import threading

from ..foundation.settings import current_settings
from .database_recording import record_to_database
from .journal import JournalLimits
from .recording import Recording
from .thread_recording import ThreadRecording

_current: ThreadRecording | None = None
_installed: tuple[int, Recording] | None = None  # with the id of the process that it belongs to
_current_lock = threading.Lock()


def use_recording(recording: Recording | None) -> None:
    """Let `current_recording` of this process return `recording`, whatever the settings say; None undoes it.

    This is for processes that reach the database through another process. A fork goes back to the settings.
    """
    global _installed
    _installed = None if recording is None else (os.getpid(), recording)


def current_recording() -> Recording:
    """The recording of this process, opened on first use: to the server that `HELIOSTAT_API_URL` names, or
    else to the database that the settings name.

    After a fork, or a change of the setting, a new one is opened. Raises BadSetting, DatabaseUnavailable,
    SchemaTooNew.
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
    """Close the recording that `current_recording` opened, if there is one."""
    global _current
    with _current_lock:
        if _current is not None:
            _current.close()
        _current = None


def _forget_after_fork() -> None:
    global _current_lock
    _current_lock = threading.Lock()  # the parent's lock may have been held during the fork


os.register_at_fork(after_in_child=_forget_after_fork)
