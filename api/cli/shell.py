"""`heliostat shell`: shell commands as flows, with their output in the log."""

from __future__ import annotations

import click

from .lazy import Noun, verb


@click.group(cls=Noun)
def shell() -> None:
    """Run shell commands as flows: recorded, with their output in the log, and by a schedule."""


@verb(
    shell,
    "watch",
    "heliostat shell watch 'rsync -a data/ backup/'",
    "heliostat shell watch 'make report' --flow-name report --tag nightly",
)
@click.argument("command")
@click.option("--log-output/--no-log-output", default=True, show_default=True, help="Record the output.")
@click.option("--flow-run-name", metavar="NAME", help="Name of the run.")
@click.option(
    "--flow-name", metavar="NAME", default="Shell Command", show_default=True, help="Name of the flow."
)
@click.option(
    "--stream-stdout/--no-stream-stdout", default=True, show_default=True, help="Show the output here too."
)
@click.option("--tag", "-t", "tag_names", metavar="TAG", multiple=True, help="Tag of the run; repeatable.")
def watch(
    command: str,
    log_output: bool,
    flow_run_name: str | None,
    flow_name: str,
    stream_stdout: bool,
    tag_names: tuple[str, ...],
) -> int:
    """Run a shell command as a flow. The run fails, and the exit code is 1, when the command's is not 0."""
    from ...runtime.authoring.tags import tags
    from ...runtime.engine.flow.flow_call import run_to_end
    from .flow_run import report_end
    from .shell_flow import shell_flow

    flow = shell_flow(flow_name)
    if flow_run_name:
        flow = flow.named(flow_run_name)
    given = {"command": command, "log_output": log_output, "stream_stdout": stream_stdout}
    with tags(*tag_names):
        return report_end(flow.name, run_to_end(flow, given))


@verb(
    shell,
    "serve",
    "heliostat shell serve 'make report' --flow-name report --cron-schedule '30 6 * * *'",
)
@click.argument("command")
@click.option("--flow-name", metavar="NAME", required=True, help="Name of the flow.")
@click.option(
    "--deployment-name", metavar="NAME", default="CLI Runner Deployment", show_default=True,
    help="Name of the deployment.",
)  # fmt: skip
@click.option("--tag", "-t", "tag_names", metavar="TAG", multiple=True, help="A tag; repeatable.")
@click.option("--log-output/--no-log-output", default=True, show_default=True, help="Record the output.")
@click.option(
    "--stream-stdout/--no-stream-stdout", default=True, show_default=True, help="Show the output here too."
)
@click.option("--cron-schedule", metavar="EXPRESSION", help="Run by a cron expression.")
@click.option("--timezone", metavar="ZONE", help="Time zone of the expression.")
@click.option("--concurrency-limit", type=click.IntRange(1), metavar="N", help="The most runs at once.")
def serve(
    command: str,
    flow_name: str,
    deployment_name: str,
    tag_names: tuple[str, ...],
    log_output: bool,
    stream_stdout: bool,
    cron_schedule: str | None,
    timezone: str | None,
    concurrency_limit: int | None,
) -> None:
    """Deploy a shell command, and execute its scheduled and asked-for runs from here, until Ctrl-C."""
    from .shell_flow import ENTRYPOINT, shell_flow

    if timezone is not None and cron_schedule is None:
        raise click.UsageError("--timezone goes with --cron-schedule.")
    shell_flow(flow_name).serve(
        deployment_name,
        parameters={"command": command, "log_output": log_output, "stream_stdout": stream_stdout},
        tags=list(tag_names) or None,
        cron=cron_schedule,
        timezone=timezone,
        concurrency_limit=concurrency_limit,
        entrypoint=ENTRYPOINT,
    )
