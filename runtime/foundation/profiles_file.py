"""The profiles file `$HELIOSTAT_HOME/profiles.toml`: named sets of settings, one of which is active.

    active = "staging"

    [profiles.staging]
    HELIOSTAT_API_URL = "https://staging.example.com/api"

The profile `default` always exists, and is empty unless the file fills it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from .errors import BadSetting, NotFound
from .setting_table import near_miss, setting_specs

DEFAULT_PROFILE = "default"
FILE_NAME = "profiles.toml"
FIXED = ("home", "profile")  # they decide which profile is read, so a profile cannot hold them


@dataclass(frozen=True, slots=True)
class Profiles:
    """The profiles file as read. `profiles` maps a name to its settings (setting name -> raw value)."""

    path: Path
    active: str = DEFAULT_PROFILE
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def values_of(self, name: str) -> Mapping[str, Any]:
        """The settings of profile `name`; raises NotFound with a near miss."""
        if name not in self.profiles:
            raise NotFound(
                f"There is no profile {name!r} in {self.path}.",
                hint=f"{near_miss(name, self.profiles)} Or make it: heliostat profile create {name}",
            )
        return self.profiles[name]


def read_profiles(home: Path) -> Profiles:
    """The profiles file under `home`, or an empty one.

    Raises BadSetting when the file is not TOML or holds a name that is no setting.
    """
    path = home / FILE_NAME
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        document = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} is not valid TOML: {error}", hint=f"mend or remove {path}") from error
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    tables: Any = document.get("profiles", {})
    if not isinstance(tables, dict):
        raise BadSetting(
            f"`profiles` in {path} is not a table.", hint="write [profiles.NAME] and settings below it"
        )
    read = {name: _read_one(name, table, path) for name, table in cast("dict[str, Any]", tables).items()}
    return Profiles(path, str(document.get("active", DEFAULT_PROFILE)), {DEFAULT_PROFILE: {}, **read})


def _read_one(profile: str, table: object, path: Path) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise BadSetting(
            f"`profiles.{profile}` in {path} is not a table.", hint=f"write [profiles.{profile}]"
        )
    known = {spec.env_name: spec.name for spec in setting_specs() if spec.name not in FIXED}
    read: dict[str, Any] = {}
    for key, raw in cast("dict[str, Any]", table).items():
        if key not in known:
            raise BadSetting(
                f"{key} in profile {profile!r} of {path} is not a setting.",
                hint=near_miss(key.upper(), known),
            )
        read[known[key]] = raw
    return read
