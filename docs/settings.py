"""Write `docs/settings.md` from the table of settings: `python docs/settings.py`. A test compares the two."""

from __future__ import annotations

from pathlib import Path

from heliostat.runtime.foundation.setting_table import setting_specs

HEAD = """\
# Settings

Strongest first: the environment, the active profile in `$HELIOSTAT_HOME/profiles.toml`, defaults.
`heliostat config view --show-sources` shows the values in force and where each comes from;
`heliostat config set NAME=VALUE` sets one in the active profile. A bad value is refused: the error says what
is accepted, and nothing changes.

This page is written by `docs/settings.py`.

| name | default | what it is |
|---|---|---|
"""


def settings_page() -> str:
    """The whole page as text."""
    rows = [f"| `{spec.env_name}` | {_code(spec.default)} | {spec.doc} |" for spec in setting_specs()]
    return HEAD + "\n".join(rows) + "\n"


def _code(default: str) -> str:
    return f"`{default}`" if default else "unset"


if __name__ == "__main__":
    Path(__file__).with_suffix(".md").write_text(settings_page(), encoding="utf-8")
