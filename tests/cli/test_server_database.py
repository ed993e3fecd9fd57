"""`heliostat server database`: schema up, down and anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def rows(heliostat) -> list[dict[str, object]]:
    return json.loads(heliostat("flow-run", "ls", "-o", "json").stdout)


def test_upgrade_makes_the_database_and_a_second_one_changes_nothing(heliostat, heliostat_home: Path) -> None:
    assert "(was empty)" in heliostat("server", "database", "upgrade").stderr
    assert (heliostat_home / "heliostat.db").is_file()
    assert "as before" in heliostat("server", "database", "upgrade").stderr


def test_dry_run_makes_no_database(heliostat, heliostat_home: Path) -> None:
    for verb in ("upgrade", "reset"):
        done = heliostat("server", "database", verb, "--dry-run")
        assert done.exit_code == 0
        assert "Would" in done.stderr
    assert list(heliostat_home.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("reset",), 2),
        (("reset", "--dry-run"), 0),
        (("downgrade", "-r", "base"), 2),
        (("downgrade", "-r", "base", "--dry-run"), 0),
        (("downgrade", "-r", "nowhere", "--yes"), 3),
        (("upgrade", "-r", "nowhere"), 3),
    ],
)
def test_without_consent_or_with_a_wrong_schema_nothing_is_lost(
    heliostat, recorded, words: tuple[str, ...], code: int
) -> None:
    assert heliostat("server", "database", *words).exit_code == code
    assert len(rows(heliostat)) == 2


@pytest.mark.parametrize("words", [("reset", "--yes"), ("downgrade", "--revision", "base", "--yes")])
def test_with_consent_the_database_is_empty_and_usable(heliostat, recorded, words: tuple[str, ...]) -> None:
    assert heliostat("server", "database", *words).exit_code == 0
    assert rows(heliostat) == []


def test_database_of_a_newer_version_is_refused_and_left_alone(
    heliostat, recorded, heliostat_home: Path
) -> None:
    import sqlite3

    connection = sqlite3.connect(heliostat_home / "heliostat.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    for words in (
        ("flow-run", "ls"),
        ("server", "database", "upgrade"),
        ("server", "database", "reset", "--yes"),
    ):
        refused = heliostat(*words)
        assert refused.exit_code == 1
        assert "9999" in refused.stderr
    assert connection.execute("SELECT count(*) FROM flow_run").fetchone() == (2,)
    connection.close()
