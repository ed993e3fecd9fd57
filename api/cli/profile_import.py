"""`heliostat profile import-prefect` and `populate-defaults`: profiles that need not be typed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from ...runtime.foundation import profiles
from ...runtime.foundation.errors import BadSetting, NotFound
from ...runtime.foundation.setting_table import check_value, mask
from .lazy import Verb
from .output import Column, note, output_option, write_rows

_STOCK_SETTINGS = {
    "PREFECT_API_URL": "api_url",
    "PREFECT_API_AUTH_STRING": "api_auth_string",
    "PREFECT_SERVER_API_AUTH_STRING": "server_auth_string",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": None,
    "PREFECT_LOGGING_LEVEL": "logging_level",
    "PREFECT_API_DATABASE_CONNECTION_URL": None,
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": None,
}
"""Settings of the stock client, with ours. None: left out on purpose, as a database of another form is."""

_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "ephemeral": {},
    "local": {"api_url": "http://127.0.0.1:4200/api"},
}


@click.command(
    "import-prefect",
    cls=Verb,
    examples=(
        "heliostat profile import-prefect --dry-run",
        "heliostat profile import-prefect staging --as staging-2",
        "heliostat profile import-prefect --file ~/.prefect/profiles.toml --overwrite",
    ),
)
@click.argument("names", metavar="[PROFILE]...", nargs=-1)
@click.option(
    "--file",
    "-f",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The profiles file of the stock client. Default: that of PREFECT_HOME or ~/.prefect.",
)
@click.option("--as", "new_name", metavar="NAME", help="Name of the profile here, when one is taken over.")
@click.option("--overwrite", is_flag=True, help="Change profiles of these names that are here.")
@click.option("--dry-run", is_flag=True, help="Show what would be set, and do nothing.")
@output_option
def import_prefect(
    names: tuple[str, ...],
    file: Path | None,
    new_name: str | None,
    overwrite: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Take over profiles of the stock client: addresses, passwords, log levels. Other settings are left."""
    path = file or Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect") / "profiles.toml"
    found = _read(path)
    for name in names:
        if name not in found:
            raise NotFound(f"There is no profile {name!r} in {path}.", hint=f"there are: {', '.join(found)}")
    chosen = {name: found[name] for name in names or found}
    if new_name is not None and len(chosen) != 1:
        raise click.UsageError("--as goes with one profile.")
    known = profiles.current_profiles().profiles
    rows: list[dict[str, Any]] = []
    for name, values in chosen.items():
        here = new_name or name
        if here in known and known[here] and not overwrite:
            raise BadSetting(f"There is a profile {here!r} already.", hint="add --overwrite, or --as NAME")
        for setting, value in values.items():
            ours = _STOCK_SETTINGS.get(setting)
            if ours is not None:
                check_value(ours, value, str(path))
            shown = mask(ours, value) if ours else ""
            rows.append({"profile": here, "from": setting, "to": ours, "value": shown})
    if not dry_run:
        for name, values in chosen.items():
            here = new_name or name
            if here not in known:
                profiles.create_profile(here)
            mine = {ours: value for key, value in values.items() if (ours := _STOCK_SETTINGS.get(key))}
            if mine:
                profiles.set_in_profile(here, mine)
    columns = (
        Column("Profile", "profile", "bold"),
        Column("Setting there", "from"),
        Column("Setting here", lambda row: row["to"] or "left out: it has no counterpart"),
        Column("Value", "value"),
    )
    write_rows(rows, columns, output, empty="These profiles set nothing.")
    note(f"{'Would take' if dry_run else 'Took'} over {len(chosen)} profile(s) of {path}.")


@click.command("populate-defaults", cls=Verb, examples=("heliostat profile populate-defaults",))
def populate_defaults() -> None:
    """Make the profiles `ephemeral` (no server) and `local` (a server here). Those that are here stay."""
    known = profiles.current_profiles().profiles
    made = [name for name in _DEFAULTS if name not in known]
    for name in made:
        profiles.create_profile(name)
        if _DEFAULTS[name]:
            profiles.set_in_profile(name, _DEFAULTS[name])
    note(f"Made: {', '.join(made)}." if made else "All of them are here already.")


def _read(path: Path) -> dict[str, dict[str, str]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", hint="name it: --file FILE") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path} is not valid TOML: {error}", hint="mend it, or name another file") from None
    tables = cast("dict[str, dict[str, Any]]", document.get("profiles") or {})
    return {name: {key: str(value) for key, value in table.items()} for name, table in tables.items()}
