"""The settings in force, and whether each came from the environment, the active profile or the defaults.

The environment is the strongest of the three, then the profile. A setting `lease_s` is `HELIOSTAT_LEASE_S` in
the environment and in `$HELIOSTAT_HOME/profiles.toml`.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadSetting
from .profiles_file import read_profiles
from .setting_table import (
    DEFAULTS,
    ENV_PREFIX,
    NOT_SETTINGS,
    PARSERS,
    TEST_PREFIX,
    Settings,
    UnknownSetting,
    check_value,
    near_miss,
)


@dataclass(frozen=True, slots=True)
class _Resolved:
    settings: Settings
    sources: Mapping[str, str]


_lock = threading.RLock()
_resolved: _Resolved | None = None
_overrides: dict[str, Any] = {}


def current_settings() -> Settings:
    """The settings in force; read once in a process.

    Raises BadSetting when a value cannot be used or the chosen profile does not exist.
    """
    return _current().settings


def setting_sources() -> Mapping[str, str]:
    """Where each setting in force came from: "env", "profile", "default" or "override"."""
    return _current().sources


def reload_settings() -> Settings:
    """Read environment and profile again, and return what is in force now."""
    with _lock:
        forget_settings()
        return current_settings()


def forget_settings() -> None:
    """Let the next `current_settings` read environment and profile again."""
    global _resolved
    with _lock:
        _resolved = None


@contextmanager
def settings_lock() -> Generator[None, None, None]:
    """Within the block no other thread reads the environment again; the known settings stay in force."""
    with _lock:
        current_settings()
        yield


@contextmanager
def override_settings(**values: Any) -> Generator[Settings, None, None]:
    """Within the block these settings win over everything, in all threads of this process. None means unset.

    Values are checked like those of the environment. Environment and profile are read again on entry.
    """
    global _overrides, _resolved
    for name in values:
        if name not in PARSERS:
            raise BadSetting(f"There is no setting {name!r}.", hint=near_miss(name, PARSERS))
    with _lock:
        before, _overrides, _resolved = (_overrides, _resolved), {**_overrides, **values}, None
    try:
        yield current_settings()
    finally:
        with _lock:
            _overrides, _resolved = before


def home_folder() -> Path:
    """The home folder alone, readable while another setting is bad, so that a bad profile can be mended."""
    with _lock:
        raw = _overrides.get("home") or os.environ.get("HELIOSTAT_HOME") or DEFAULTS["home"]
    return check_value("home", raw, "env")


def _current() -> _Resolved:
    global _resolved
    resolved = _resolved
    if resolved is None:
        with _lock:
            if _resolved is None:
                _resolved = _resolve(_overrides)
            resolved = _resolved
    return resolved


def _resolve(overrides: Mapping[str, Any]) -> _Resolved:
    environment = _from_environment()
    home = home_folder()
    profiles = read_profiles(home)
    profile = overrides.get("profile") or environment.get("profile") or profiles.active
    stored = profiles.values_of(profile)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in PARSERS:
        if name in overrides:
            sources[name], origin, raw = "override", "an override", overrides[name]
        elif name in environment:
            sources[name], origin, raw = "env", "the environment", environment[name]
        elif name in stored:
            sources[name], origin, raw = "profile", f"profile {profile!r} in {profiles.path}", stored[name]
        else:
            sources[name], origin, raw = "default", "defaults", DEFAULTS[name]
            if isinstance(raw, str):
                raw = raw.replace("{home}", _in_url(home) if "://" in raw else str(home))
        values[name] = None if raw is None else check_value(name, raw, origin)
    values["profile"] = profile
    if sources["profile"] == "default" and profile != DEFAULTS["profile"]:
        sources["profile"] = "profile"
    return _Resolved(Settings(**values), sources)


def _in_url(folder: Path) -> str:
    """A folder as part of a URL, with the characters escaped that mean something else there."""
    return str(folder).replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _from_environment() -> dict[str, str]:
    """Settings that the environment sets; an empty value counts as unset."""
    found: dict[str, str] = {}
    for variable, raw in os.environ.items():
        if (
            not variable.startswith(ENV_PREFIX)
            or variable in NOT_SETTINGS
            or variable.startswith(TEST_PREFIX)
        ):
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        if name not in PARSERS:
            warnings.warn(
                f"{variable} is not a setting of Heliostat and has no effect; {near_miss(name, PARSERS)}",
                UnknownSetting,
                stacklevel=2,
            )
        elif raw.strip():
            found[name] = raw
    return found
