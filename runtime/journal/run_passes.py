"""Passes of runs: what the process of a run sends to an API that demands a password.

A run's pass is derived from the password and the run's id, so it need not be stored, and the password cannot
be derived from it. It admits to the API as the password does, until the password is changed.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from uuid import UUID

from ..foundation.settings import current_settings

if TYPE_CHECKING:
    from ..store.database.database import Database

_USER = "run-"


def pass_of(run_id: UUID, auth_string: str) -> str:
    """The pass of a run for an API with that password, as USER:PASSWORD."""
    user = f"{_USER}{run_id}"
    signed = hmac.new(auth_string.encode(), f"pass of {user}".encode(), hashlib.sha256)
    return f"{user}:{signed.hexdigest()}"


def is_pass(given: str, auth_string: str) -> bool:
    """Whether `given` is the pass of some run for an API with that password."""
    user, _, _ = given.partition(":")
    if not user.startswith(_USER):
        return False
    try:
        run_id = UUID(user.removeprefix(_USER))
    except ValueError:
        return False
    expected = pass_of(run_id, auth_string)
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


async def issue(_db: Database, run_id: UUID) -> str | None:
    """The pass of a run for this server's API, whose password the run's processes do not get."""
    auth = current_settings().server_auth_string
    return None if auth is None else pass_of(run_id, auth)
