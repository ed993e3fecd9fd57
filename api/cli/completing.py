"""Names that shells complete: those that were seen last, renewed behind the person's back.

Asking a server takes longer than a person waits for a completion. So a completion answers from a file under
the home folder at once, and starts a process that writes the file anew when it is old.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ...runtime.foundation import clock
from ...runtime.foundation.settings import current_settings, home_folder

KINDS = {
    "artifact": "/artifacts/latest/filter",
    "automation": "/automations/filter",
    "block": "/block_documents/filter",
    "block type": "/block_types/filter",
    "deployment": "/deployments/filter",
    "flow run": "/flow_runs/filter",
    "global limit": "/v2/concurrency_limits/filter",
    "tag limit": "/concurrency_limits/filter",
    "variable": "/variables/filter",
    "work pool": "/work_pools/filter",
}
"""Kinds of things, with the routes that list them."""

FRESH_S = 20.0
SHOWN = 100


def completer(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes names of things of a kind."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names, is_fresh = known_names(kind)
        if not is_fresh:
            _renew_behind(kind)
        return [CompletionItem(name) for name in names if name.startswith(incomplete)][:SHOWN]

    return complete


def known_names(kind: str) -> tuple[list[str], bool]:
    """The names that were seen last, and whether that was a moment ago."""
    path = names_file(kind)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        age_s = clock.now().timestamp() - path.stat().st_mtime
    except (OSError, ValueError):
        return [], False
    return [str(name) for name in names], 0 <= age_s < FRESH_S


def names_file(kind: str) -> Path:
    """The file of a kind, for the server or database that is asked."""
    settings = current_settings()
    where = hashlib.sha256((settings.api_url or settings.database_url).encode()).hexdigest()[:12]
    return home_folder() / "completions" / f"{where}-{kind.replace(' ', '-')}.json"


def _renew_behind(kind: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "_HELIOSTAT_COMPLETE"}
    subprocess.Popen(
        [sys.executable, "-m", "heliostat", "completion", "renew", kind],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
