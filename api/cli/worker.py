"""`heliostat worker`: execute the runs of `process` pools on this machine, and list workers."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...runtime.foundation.errors import Unavailable
from .lazy import Noun, verb
from .output import Column, Row, note, output_option, write_rows
from .times import ago
from .work_pool import template_in

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient


_POLLED_WITHIN_S = 30.0


@click.group(cls=Noun)
def worker() -> None:
    """Execute the runs of a process pool on this machine, and list its workers."""


@verb(worker, "ls", "heliostat worker ls --pool local", "heliostat worker ls --pool local --output json")
@click.option("--pool", "-p", required=True, metavar="NAME", help="Work pool of the workers.")
@output_option
def ls(pool: str, output: str) -> None:
    """List the workers that have polled a pool."""
    from .remote import find_work_pool, pages, with_client

    async def read(client: HeliostatClient) -> list[Row]:
        await find_work_pool(client, pool)
        return [each.to_json() for each in await pages(partial(client.read_workers, pool), None)]

    columns = (
        Column("Name", "name", "bold"),
        Column("Status", "status"),
        Column("Last heard", lambda row: ago(row["last_heartbeat_time"])),
    )
    write_rows(with_client(read), columns, output, empty=f"No worker has polled {pool!r}.")


@verb(
    worker,
    "start",
    "heliostat worker start --pool local",
    "heliostat worker start --pool local --limit 4 --work-queue urgent",
)
@click.option("--pool", "-p", required=True, metavar="NAME", help="The work pool to poll.")
@click.option("--name", "-n", metavar="NAME", help="Name of this worker. Default: host and process.")
@click.option(
    "--work-queue", "-q", "queues", multiple=True, metavar="NAME", help="Only this queue; repeatable."
)
@click.option("--type", "-t", "kind", metavar="TYPE", help="Type of the pool. By default process.")
@click.option("--limit", "-l", type=click.IntRange(min=1), help="Most runs at a time. By default no limit.")
@click.option(
    "--prefetch-seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="Fetch runs this long before they are due.",
)
@click.option("--run-once", is_flag=True, help="Execute the runs that are due now, and end.")
@click.option(
    "--create-pool-if-not-found/--no-create-pool-if-not-found",
    default=True,
    show_default=True,
    help="Make the pool if it does not exist.",
)
@click.option(
    "--base-job-template",
    "template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A JSON file with the base job template of a pool that it makes.",
)
@click.option("--with-healthcheck", is_flag=True, help="Answer GET /health: 200 while it polls, else 503.")
@click.option(
    "--health-port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port of /health."
)
@click.option("--health-host", default="0.0.0.0", show_default=True, help="Address of /health.")
@click.option(
    "--drain-seconds",
    type=click.FloatRange(min=0),
    help="On SIGTERM wait this long for running runs; others go on elsewhere. By default until they end.",
)
def start(
    pool: str,
    name: str | None,
    queues: tuple[str, ...],
    kind: str | None,
    limit: int | None,
    prefetch_seconds: float,
    run_once: bool,
    create_pool_if_not_found: bool,
    template: Path | None,
    with_healthcheck: bool,
    health_port: int,
    health_host: str,
    drain_seconds: float | None,
) -> None:
    """Poll a pool and execute its runs, each in a process of its own, until Ctrl-C.

    The first Ctrl-C or SIGTERM stops polling and waits for running runs. The second ends them: they go on
    from their journals when another worker takes them.
    """
    from ...pools.process.worker import WorkerOptions
    from ...runtime.foundation.settings import current_settings

    settings = current_settings()
    job_template = None if template is None else template_in(template)
    options = WorkerOptions(
        pool,
        name=name or "",
        queues=queues,
        limit=limit,
        create_pool_if_not_found=create_pool_if_not_found,
        base_job_template=job_template,
        type=kind,
        prefetch_s=prefetch_seconds,
        crash_retries=settings.crash_retries,
    )
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("heliostat").setLevel(settings.logging_level)
    health = (health_host, health_port) if with_healthcheck and not run_once else None
    asyncio.run(_work(options, run_once, drain_seconds, health))


async def _work(
    options: object, run_once: bool, drain_s: float | None, health: tuple[str, int] | None
) -> None:
    from ...pools.process.worker import Worker, WorkerOptions
    from ...runtime.client.client import get_client

    assert isinstance(options, WorkerOptions)
    async with get_client() as client:
        worker = Worker(client, options)
        _stop_on_signals(worker)
        if run_once:
            count = await worker.run_once()
            note(f"Executed {count} run{'' if count == 1 else 's'} of the pool {options.pool!r}.")
            return
        async with AsyncExitStack() as stack:
            if health is not None:
                await stack.enter_async_context(_health(worker, *health))
            note(
                f"Worker {worker.name!r} polls the pool {options.pool!r} of {client.api_url}. Ctrl-C ends it."
            )
            await worker.run(drain_s=drain_s)
        note("All runs of this worker have ended, or go on elsewhere.")


@asynccontextmanager
async def _health(worker: object, host: str, port: int) -> AsyncGenerator[None]:
    from ...pools.process.worker import Worker
    from .worker_health import health_served

    assert isinstance(worker, Worker)
    async with AsyncExitStack() as stack:
        answering = health_served(host, port, worker.since_poll_s, _POLLED_WITHIN_S)
        try:
            served = await stack.enter_async_context(answering)
        except OSError as error:
            what = f"{host}:{port} cannot be used: {error}"
            raise Unavailable(what, hint="choose another: --health-port") from error
        note(f"Whether it polls is told at http://{host}:{served}/health")
        yield


def _stop_on_signals(worker: object) -> None:
    from ...pools.process.worker import Worker

    assert isinstance(worker, Worker)
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            note("Ending the processes of this worker.")
            ending.add(asyncio.ensure_future(worker.runner.stop()))
            return
        asked = True
        worker.stop_polling()
        running = len(worker.run_ids)
        if running:
            note(f"No more runs are taken; waiting for {running}. Press Ctrl-C again to end them at once.")

    ending: set[asyncio.Future[None]] = set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
