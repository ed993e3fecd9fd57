"""`heliostat demo`: thousands of real tasks on this machine, and the records of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ...runtime.foundation.settings import override_settings
from ...runtime.foundation.standard_streams import is_terminal
from .flow_run import report_end
from .lazy import Verb
from .output import note, output_option, write_json

if TYPE_CHECKING:
    from ...demo.command import Outcome


@click.command(
    "demo",
    cls=Verb,
    examples=(
        "heliostat demo",
        "heliostat demo --exit",
        "heliostat demo --files 500 --runner threads",
        "heliostat demo --files 200 --no-progress --output json",
    ),
)
@click.option("--files", type=click.IntRange(1), metavar="N", help="Survey a sample of N files.")
@click.option(
    "--runner",
    type=click.Choice(["ray", "threads", "inline"]),
    help="Run the flow and its tasks in this process, without a server.",
)
@click.option(
    "--exit", "exits", is_flag=True, help="End with the run. This is the default when stdout is no terminal."
)
@click.option("--no-progress", is_flag=True, help="Show no progress while it runs.")
@output_option
def demo(files: int | None, runner: str | None, exits: bool, no_progress: bool, output: str) -> int:
    """Start a server, and survey every Python file of this installation on it, one task a file.

    The survey is a deployment on the work pool "default". It uses a server that runs already, or starts one
    that stays up until Ctrl-C. The files are those of the standard library and of installed packages; nothing
    is downloaded. Files that cannot be parsed become failed task runs. The exit code is 0 when the flow run
    completed.
    """
    with override_settings(**({"progress": "never"} if no_progress else {})):
        if runner is not None:
            from ...demo.command import run_demo

            return _tell(run_demo(files, runner, note), output)
        from .demo_server import demo_server, run_on, stay_up

        with demo_server() as server:
            code = _tell(run_on(server, files), output)
            if server.is_own and not exits and is_terminal(sys.stdout):
                stay_up(server)
            return code


def _tell(outcome: Outcome, output: str) -> int:
    """Show the outcome; returns the exit code."""
    from ...demo.summary import write_summary

    summary = outcome.summary
    if summary is not None:
        if output == "table":
            write_summary(summary, click.echo)
        else:
            write_json(summary.as_json(), indent=output == "json")
    return report_end("survey", outcome.state, outcome.flow_run_id)
