"""What the process of a run tells an API that asks for a password: a pass in the place of the password.

The pass of a run follows from the password and from the run's id, so nobody need remember it, and the
password does not follow from the pass. It opens the API like the password does, until that is changed.
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
    """The pass of a run for the API of this server, whose password its processes are not told."""
    auth = current_settings().server_auth_string
    return None if auth is None else pass_of(run_id, auth)
