"""Making, changing and removing profiles: named sets of settings, one of which is active.

The profiles file is replaced as a whole, so a reader sees the old file or the new one; comments are lost.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from .errors import BadSetting
from .private_files import make_folder
from .profiles_file import DEFAULT_PROFILE, FILE_NAME, FIXED, Profiles, read_profiles
from .setting_table import ENV_PREFIX, check_value, setting_name
from .settings import home_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def current_profiles() -> Profiles:
    """The profiles under the home folder in force. Raises BadSetting when their file is bad."""
    return read_profiles(home_folder())


def create_profile(name: str, *, copy_of: str | None = None) -> Profiles:
    """Add an empty profile, or one with the settings of `copy_of`. BadSetting when the name is taken."""
    known = current_profiles()
    _check_new_name(name, known)
    values = dict(known.values_of(copy_of)) if copy_of else {}
    return _write(replace(known, profiles={**known.profiles, name: values}))


def use_profile(name: str) -> Profiles:
    """Make `name` the active profile for every process that does not set HELIOSTAT_PROFILE."""
    known = current_profiles()
    known.values_of(name)
    return _write(replace(known, active=name))


def rename_profile(name: str, new_name: str) -> Profiles:
    """Rename a profile; it stays active if it was."""
    known = current_profiles()
    known.values_of(name)
    _refuse_default(name, "renamed")
    _check_new_name(new_name, known)
    renamed = {new_name if each == name else each: values for each, values in known.profiles.items()}
    return _write(replace(known, active=new_name if known.active == name else known.active, profiles=renamed))


def delete_profile(name: str) -> Profiles:
    """Remove a profile. Raises BadSetting for the active and the default one."""
    known = current_profiles()
    known.values_of(name)
    _refuse_default(name, "deleted")
    if known.active == name:
        raise BadSetting(
            f"Profile {name!r} is the active one.", hint=f"first: heliostat profile use {DEFAULT_PROFILE}"
        )
    return _write(replace(known, profiles={each: v for each, v in known.profiles.items() if each != name}))


def set_in_profile(profile: str, values: Mapping[str, str]) -> Profiles:
    """Set settings (any spelling that `setting_name` accepts) in a profile, after all of them were
    checked.
    """
    known = current_profiles()
    held = dict(known.values_of(profile))
    for given, raw in values.items():
        name = _settable(given)
        check_value(name, raw, "the command line")
        held[name] = raw
    return _write(replace(known, profiles={**known.profiles, profile: held}))


def unset_in_profile(profile: str, names: list[str]) -> Profiles:
    """Remove settings from a profile; raises BadSetting when one of them is not set there."""
    known = current_profiles()
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


def _settable(given: str) -> str:
    name = setting_name(given)
    if name in FIXED:
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
        with os.fdopen(handle, "wb") as file:
            tomli_w.dump(_as_tables(known), file)
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


def _as_tables(known: Profiles) -> dict[str, Any]:
    named = {
        name: {f"{ENV_PREFIX}{key.upper()}": raw for key, raw in values.items()}
        for name, values in known.profiles.items()
    }
    return {"active": known.active, "profiles": named}
