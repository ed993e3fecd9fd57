"""`heliostat version`."""

from __future__ import annotations

import click

from .lazy import Verb
from .output import output_option, write_json, write_one


@click.command("version", cls=Verb, examples=("heliostat version", "heliostat version --output json"))
@output_option
def version(output: str) -> None:
    """Show the versions of Heliostat and its main dependencies."""
    import platform
    import sqlite3
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    from ...runtime.foundation.settings import current_settings

    def installed(name: str) -> str | None:
        try:
            return version_of(name)
        except PackageNotFoundError:
            return None

    settings = current_settings()
    facts = {
        "version": installed("heliostat"),
        "python": platform.python_version(),
        "ray": installed("ray"),
        "sqlalchemy": installed("sqlalchemy"),
        "pydantic": installed("pydantic"),
        "sqlite": sqlite3.sqlite_version,
        "platform": platform.platform(),
        "profile": settings.profile,
        "database": settings.masked("database_url"),
    }
    if output == "table":
        write_one(facts.items())
    else:
        write_json(facts, indent=output == "json")
