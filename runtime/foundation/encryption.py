"""Secrets at rest: encrypted with a key from the settings, or from a file under the home folder."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from . import clock
from .errors import BadSetting, SecretsUnreadable
from .private_files import make_once
from .settings import current_settings

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEY_FILE = "encryption.key"

_KEY_CHARACTERS = 44
_WRITTEN_WITHIN_S = 10.0


def encrypted(value: Any) -> bytes:
    """A JSON value as bytes that only the holder of the key can read. Raises BadSetting."""
    return _cipher().encrypt(orjson.dumps(value))


def decrypted(token: bytes) -> Any:
    """The value that `encrypted` was given. Raises SecretsUnreadable when another key encrypted it."""
    from cryptography.fernet import InvalidToken

    try:
        return orjson.loads(_cipher().decrypt(token))
    except InvalidToken as error:
        raise SecretsUnreadable(
            "secrets in this database were encrypted with another key",
            hint=f"set HELIOSTAT_ENCRYPTION_KEY to that key: see {KEY_FILE} of the home that wrote them",
        ) from error


def signing_key() -> bytes:
    """The key that signs tokens, derived from the encryption key."""
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
            hint="use 32 bytes in url-safe base64: openssl rand -base64 32 | tr +/ -_",
        ) from error


@lru_cache(maxsize=8)
def _key_in(home: Path) -> str:
    """The key in the home folder, made when first asked for. When several containers that share the folder
    make one at once, one of them wins. Raises BadSetting.
    """
    path = home / KEY_FILE
    if not path.exists():
        _make_key(path)
    until = clock.monotonic_s() + _WRITTEN_WITHIN_S
    while (
        len(key := path.read_text(encoding="utf-8").strip()) < _KEY_CHARACTERS and clock.monotonic_s() < until
    ):
        clock.sleep(0.01)  # another process is writing the key
    if len(key) != _KEY_CHARACTERS:
        raise BadSetting(
            f"{path} holds no key", hint="bring back the file, or remove it to have a new key made"
        )
    return key


def _make_key(path: Path) -> None:
    from cryptography.fernet import Fernet

    make_once(path, Fernet.generate_key())
