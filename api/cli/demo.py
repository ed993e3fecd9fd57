"""`heliostat demo`: thousands of real tasks on this machine, and what was recorded of them."""

from __future__ import annotations

import click

from ...runtime.settings import override_settings
from .flow_run import report_end
from .lazy import Verb
from .output import note, output_option, write_json


@click.command(
    "demo",
    cls=Verb,
    examples=(
        "heliostat demo",
        "heliostat demo --files 500 --runner threads",
        "heliostat demo --files 200 --no-progress --output json",
    ),
)
@click.option("--files", type=click.IntRange(1), metavar="N", help="Survey a sample of N files.")
@click.option("--runner", type=click.Choice(["ray", "threads", "inline"]), help="Where the tasks run.")
@click.option("--no-progress", is_flag=True, help="Show no progress while it runs.")
@output_option
def demo(files: int | None, runner: str | None, no_progress: bool, output: str) -> int:
    """Survey every Python file of this installation, one task a file.

    The files are those of the standard library and of installed packages; nothing is downloaded. Files that
    cannot be parsed show up as failed task runs. The exit code is 0 when the flow run completed.
    """
    from ...demo.command import run_demo
    from ...demo.summary import write_summary

    with override_settings(**({"progress": "never"} if no_progress else {})):
        outcome = run_demo(files, runner, note)
    summary = outcome.summary
    if summary is not None:
        if output == "table":
            write_summary(summary, click.echo)
        else:
            write_json(summary.as_json(), indent=output == "json")
    return report_end("survey", outcome.state, outcome.flow_run_id)
