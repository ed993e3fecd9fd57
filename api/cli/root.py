"""`heliostat`: the nouns and what they are for. A noun's module is imported only when it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from . import failures
from .lazy import Lazy, Noun, add_session_options


class Root(Noun):
    """The outermost group, which reports failures by `failures`, also under a test's runner."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        words = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            plain_main: Any = super(Root, self).main
            return plain_main(
                words, prog_name or "heliostat", complete_var, False, windows_expand_args, **extra
            )

        if not standalone_mode:
            return run()
        sys.exit(failures.guarded(run, words, "heliostat"))


def _nouns() -> dict[str, Lazy]:
    return {
        "api": Lazy(".api:api", "Ask any route of a server."),
        "artifact": Lazy(
            ".artifact:artifact", "See and delete artifacts: what runs show beside their results."
        ),
        "automation": Lazy(".automation:automation", "See, make and change automations."),
        "block": Lazy(".block:block", "See, make and delete blocks: settings and secrets by name."),
        "concurrency-limit": Lazy(
            ".concurrency_limit:concurrency_limit", "See, make and change limits on task runs with a tag."
        ),
        "completion": Lazy(".completion:completion", "Let a shell complete commands and names."),
        "config": Lazy(".config:config", "See and change settings of the active profile."),
        "dashboard": Lazy(".dashboard:dashboard", "Open the server's pages."),
        "demo": Lazy(".demo:demo", "See thousands of tasks fan out on this machine."),
        "deploy": Lazy(".deploy:deploy", "Deploy flows: of heliostat.yaml, prefect.yaml or an entrypoint."),
        "deployment": Lazy(".deployment:deployment", "See, run, pause and delete deployments."),
        "events": Lazy(".events:events", "Send events, and follow them."),
        "flow": Lazy(".flow:flow", "List flows, and run one."),
        "flow-run": Lazy(".flow_run:flow_run", "See, continue and delete flow runs."),
        "global-concurrency-limit": Lazy(
            ".global_concurrency_limit:global_concurrency_limit", "See, make and change named limits."
        ),
        "profile": Lazy(".profile:profile", "Keep several sets of settings and switch between them."),
        "ray": Lazy(".ray:ray", "See what runs on Ray."),
        "server": Lazy(".server:server", "Start and stop the server, and maintain the database."),
        "task-run": Lazy(".task_run:task_run", "See task runs."),
        "variable": Lazy(".variable:variable", "See and set variables, which flows read by name."),
        "experimental": Lazy(".result_storage:experimental", "Nouns of the stock client.", hidden=True),
        "import": Lazy(".import_objects:import_", "Take over what people set up on another server."),
        "transfer": Lazy(".import_objects:transfer", "Copy what people set up to another profile's server."),
        "top": Lazy(".top:top", "Watch runs, pools and problems in the terminal."),
        "init": Lazy(".init:init", "Write a heliostat.yaml for the flows of this folder."),
        "result-storage": Lazy(
            ".result_storage:result_storage", "Set the block where stock clients keep results."
        ),
        "shell": Lazy(".shell:shell", "Run shell commands as flows."),
        "version": Lazy(".version:version", "Show the versions of Heliostat and its main dependencies."),
        "work-pool": Lazy(".work_pool:work_pool", "See, make and change work pools."),
        "work-queue": Lazy(".work_queue:work_queue", "See, make and change the queues of a work pool."),
        "worker": Lazy(".worker:worker", "Execute the runs of a process pool, and list its workers."),
    }


_ALIASES = {
    "artifacts": "artifact",
    "automations": "automation",
    "blocks": "block",
    "concurrency-limits": "concurrency-limit",
    "deployments": "deployment",
    "event": "events",
    "flow-runs": "flow-run",
    "flows": "flow",
    "gcl": "global-concurrency-limit",
    "profiles": "profile",
    "task-runs": "task-run",
    "variables": "variable",
    "work-pools": "work-pool",
    "work-queues": "work-queue",
    "workers": "worker",
}


@click.group(
    cls=Root,
    name="heliostat",
    lazy=_nouns(),
    aliases=_ALIASES,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(package_name="heliostat", message="%(version)s")
def cli() -> None:
    """Durable, observable workflows in plain Python, native to Ray.

    Data goes to stdout, messages go to stderr. Reading verbs take
    --output table|json|jsonl|yaml|none, --json FIELDS and --jq EXPR.
    """


add_session_options(cli, hidden=False)


def main() -> NoReturn:
    """The `heliostat` command."""
    cli.main()
    raise AssertionError("unreachable: main exits")
