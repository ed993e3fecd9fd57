"""Shared by the benchmarks: a fresh database, rounds of all variants, and a table of figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, cast

import psutil


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


@contextlib.contextmanager
def fresh_home(database: str) -> Generator[str]:
    """A home folder and an empty database for this process; both are removed afterwards."""
    folder = tempfile.mkdtemp(prefix="heliostat-benchmark-")
    url = (
        f"sqlite:///{folder}/bench.db" if database == "sqlite" else f"postgres+embedded:///{folder}/postgres"
    )
    os.environ |= {
        "HELIOSTAT_HOME": folder,
        "HELIOSTAT_DATABASE_URL": url,
        "HELIOSTAT_LOGGING_LEVEL": "ERROR",
        "HELIOSTAT_PROGRESS": "never",
    }
    from heliostat.runtime.foundation.own_rays import token_file
    from heliostat.runtime.foundation.settings import reload_settings
    from heliostat.runtime.journal.current import close_current_recording

    reload_settings()
    # Bare Ray gets Heliostat's protection too, so that both sides of a comparison pay for it.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file())}
    try:
        yield url
    finally:
        close_current_recording()
        shutil.rmtree(folder, ignore_errors=True)


def completed_in_database(flow_run_id: Any) -> int:
    """How many task runs of a flow run are COMPLETED, counted by the database itself."""
    from heliostat.runtime.journal.current import current_recording
    from heliostat.runtime.store import task_runs

    counts = current_recording().call(task_runs.count_by_state, flow_run_id)
    return counts.get("COMPLETED", 0)


@dataclass(frozen=True, slots=True)
class Taken:
    """The time that one variant took in one round."""

    seconds: float
    cpu_s: float  # of this process, its children and the database, during the round


def in_turns(rounds: int, variants: dict[str, Callable[[], None]]) -> dict[str, list[Taken]]:
    """Run every variant once per round, every other round in reverse order. So other work on the machine, and
    the traces of the variant before, affect all variants equally.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in variants if number % 2 == 0 else reversed(variants):
            before, began = _cpu_s_by_process(), time.perf_counter()
            variants[name]()
            seconds, after = time.perf_counter() - began, _cpu_s_by_process()
            cpu_s = sum(spent - before.get(pid, 0.0) for pid, spent in after.items())
            taken[name].append(Taken(seconds, cpu_s))
    return taken


def _cpu_s_by_process() -> dict[int, float]:
    """CPU seconds so far of the benchmark's processes: this one, Ray's and Postgres's."""
    here = psutil.Process()
    ours = [here, *here.children(recursive=True)]
    folder = os.environ["HELIOSTAT_HOME"]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and any(folder in word for word in process.cmdline()):
                ours += [process, *process.children(recursive=True)]
    spent: dict[int, float] = {}
    for process in ours:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            spent[process.pid] = times.user + times.system
    return spent


def median(seconds: list[float]) -> float:
    return statistics.median(seconds)


def machine() -> dict[str, Any]:
    """The machine on which the figures were taken."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def report(figures: dict[str, Any], as_json: bool) -> None:
    """Print figures as JSON, or as lines for people."""
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for inner, entry in cast("dict[str, Any]", value).items():
                print(f"  {inner:<42} {_shown(entry)}")
        else:
            print(f"{name:<44} {_shown(value)}")


def _shown(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
