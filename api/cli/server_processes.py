"""`heliostat server start`, `stop` and `status`."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ...runtime.foundation import clock
from ...runtime.foundation.errors import NotFound, Unavailable
from ...runtime.foundation.settings import current_settings, reload_settings
from .failures import Exit
from .lazy import Verb
from .output import Column, note, output_option, write_rows

if TYPE_CHECKING:
    from ..server.record import ServerRecord

_STOP_WITHIN_S = 15.0


@click.command(
    "start",
    cls=Verb,
    examples=(
        "heliostat server start",
        "heliostat server start --port 4300 --api-workers 2",
        "heliostat server start --services scheduler,late-runs",
        "heliostat server start --background",
        "heliostat server start --ray-address 10.0.0.5:6379",
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=4200, show_default=True, help="0 means any free port."
)
@click.option(
    "--api-workers", "--workers", "api_workers", type=click.IntRange(1), default=1, show_default=True,
    help="API processes.",
)  # fmt: skip
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR, for this server.")
@click.option("--scheduler/--no-scheduler", default=True, help="Whether schedules make runs.")
@click.option("--late-runs/--no-late-runs", default=True, help="Whether overdue runs are marked Late.")
@click.option(
    "--background", "-b", is_flag=True, help="Run in the background; return when the server answers."
)
@click.option("--no-services", is_flag=True, help="Serve the API only.")
@click.option(
    "--services",
    metavar="NAMES",
    help="Only these services, comma-separated: ray, scheduler, late-runs, ... See: server services ls.",
)
@click.option("--ray-address", metavar="HOST:PORT", help="Ray cluster to run flows on. Default: a local one.")
@click.option(
    "--stock-ui",
    metavar="PATH",
    help="Folder of an installed prefect package whose pages are to be served too.",
)
@click.option("--log-file", hidden=True)
def start(
    host: str,
    port: int,
    api_workers: int,
    log_level: str | None,
    scheduler: bool,
    late_runs: bool,
    background: bool,
    no_services: bool,
    services: str | None,
    ray_address: str | None,
    stock_ui: str | None,
    log_file: str | None,
) -> int:
    """Serve the API, and run flows on Ray, until Ctrl-C.

    HELIOSTAT_DATABASE_URL names the database, which is made and upgraded at first use.
    """
    from ..server.start import ServerOptions, run, run_in_background

    if background and port == 0:
        raise click.BadParameter("--background needs a fixed port: pass --port.")
    if stock_ui is not None:
        _show_pages_of(stock_ui)
    if log_level is not None:
        os.environ["HELIOSTAT_LOGGING_LEVEL"] = log_level.upper()  # the server's processes read it too
        reload_settings()
    settings = current_settings()  # report a bad setting here, in one line
    off = [name for name, on in (("scheduler", scheduler), ("late-runs", late_runs)) if not on]
    chosen = () if no_services else _services(services, off)
    options = ServerOptions(host, port, api_workers, chosen, ray_address or settings.ray_address)
    return run_in_background(options, note) if background else run(options, note, log_file)


def _services(given: str | None, off: Sequence[str] = ()) -> tuple[str, ...] | None:
    from ..server.start import SERVICES

    if given is None:
        return tuple(name for name in SERVICES if name not in off) if off else None
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise click.BadParameter(f"There is no service {unknown[0]!r}; there are: {', '.join(SERVICES)}.")
    if clash := [name for name in off if name in names]:
        raise click.UsageError(f"--services asks for {clash[0]}, and --no-{clash[0]} refuses it.")
    return names


@click.command("stop", cls=Verb, examples=("heliostat server stop", "heliostat server stop --port 4300"))
@click.option("--port", type=click.IntRange(1, 65535), help="The server on this port, if several run.")
def stop(port: int | None) -> None:
    """Stop a server of this home folder and wait until it has ended."""
    server = _meant(port)
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    until = clock.monotonic_s() + _STOP_WITHIN_S
    while server.is_alive():
        if clock.monotonic_s() > until:
            raise Unavailable(
                f"the server (process {server.pid}) has not ended within {_STOP_WITHIN_S:g} s",
                hint=f"end it by force: kill -9 {server.pid}",
            )
        clock.sleep(0.05)
    note(f"Stopped the server on port {server.port}.")


@click.command(
    "status",
    cls=Verb,
    examples=(
        "heliostat server status",
        "heliostat server status --wait 30",
        "heliostat server status -o json",
    ),
)
@click.option("--port", type=click.IntRange(1, 65535), help="Only the server on this port.")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(-1), metavar="[SECONDS]", is_flag=False, flag_value=-1,
    help="Wait until it is up: this long, or as long as --timeout says.",
)  # fmt: skip
@click.option(
    "--timeout", "-t", "timeout_s", type=click.FloatRange(0), metavar="SECONDS",
    help="How long --wait waits. Default: until it is up.",
)  # fmt: skip
@output_option
def status(port: int | None, wait_s: float | None, timeout_s: float | None, output: str) -> int:
    """Show the servers of this home folder, or the one that HELIOSTAT_API_URL names.

    The exit code is 0 if there is a server and all of them are ready, else 7. `--wait` waits for Ray too.
    """
    if timeout_s is not None and wait_s is None:
        raise click.UsageError("--timeout goes with --wait.")
    if wait_s == -1:  # given without a number
        wait_s = timeout_s or float("inf")
    until = clock.monotonic_s() + (wait_s or 0.0)
    while True:
        rows = _states(port)
        is_ready = bool(rows) and all(row["ready"] for row in rows)
        if wait_s is not None:  # the API answers long before Ray is up
            is_ready = is_ready and all(row["ray"] in (None, "up") for row in rows)
        if is_ready or clock.monotonic_s() >= until:
            break
        clock.sleep(0.1)
    columns = (
        Column("API", "url", "bold"),
        Column("Process", "pid"),
        Column("Ready", lambda row: "yes" if row["ready"] else "no"),
        Column("Ray", lambda row: row["ray"] or "-"),
        Column("Log", "log"),
    )
    write_rows(rows, columns, output, empty="No server runs. Start one: heliostat server start")
    return Exit.OK if is_ready else Exit.UNREACHABLE


def _states(port: int | None) -> list[dict[str, object]]:
    """The record of each server, and whether its API and database answer."""
    from ..server.record import servers
    from ..server.start import answers

    known: list[dict[str, object]] = [asdict(each) for each in servers() if port is None or each.port == port]
    remote = current_settings().api_url
    if remote is not None and port is None and all(each["url"] != remote for each in known):
        known = [{"url": remote, "pid": None, "log": None}]
    return [{**each, "ready": answers(str(each["url"]), "/ready"), "ray": _ray_of(each)} for each in known]


def _ray_of(server: dict[str, object]) -> str | None:
    """The state of the server's Ray; None when it keeps none."""
    from ...actors import keeper_state

    state = keeper_state.read(str(server.get("port")))
    if state is None:
        return None
    if state.is_up and state.actors:
        return "up" if state.problem is None else state.problem
    return state.problem or "starting"


def _show_pages_of(stock_ui: str) -> None:
    """Let the server's processes serve the pages of a package. Raises BadSetting when it has none."""
    from pathlib import Path

    from ..stock_ui import bundles

    folder = Path(stock_ui).expanduser().resolve()
    bundles(folder)
    os.environ["HELIOSTAT_STOCK_UI"] = str(folder)
    reload_settings()


def _meant(port: int | None) -> ServerRecord:
    from ..server.record import servers

    found = [each for each in servers() if port is None or each.port == port]
    if not found:
        where = "" if port is None else f" on port {port}"
        raise NotFound(f"no server of this home folder runs{where}", hint="heliostat server status")
    if len(found) > 1:
        ports = ", ".join(str(each.port) for each in found)
        raise NotFound(f"several servers run, on the ports {ports}", hint="choose one: --port PORT")
    return found[0]
