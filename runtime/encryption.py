"""Secrets at rest: encrypted with a key from the settings, or from a file under the home folder."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from .errors import BadSetting, SecretsUnreadable
from .settings import current_settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_FILE = "encryption.key"


def encrypted(value: Any) -> bytes:
    """A JSON value as bytes that only the holder of the key can read. Raises BadSetting."""
    return _cipher().encrypt(orjson.dumps(value))


def decrypted(token: bytes) -> Any:
    """What `encrypted` was given. Raises SecretsUnreadable when it was another key's."""
    from cryptography.fernet import InvalidToken

    try:
        return orjson.loads(_cipher().decrypt(token))
    except InvalidToken as error:
        raise SecretsUnreadable(
            "secrets in this database were encrypted with another key",
            hint=f"set HELIOSTAT_ENCRYPTION_KEY to it: see the file {KEY_FILE} where they were written",
        ) from error


def signing_key() -> bytes:
    """What tokens are signed with: derived from the same key."""
    return hashlib.sha256(b"heliostat tokens" + _key().encode()).digest()


def _cipher() -> Fernet:
    return _cipher_of(_key())


def _key() -> str:
    settings = current_settings()
    return settings.encryption_key or _key_in(settings.home)


@lru_cache(maxsize=8)
def _cipher_of(key: str) -> Fernet:
    from cryptography.fernet import Fernet

    try:
        return Fernet(key)
    except ValueError as error:
        raise BadSetting(
            "HELIOSTAT_ENCRYPTION_KEY cannot be used",
            hint="it is 32 bytes in url-safe base64: openssl rand -base64 32 | tr +/ -_",
        ) from error


@lru_cache(maxsize=8)
def _key_in(home: Path) -> str:
    """The key in the home folder; the first to ask makes it, and of several at once one wins."""
    from cryptography.fernet import Fernet

    path = home / KEY_FILE
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".{KEY_FILE}.{os.getpid()}"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
