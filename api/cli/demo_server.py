"""The demo as a deployment: on a running server or a new one, with a run that is followed to its end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ...demo.command import Outcome, outcome_of
from ...runtime.foundation import clock
from ...runtime.foundation.errors import Unavailable
from ...runtime.foundation.local_servers import ServerRecord, server_at, servers
from ...runtime.foundation.settings import current_settings, override_settings
from ...runtime.journal.current import current_recording
from ...runtime.states import FINAL_STATES
from ...runtime.store import flow_runs, task_runs
from .output import note
from .remote import with_client
from .web import own_pages

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.engine.progress import ProgressLine, Screen

_PORT = 4200
_RAY_WITHIN_S = 120.0
_STOP_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.25
_POOL = "default"


@dataclass(frozen=True, slots=True)
class DemoServer:
    """The server that the demo runs on; `record` is set if that is on this machine."""

    url: str
    record: ServerRecord | None
    is_own: bool


@contextmanager
def demo_server() -> Generator[DemoServer]:
    """The server that HELIOSTAT_API_URL names or that runs under this home folder, or else a new one, which
    ends with the `with` block. Raises Unavailable when its Ray does not come up.
    """
    url = current_settings().api_url
    running = [each for each in servers() if url is None or each.url == url]
    if url is not None or running:
        server = DemoServer(url or running[0].url, running[0] if running else None, False)
        note(f"Pages: {own_pages(server.url)}/")
        note(f"Using the server at {server.url}.")
    else:
        server = _start()
    try:
        if server.record is not None:
            _wait_for_ray(server.record)
        with override_settings(api_url=server.url):
            yield server
    finally:
        if server.is_own and server.record is not None:
            note("Stopping the server ...")
            _stop(server.record)


def run_on(server: DemoServer, files: int | None) -> Outcome:
    """Deploy the survey to the default pool, start a run of it, and follow that to its end."""

    async def start(client: HeliostatClient) -> UUID:
        flow_id = await client.create_flow_from_name("survey")
        deployment_id = await client.create_deployment(
            flow_id,
            "demo",
            description="Surveys the Python files of the installation that runs it.",
            entrypoint="heliostat.demo.survey:survey",
            work_pool_name=_POOL,
            enforce_parameter_schema=False,
        )
        return (await client.create_flow_run_from_deployment(deployment_id, parameters={"files": files})).id

    run_id = with_client(start)
    note(f"Flow run {run_id} of deployment survey/demo goes to work pool {_POOL!r}.")
    _follow(run_id)
    # Name the database too: a server that the demo started may be gone when people look at the run.
    database = current_settings().masked("database_url") if server.is_own else server.url
    return outcome_of(run_id, "ray", database)


def stay_up(server: DemoServer) -> None:
    """Wait until Ctrl-C, or until the server ends."""
    note(f"The server stays up at {server.url} until Ctrl-C. From another terminal:")
    note("  heliostat deployment run survey/demo --param files=500 --watch")
    with suppress(KeyboardInterrupt):
        while server.record is not None and server.record.is_alive():
            clock.sleep(0.5)


def _start() -> DemoServer:
    from ..server.start import ServerOptions, pages_url, run_in_background

    options = ServerOptions("127.0.0.1", _free_port(), ray_address=current_settings().ray_address)
    note("Starting a server ...")
    run_in_background(options, _say_nothing)
    record = server_at(options.port)
    if record is None:
        raise Unavailable("the server ended at once", hint="see why: heliostat server start")
    note(f"Pages: {pages_url(options)}")
    note(f"Server: {record.url} (docs: {record.url.removesuffix('/api')}/docs), log: {record.log}")
    return DemoServer(record.url, record, True)


def _say_nothing(_text: str) -> None:
    """Hides the server's banner, which tells how to stop it: the demo stops it by itself."""


def _follow(run_id: UUID) -> None:
    ask = current_recording().call
    screen, began, state = _screen(), clock.monotonic_s(), None
    try:
        while True:
            run = ask(flow_runs.read, run_id)
            line = _line(ask(task_runs.count_by_state, run_id), clock.monotonic_s() - began)
            if screen is None and run.state_name != state:
                note(f"survey: {run.state_name}")
            state = run.state_name
            if run.state_type in FINAL_STATES:
                break
            if screen is not None:
                screen.show([line])
            clock.sleep(_LOOK_EVERY_S)
        if screen is not None:
            screen.keep([line])
    finally:
        if screen is not None:
            screen.close()


def _line(counts: dict[str, int], elapsed_s: float) -> ProgressLine:
    from ...runtime.engine.progress import ProgressLine

    ended = {kind.value: counts.get(kind, 0) for kind in sorted(FINAL_STATES)}
    done = sum(ended.values())
    return ProgressLine(
        "survey",
        done,
        None,  # only the run itself finds out how many there are
        ended["FAILED"] + ended["CRASHED"],
        ended["CANCELLED"],
        sum(counts.values()) - done,
        done / elapsed_s if elapsed_s else 0.0,
        elapsed_s,
        False,
    )


def _screen() -> Screen | None:
    """Where to show progress, by the setting `progress`; None for nowhere."""
    from ...runtime.authoring.terminal import terminal_here
    from ...runtime.engine.progress_screens import LinesNowAndThen, RichScreen

    terminal, wanted = terminal_here(), current_settings().progress
    if wanted == "never" or (wanted == "auto" and not terminal.can_redraw):
        return None
    return RichScreen(terminal) if terminal.can_redraw else LinesNowAndThen(terminal)


def _wait_for_ray(record: ServerRecord) -> None:
    from ...actors import keeper_state

    until = clock.monotonic_s() + _RAY_WITHIN_S
    problem, is_told = None, False
    while clock.monotonic_s() < until and record.is_alive():
        state = keeper_state.read(str(record.port))
        if state is not None and state.is_up and state.actors:
            return
        problem = problem if state is None else state.problem
        if not is_told:
            note("Waiting for Ray, which takes a few seconds ...")
            is_told = True
        clock.sleep(0.1)
    raise Unavailable(
        f"Ray did not come up within {_RAY_WITHIN_S:g} s" + (f": {problem}" if problem else ""),
        hint="run the demo without a server: heliostat demo --runner threads",
    )


def _stop(record: ServerRecord) -> None:
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    until = clock.monotonic_s() + _STOP_WITHIN_S
    while record.is_alive() and clock.monotonic_s() < until:
        clock.sleep(0.05)


def _free_port() -> int:
    for wanted in (_PORT, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", wanted)) as free:
            return int(free.getsockname()[1])
    raise Unavailable("no port is free on this machine")
