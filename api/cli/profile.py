"""`heliostat profile`: sets of settings, one of which is active."""

from __future__ import annotations

import os

import click

from ...runtime.foundation import profiles
from ...runtime.foundation.setting_table import ENV_PREFIX, mask, text_of
from .lazy import Lazy, Noun, verb
from .output import (
    Column,
    confirm_or_refuse,
    note,
    output_option,
    write_json,
    write_one,
    write_rows,
    yes_option,
)


@click.group(
    cls=Noun,
    lazy={
        "import-prefect": Lazy(".profile_import:import_prefect", "Take over profiles of the stock client."),
        "populate-defaults": Lazy(".profile_import:populate_defaults", "Make the usual profiles."),
    },
)
def profile() -> None:
    """Keep several sets of settings (dev, staging, prod) and switch between them.

    Profiles are kept in $HELIOSTAT_HOME/profiles.toml. HELIOSTAT_PROFILE chooses one for a single command.
    """


@verb(profile, "ls", "heliostat profile ls", "heliostat profile ls --output json")
@output_option
def ls(output: str) -> None:
    """List profiles; the active one has a star."""
    known = profiles.current_profiles()
    active = _active_name(known)
    rows = [
        {"name": name, "active": name == active, "settings": len(values)}
        for name, values in known.profiles.items()
    ]
    columns = [
        Column("", lambda row: "*" if row["active"] else ""),
        Column("Name", "name", "bold"),
        Column("Settings", "settings"),
    ]
    write_rows(rows, columns, output)


@verb(profile, "create", "heliostat profile create staging", "heliostat profile create prod --from staging")
@click.argument("name")
@click.option("--from", "copy_of", metavar="PROFILE", help="Copy the settings of this profile.")
def create(name: str, copy_of: str | None) -> None:
    """Make a new profile."""
    profiles.create_profile(name, copy_of=copy_of)
    note(f"Profile {name!r} is made. Use it: heliostat profile use {name}")


@verb(profile, "use", "heliostat profile use staging")
@click.argument("name")
def use(name: str) -> None:
    """Make a profile the active one."""
    known = profiles.use_profile(name)
    note(f"Profile {name!r} is active.")
    forced = _active_name(known)
    if forced != name:
        note(f"In this shell HELIOSTAT_PROFILE={forced} overrides it.")


@verb(profile, "inspect", "heliostat profile inspect", "heliostat profile inspect staging --output json")
@click.argument("name", required=False)
@click.option("--show-secrets", is_flag=True, help="Show passwords in URLs.")
@output_option
def inspect(name: str | None, show_secrets: bool, output: str) -> None:
    """Show what a profile (default: the active one) sets."""
    known = profiles.current_profiles()
    values = known.values_of(name or _active_name(known))
    shown = {
        ENV_PREFIX + key.upper(): text_of(raw) if show_secrets else mask(key, text_of(raw))
        for key, raw in values.items()
    }
    if output != "table":
        write_json(shown, indent=output == "json")
    elif shown:
        write_one(shown.items())
    else:
        note("This profile sets nothing. Set something: heliostat config set NAME=VALUE")


@verb(profile, "rename", "heliostat profile rename staging stage")
@click.argument("name")
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Rename a profile; the active profile stays active."""
    profiles.rename_profile(name, new_name)
    note(f"Profile {name!r} is now {new_name!r}.")


@verb(
    profile, "delete", "heliostat profile delete staging --yes", "heliostat profile delete staging --dry-run"
)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and do nothing.")
@yes_option
def delete(name: str, dry_run: bool, yes: bool) -> None:
    """Delete a profile that is not the active one."""
    values = profiles.current_profiles().values_of(name)
    if dry_run:
        note(f"Would delete profile {name!r} with {len(values)} setting(s).")
        return
    confirm_or_refuse(f"Delete profile {name!r} and its settings?", yes)
    profiles.delete_profile(name)
    note(f"Profile {name!r} is deleted.")


def _active_name(known: profiles.Profiles) -> str:
    """The profile in force, without an error when the environment names a missing one."""
    return os.environ.get("HELIOSTAT_PROFILE") or known.active
