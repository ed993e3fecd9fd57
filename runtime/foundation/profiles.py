"""Named sets of settings in `$HELIOSTAT_HOME/profiles.toml`, one of which is active.

    active = "staging"

    [profiles.staging]
    HELIOSTAT_API_URL = "https://staging.example.com/api"

A profile `default` is always there, empty unless the file says otherwise. The file is replaced as a whole, so
a reader sees the old one or the new one; comments in it are not kept.
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from .errors import BadSetting, NotFound
from .private_files import make_folder
from .settings import ENV_PREFIX, check_value, home_folder, near_miss, setting_name, setting_specs

DEFAULT_PROFILE = "default"
FILE_NAME = "profiles.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FIXED = ("home", "profile")  # they decide which profile is read, so a profile cannot hold them


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


def read_profiles(home: Path | None = None) -> Profiles:
    """The profiles file under `home` (default: the home folder in force), or an empty one.

    Raises BadSetting when the file is not TOML or holds a name that is no setting.
    """
    path = (home or home_folder()) / FILE_NAME
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


def create_profile(name: str, *, copy_of: str | None = None) -> Profiles:
    """Add an empty profile, or one with the settings of `copy_of`. BadSetting when the name is taken."""
    known = read_profiles()
    _check_new_name(name, known)
    values = dict(known.values_of(copy_of)) if copy_of else {}
    return _write(replace(known, profiles={**known.profiles, name: values}))


def use_profile(name: str) -> Profiles:
    """Make `name` the active profile for every process that does not set HELIOSTAT_PROFILE."""
    known = read_profiles()
    known.values_of(name)
    return _write(replace(known, active=name))


def rename_profile(name: str, new_name: str) -> Profiles:
    """Rename a profile; it stays active if it was."""
    known = read_profiles()
    known.values_of(name)
    _refuse_default(name, "renamed")
    _check_new_name(new_name, known)
    renamed = {new_name if each == name else each: values for each, values in known.profiles.items()}
    return _write(replace(known, active=new_name if known.active == name else known.active, profiles=renamed))


def delete_profile(name: str) -> Profiles:
    """Remove a profile that is not the active one."""
    known = read_profiles()
    known.values_of(name)
    _refuse_default(name, "deleted")
    if known.active == name:
        raise BadSetting(
            f"Profile {name!r} is the active one.", hint=f"first: heliostat profile use {DEFAULT_PROFILE}"
        )
    return _write(replace(known, profiles={each: v for each, v in known.profiles.items() if each != name}))


def set_in_profile(profile: str, values: Mapping[str, str]) -> Profiles:
    """Set settings (any spelling that `setting_name` takes) in a profile; all of them are checked first."""
    known = read_profiles()
    held = dict(known.values_of(profile))
    for given, raw in values.items():
        name = _settable(given)
        check_value(name, raw, "the command line")
        held[name] = raw
    return _write(replace(known, profiles={**known.profiles, profile: held}))


def unset_in_profile(profile: str, names: list[str]) -> Profiles:
    """Remove settings from a profile; raises BadSetting when one of them is not set there."""
    known = read_profiles()
    held = dict(known.values_of(profile))
    for given in names:
        name = _settable(given)
        if name not in held:
            raise BadSetting(
                f"{ENV_PREFIX}{name.upper()} is not set in profile {profile!r}.",
                hint="see what is: heliostat config view --show-sources",
            )
        del held[name]
    return _write(replace(known, profiles={**known.profiles, profile: held}))


def _read_one(profile: str, table: object, path: Path) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise BadSetting(
            f"`profiles.{profile}` in {path} is not a table.", hint=f"write [profiles.{profile}]"
        )
    known = {spec.env_name: spec.name for spec in setting_specs() if spec.name not in _FIXED}
    read: dict[str, Any] = {}
    for key, raw in cast("dict[str, Any]", table).items():
        if key not in known:
            raise BadSetting(
                f"{key} in profile {profile!r} of {path} is not a setting.",
                hint=near_miss(key.upper(), known),
            )
        read[known[key]] = raw
    return read


def _settable(given: str) -> str:
    name = setting_name(given)
    if name in _FIXED:
        raise BadSetting(
            f"{ENV_PREFIX}{name.upper()} decides which profile is read, so a profile cannot hold it.",
            hint=f"set it in the environment: export {ENV_PREFIX}{name.upper()}=...",
        )
    return name


def _check_new_name(name: str, known: Profiles) -> None:
    if not _NAME.fullmatch(name):
        raise BadSetting(
            f"{name!r} cannot be the name of a profile.",
            hint="use letters, digits, '-', '_' and '.', at most 64, the first a letter or digit",
        )
    if name in known.profiles:
        raise BadSetting(
            f"Profile {name!r} exists already.", hint=f"see it: heliostat profile inspect {name}"
        )


def _refuse_default(name: str, verb: str) -> None:
    if name == DEFAULT_PROFILE:
        raise BadSetting(
            f"Profile {name!r} is always there and cannot be {verb}.",
            hint="empty it with: heliostat config unset NAME",
        )


def _write(known: Profiles) -> Profiles:
    """Replace the file in one step, readable by its owner only: a database URL may hold a password."""
    folder = known.path.parent
    handle = -1
    temporary = ""
    try:
        make_folder(folder)
        handle, temporary = tempfile.mkstemp(prefix=FILE_NAME, dir=folder)  # made with mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_as_toml(known))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, known.path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise BadSetting(
            f"{known.path} cannot be written: {error.strerror}", hint="check permissions and free space"
        ) from error
    return known


def _as_toml(known: Profiles) -> str:
    lines = [f"active = {_toml_value(known.active)}"]
    for name, values in known.profiles.items():
        lines += ["", f"[profiles.{_toml_value(name)}]"]
        lines += [f"{ENV_PREFIX}{key.upper()} = {_toml_value(raw)}" for key, raw in values.items()]
    return "\n".join(lines) + "\n"


def _toml_value(raw: object) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return repr(raw)
    return '"' + "".join(map(_toml_character, str(raw))) + '"'


def _toml_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\u{ord(character):04x}"
    return character
