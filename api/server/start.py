"""`heliostat server start`: binds the port, supervises the server's processes, prints their addresses."""

from __future__ import annotations

import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from types import FrameType

from ...actors import keeper_state
from ...actors.loops.names import LOOPS
from ...runtime.foundation import clock
from ...runtime.foundation.errors import PortTaken, Unavailable
from ...runtime.foundation.private_files import make_file, make_folder, shut
from ...runtime.foundation.proxies import is_loopback
from ...runtime.foundation.settings import current_settings
from ..page_addresses import base_of
from .children import Child, Children
from .record import OwnRecord, ServerRecord, log_path, server_at

Say = Callable[[str], None]

_START_WITHIN_S = 60.0
_ANY = ("0.0.0.0", "::", "")  # hosts that mean every address of the machine


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options of `heliostat server start`."""

    host: str
    port: int
    api_workers: int = 1
    services: tuple[str, ...] | None = None  # None: all of them
    ray_address: str | None = None  # None: the server starts a local Ray

    def has(self, service: str) -> bool:
        """Whether this server is to run a service."""
        return self.services is None or service in self.services


RAY = "ray"
SERVICES = {
    RAY: "keeps the control actors on Ray: journal, work pools and their supervisors",
    **LOOPS,
}
"""What `--services` chooses from: the keeper of Ray, and the loops of the services process."""


def run(options: ServerOptions, say: Say, log: str | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; returns the exit code. Raises PortTaken."""
    _shut_home(say)
    listener = _listen(options)
    port = int(listener.getsockname()[1])
    options = replace(options, port=port)
    own = OwnRecord(port)
    record = ServerRecord(os.getpid(), options.host, port, api_url(options), False, log)
    own.write(record)
    children = Children(_tree(options, listener), sys.executable)
    _stop_on_signals(children)
    greeting = _Greeting(record, own, options, say)
    try:
        return children.run(greeting.when_up)
    finally:
        listener.close()
        _stop_embedded_database()
        own.close()
        say("Heliostat server has stopped.")


def _shut_home(say: Say) -> None:
    """Close the home folder to other users: it holds passwords, keys and results."""
    home = make_folder(current_settings().home)
    opened = shut(home)
    if opened:
        more = f", and {len(opened) - 3} more" if len(opened) > 3 else ""
        say(f"Other users of this machine could read the home folder: {'; '.join(opened[:3])}{more}.")


def _stop_embedded_database() -> None:
    url = current_settings().database_url
    if "+embedded" in url:
        from ...runtime.store.database.urls import stop_embedded_server

        with suppress(Exception):  # if it keeps running, the next server finds it
            stop_embedded_server(url)


def run_in_background(options: ServerOptions, say: Say) -> int:
    """Start a server that outlives this command, and wait until it answers. Raises PortTaken, Unavailable."""
    _listen(options).close()  # report a taken port before starting a process
    log = log_path(options.port)
    make_file(log)
    command = [sys.executable, "-m", __name__.partition(".")[0], "server", "start", *_as_words(options)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--log-file", str(log)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    until = clock.monotonic_s() + _START_WITHIN_S
    while clock.monotonic_s() < until and process.poll() is None:
        record = server_at(options.port)
        if record is not None and record.pid == process.pid and record.ready:
            say(banner(record, options))
            return 0
        clock.sleep(0.05)
    with suppress(ProcessLookupError):
        process.terminate()  # a server that does not answer is of no use
    # The log is only shown, so broken bytes do not matter.
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:])
    raise Unavailable(f"the server did not start: {last or 'it says nothing'}", hint=f"see {log}")


def _as_words(options: ServerOptions) -> list[str]:
    words = ["--host", options.host, "--port", str(options.port), "--api-workers", str(options.api_workers)]
    if options.services is not None:
        words += ["--services", ",".join(options.services)] if options.services else ["--no-services"]
    if options.ray_address is not None:
        words += ["--ray-address", options.ray_address]
    return words


def banner(record: ServerRecord, options: ServerOptions) -> str:
    """The server's addresses, and the settings by which others reach it."""
    lines = [
        f"Heliostat {version('heliostat')} is up (process {record.pid}).",
        "",
        f"  Pages      {pages_url(options)}",
        f"  API        {record.url}",
        f"  API docs   {_root(options)}/docs",
        f"  Database   {current_settings().masked('database_url')}",
        f"  Ray        {_ray_line(options)}",
        "",
        "To reach it from elsewhere:",
        f"  export HELIOSTAT_API_URL={shared_url(options)}",
        f"  export PREFECT_API_URL={shared_url(options)}   (stock clients)",
    ]
    if record.log is not None:
        lines += ["", f"It writes to {record.log}; stop it with: heliostat server stop --port {record.port}"]
    else:
        lines += ["", "Ctrl-C stops it."]
    if not _is_loopback(options.host) and not current_settings().server_auth_string:
        lines += [
            "",
            f"Warning: {options.host} can be reached from other machines, and no password is needed.",
            "  Set HELIOSTAT_SERVER_AUTH_STRING=USER:PASSWORD, or bind --host 127.0.0.1.",
        ]
    if "*" in current_settings().server_cors_allowed_origins:
        lines += [
            "",
            "Warning: HELIOSTAT_SERVER_CORS_ALLOWED_ORIGINS=* lets every web page you visit run code here.",
            "  Name the origins that need it, or unset it: the server's own pages do not need it.",
        ]
    return "\n".join(lines)


def _ray_line(options: ServerOptions) -> str:
    if not options.has(RAY):
        return "not kept by this server (--services)"
    at = f" at {options.ray_address}" if options.ray_address else ""
    return f"is being {'joined' if at else 'started'}{at}; see: heliostat ray status"


def api_url(options: ServerOptions) -> str:
    """The address for clients on this machine."""
    return f"{_root(options)}/api"


def pages_url(options: ServerOptions) -> str:
    """The address of the pages for people on this machine."""
    settings = current_settings()
    beside_stock = settings.stock_ui is not None
    return base_of(api_url(options), settings.server_path_prefix, beside_stock=beside_stock) + "/"


def shared_url(options: ServerOptions) -> str:
    """The address for people on other machines, if the server listens for them."""
    configured = current_settings().public_api_url
    if configured is not None or options.host not in _ANY:
        return configured or api_url(options)
    return f"http://{_bracketed(_outer_address(options.host))}:{options.port}/api"


def _outer_address(host: str) -> str:
    """The address from which this machine reaches others; nothing is sent to find it out."""
    kinds = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]  # of no machine
    for family, nobody in kinds if host != "::" else reversed(kinds):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((nobody, 9))
            return str(probe.getsockname()[0])
    return socket.getfqdn()  # a machine without a network


def public_url(options: ServerOptions) -> str:
    """The address for processes on Ray's machines."""
    configured = current_settings().public_api_url
    if configured is not None:
        return configured
    if options.ray_address is None or options.host not in _ANY:
        return api_url(options)
    return f"http://{socket.getfqdn()}:{options.port}/api"  # the name by which other machines reach this one


def answers(url: str, path: str = "/health", timeout_s: float = 2.0) -> bool:
    """Whether a route of an API at `url` answers with 200."""
    try:
        handlers = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
        with urllib.request.build_opener(*handlers).open(f"{url}{path}", timeout=timeout_s) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _tree(options: ServerOptions, listener: socket.socket) -> list[Child]:
    """The server's processes. Several API processes share the one socket."""
    fd = listener.fileno()
    words = ("--listen-fd", str(fd), "--host", options.host, "--public-url", public_url(options))
    processes = [
        Child(f"API process {number}", "api.server.api_process", words, (fd,))
        for number in range(1, options.api_workers + 1)
    ]
    loops = [name for name in LOOPS if options.has(name)]
    if loops:
        words = ["--services", ",".join(loops)]
        processes.append(Child("services process", "api.server.services_process", words))
    if options.has(RAY):
        words = ["--server", str(options.port), "--api-url", public_url(options)]
        if options.ray_address is not None:
            words += ["--ray-address", options.ray_address]
        processes.append(Child("keeper", "actors.keeper", words))
    return processes


class _Greeting:
    """Prints the server's addresses once, as soon as the API answers."""

    def __init__(self, record: ServerRecord, own: OwnRecord, options: ServerOptions, say: Say) -> None:
        self._record, self._own, self._options, self._say = record, own, options, say
        self._told_of_ray = not options.has(RAY)

    def when_up(self) -> None:
        if self._record.ready:
            self._tell_of_ray()
            return
        if not answers(self._record.url, timeout_s=0.5):
            return
        self._record = replace(self._record, ready=True)
        self._own.write(self._record)
        self._say(banner(self._record, self._options))

    def _tell_of_ray(self) -> None:
        """Print Ray's address once, as soon as the control actors run."""
        if self._told_of_ray:
            return
        state = keeper_state.read(str(self._options.port))
        if state is not None and state.is_up and state.actors:
            self._told_of_ray = True
            shown = f"; its dashboard: {state.dashboard}" if state.dashboard else ""
            if shown and state.is_local:
                shown += " (it asks for a token: heliostat ray status --token)"
            self._say(f"Ray is up at {state.address}{shown}")


def _listen(options: ServerOptions) -> socket.socket:
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((options.host, options.port), family=family, backlog=1024)
    except socket.gaierror as error:
        raise Unavailable(
            f"there is no address {options.host!r} on this machine ({error})", hint="pass --host 127.0.0.1"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _taken(options) from error
        raise Unavailable(
            f"cannot listen on {options.host} port {options.port}: {error.strerror}",
            hint="pass another --host or --port",
        ) from error


def _taken(options: ServerOptions) -> PortTaken:
    port = options.port
    ours = server_at(port)
    if ours is not None:
        return PortTaken(
            f"a Heliostat server (process {ours.pid}) listens on port {port} already",
            hint=f"stop it with: heliostat server stop --port {port}, or pass --port {port + 1}",
        )
    return PortTaken(
        f"port {port} of {options.host} is taken by another program",
        hint=f"pass --port {port + 1}, or see which program it is: ss -ltnp 'sport = :{port}'",
    )


def _root(options: ServerOptions) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(options.host, options.host)
    return f"http://{_bracketed(host)}:{options.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _stop_on_signals(children: Children) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        children.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
