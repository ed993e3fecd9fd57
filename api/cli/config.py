"""`heliostat config`: the settings in force, and those of the active profile."""

from __future__ import annotations

import os

import click

from ...runtime.foundation import profiles
from ...runtime.foundation.errors import BadSetting
from ...runtime.foundation.setting_table import check_value, setting_name, setting_specs, text_of
from ...runtime.foundation.settings import current_settings, setting_sources
from .failures import Exit
from .lazy import Noun, verb
from .output import Column, note, output_option, write_json, write_rows

_SOURCES = {"env": "environment", "profile": "profile", "default": "default", "override": "override"}


@click.group(cls=Noun)
def config() -> None:
    """See settings, and set them in the active profile.

    Strongest first: environment HELIOSTAT_<NAME>, the active profile, defaults.
    """


@verb(
    config,
    "view",
    "heliostat config view",
    "heliostat config view --show-sources",
    "heliostat config view database_url --show-secrets",
)
@click.argument("names", nargs=-1)
@click.option("--show-sources/--hide-sources", help="Show where each value comes from.")
@click.option("--show-secrets/--hide-secrets", help="Show passwords in URLs.")
@click.option("--show-defaults/--hide-defaults", default=True, help="Show settings at their default too.")
@click.option("--changed", is_flag=True, help="Short for --hide-defaults.")
@output_option
def view(
    names: tuple[str, ...],
    show_sources: bool,
    show_secrets: bool,
    show_defaults: bool,
    changed: bool,
    output: str,
) -> None:
    """Show the settings in force, with defaults."""
    settings, sources = current_settings(), setting_sources()
    chosen, all_of_them = {setting_name(each) for each in names}, show_defaults and not changed
    rows = [
        {
            "name": spec.env_name,
            "value": text_of(getattr(settings, spec.name)) if show_secrets else settings.masked(spec.name),
            "source": _SOURCES[sources[spec.name]],
        }
        for spec in setting_specs()
        if (not chosen or spec.name in chosen) and (all_of_them or sources[spec.name] != "default")
    ]
    if output == "json" and not show_sources:
        write_json({row["name"]: row["value"] for row in rows})
        return
    columns = [Column("Name", "name", "bold"), Column("Value", "value")]
    if show_sources:
        columns.append(Column("Source", "source", "dim"))
    write_rows(rows, columns, output, empty="Everything is at its default.")


@verb(
    config,
    "set",
    "heliostat config set HELIOSTAT_LOGGING_LEVEL=DEBUG",
    "heliostat config set database_url=postgresql://me:secret@db.example.com/heliostat lease_s=30",
)
@click.argument("assignments", metavar="NAME=VALUE...", nargs=-1, required=True)
@click.option("--profile", "profile_name", metavar="PROFILE", help="Change this profile, not the active one.")
def set_(assignments: tuple[str, ...], profile_name: str | None) -> None:
    """Set settings in the active profile. A bad name or value changes nothing."""
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise click.BadParameter(f"{assignment!r} is not of the form NAME=VALUE.")
        values[name] = value
    target = profile_name or _active_name()
    profiles.set_in_profile(target, values)
    for name in values:
        _say_if_hidden(setting_name(name))
    note(f"Profile {target!r} is saved.")


@verb(config, "unset", "heliostat config unset HELIOSTAT_LOGGING_LEVEL", "heliostat config unset lease_s")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--profile", "profile_name", metavar="PROFILE", help="Change this profile, not the active one.")
@click.option("--yes", "-y", is_flag=True, help="Accepted for scripts of the stock client: nothing is asked.")
def unset(names: tuple[str, ...], profile_name: str | None, yes: bool) -> None:
    """Remove settings from the active profile, so that their defaults hold again."""
    target = profile_name or _active_name()
    profiles.unset_in_profile(target, list(names))
    note(f"Profile {target!r} is saved.")


@verb(config, "validate", "heliostat config validate", "heliostat config validate --profile prod")
@output_option
def validate(output: str) -> None:
    """Check every profile: names and values of its settings. The exit code is 2 when something is wrong."""
    rows: list[dict[str, str]] = []
    for profile_name, values in profiles.current_profiles().profiles.items():
        for name, value in values.items():
            try:
                check_value(setting_name(name), text_of(value), f"profile {profile_name!r}")
            except BadSetting as error:
                rows.append({"profile": profile_name, "name": name, "problem": str(error)})
    columns = (Column("Profile", "profile", "bold"), Column("Name", "name"), Column("Problem", "problem"))
    write_rows(rows, columns, output, empty="All settings of all profiles are valid.")
    if rows:
        raise click.exceptions.Exit(Exit.USAGE)


def _active_name() -> str:
    """The active profile, found without checking its values, so that `set` can mend a bad one."""
    return os.environ.get("HELIOSTAT_PROFILE") or profiles.current_profiles().active


def _say_if_hidden(name: str) -> None:
    variable = f"HELIOSTAT_{name.upper()}"
    if os.environ.get(variable):
        note(f"In this shell the environment variable {variable} overrides it.")
