"""The one place that says what a database error means for the caller."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ...foundation.errors import DatabaseUnavailable, UnstorableValue

_FULL_SQLSTATES = {"53100"}
_READ_ONLY_SQLSTATES = {"25006"}
# Too many connections, shutting down, starting up, wrong credentials, no such database.
_AWAY_SQLSTATES = {"53300", "57P01", "57P02", "57P03", "28000", "28P01", "3D000"}
# Deadlock and serialization failures: nothing was applied, so try again.
_AGAIN_SQLSTATES = {"40001", "40P01", "55P03", "57014"}

_DATA_SQLSTATES = ("22",)  # NUL in a text, a number or a moment out of range


def plain_url(url: URL | str) -> str:
    """The URL with its password masked, to be shown."""
    return make_url(url).render_as_string(hide_password=True)


def translate(error: BaseException, url: URL | str) -> DatabaseUnavailable | None:
    """The error to raise for a driver's error; None when the database is available."""
    cause = _driver_error(error)
    shown = plain_url(url)
    if isinstance(cause, sqlite3.Error):
        return _sqlite_failure(cause, shown)
    sqlstate: str | None = getattr(cause, "sqlstate", None)
    if sqlstate is not None:
        return _postgres_failure(cause, sqlstate, shown)
    if isinstance(cause, OSError | PoolTimeout) or _lost_connection(error, cause):
        return _away(cause, shown)
    return None


def refused(error: BaseException) -> UnstorableValue | None:
    """The error to raise when the database refuses a value; None for other errors."""
    cause = _driver_error(error)
    sqlstate: str = getattr(cause, "sqlstate", None) or ""
    if not sqlstate.startswith(_DATA_SQLSTATES):
        return None
    return UnstorableValue(f"the database cannot hold a value: {cause}", hint="nothing was changed")


def _driver_error(error: BaseException) -> BaseException:
    """The driver's own error under SQLAlchemy's wrapping."""
    cause = error
    if isinstance(cause, DBAPIError) and cause.orig is not None:
        cause = cause.orig
    inner = cause.__cause__
    if getattr(inner, "sqlstate", None) is not None or isinstance(inner, OSError):
        return inner or cause
    return cause


def _lost_connection(error: BaseException, cause: BaseException) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if type(cause).__module__.startswith("asyncpg"):
        # asyncpg reports an ended connection in several ways, one of which looks like an internal error.
        text = str(cause)
        return type(cause).__name__ == "InternalClientError" or (
            "connection" in text and ("closed" in text or "lost" in text or "released" in text)
        )
    return False


def _sqlite_failure(cause: sqlite3.Error, shown: str) -> DatabaseUnavailable | None:
    code: str = getattr(cause, "sqlite_errorname", "") or ""
    text = str(cause)
    if code.startswith("SQLITE_FULL") or "disk is full" in text:
        return _full(shown, text)
    if code.startswith("SQLITE_READONLY") or "readonly database" in text:
        return _read_only(shown, text)
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "is locked" in text:
        return _unavailable(
            f"the database {shown} stayed locked by another process ({text})",
            "see which process holds the file for so long; many writers are better served by Postgres",
        )
    if code.startswith("SQLITE_CANTOPEN") or "unable to open" in text:
        return _unavailable(
            f"cannot open the database {shown} ({text})",
            "check that the folder exists and that you may write to it",
            heals=False,
        )
    if code.startswith("SQLITE_IOERR"):
        return _unavailable(
            f"cannot read or write the database {shown} ({text})", "check the disk", heals=False
        )
    if (
        code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))
        or "not a database" in text
        or "malformed" in text
    ):
        return _unavailable(
            f"the file behind {shown} is not a usable SQLite database ({text})",
            "set HELIOSTAT_DATABASE_URL to another file, or restore a backup",
            heals=False,
        )
    return None


def _postgres_failure(cause: BaseException, sqlstate: str, shown: str) -> DatabaseUnavailable | None:
    text = str(cause)
    if sqlstate in _FULL_SQLSTATES:
        return _full(shown, text)
    if sqlstate in _READ_ONLY_SQLSTATES:
        return _read_only(shown, text)
    if sqlstate in _AGAIN_SQLSTATES:
        return _unavailable(f"the database {shown} aborted the transaction ({text})", "try again")
    if sqlstate.startswith("08") or sqlstate in _AWAY_SQLSTATES:
        return _away(cause, shown)
    return None


def _full(shown: str, text: str) -> DatabaseUnavailable:
    return _unavailable(
        f"the disk of the database {shown} is full ({text})",
        "free some space there; nothing that was recorded is lost",
        heals=False,
    )


def _read_only(shown: str, text: str) -> DatabaseUnavailable:
    return _unavailable(
        f"the database {shown} can only be read ({text})",
        "check the permissions of the file and its folder, or point HELIOSTAT_DATABASE_URL at a primary",
        heals=False,
    )


def _away(cause: BaseException, shown: str) -> DatabaseUnavailable:
    what = str(cause) or type(cause).__name__
    return _unavailable(
        f"cannot reach the database {shown} ({what})",
        "check that it runs and that HELIOSTAT_DATABASE_URL is right",
    )


def _unavailable(message: str, hint: str, heals: bool = True) -> DatabaseUnavailable:
    error = DatabaseUnavailable(message, hint=hint)
    error.heals = heals
    return error
