"""The verbs of `flow-run` that control a run on a server, such as cancel and pause, and explain it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import click

from ...runtime.foundation.errors import HeliostatError, RequestRefused
from ...runtime.states import STATE_NAMES, AwaitingRetry, Paused, State, StateType, Suspended
from .assignments import from_document
from .bulk_runs import RunFilter, filter_options, is_filtered, names_of, runs_meant
from .failures import Exit
from .lazy import Verb
from .output import Row, confirm_or_refuse, note, output_option, write_json, yes_option
from .references import reference
from .remote import flow_run_id, with_client
from .sources import with_runs
from .things import dry_run_option
from .watching import watch_run

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import OrchestrationResult

run_argument = reference("run", "RUN", "flow run")
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_NOT_ENDED = ("SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING")
_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=3600.0,
    metavar="SECONDS",
    help="Fail the run if it is not resumed.",
)


@click.command(
    "cancel",
    cls=Verb,
    examples=(
        "heliostat flow-run cancel @last",
        "heliostat flow-run cancel --flow etl --state running --dry-run",
    ),
)
@reference("runs", "[RUN]...", "flow run", required=False, nargs=-1)
@filter_options
@click.option("--watch", is_flag=True, help="Wait until the run has ended.")
@dry_run_option
@yes_option
def cancel(runs: tuple[str, ...], watch: bool, dry_run: bool, yes: bool, **asked: Unpack[RunFilter]) -> int:
    """Ask runs to stop. A run becomes Cancelled once everything has stopped, or at once if nothing runs.

    Runs that are chosen by options are asked about first, and those that have ended are left out.
    """
    return _each(runs, asked, _cancel, _NOT_ENDED, "cancel", watch=watch, dry_run=dry_run, yes=yes)


def _cancel(run: str) -> None:
    result = _propose(run, State(StateType.CANCELLING))
    if result.state is None or result.state.type not in (StateType.CANCELLING, StateType.CANCELLED):
        raise _refused(result)
    note(f"Flow run {run} is {result.state.name}.")


@click.command(
    "pause",
    cls=Verb,
    examples=("heliostat flow-run pause @last", "heliostat flow-run pause @last --timeout 600"),
)
@run_argument
@_timeout_option
def pause(run: str, timeout: float) -> None:
    """Let a running run start no more tasks until it is resumed. Its process waits."""
    _accepted(_propose(run, Paused(timeout_s=timeout)))
    note(f"Flow run {run} is paused. hint: heliostat flow-run resume {run}")


@click.command("suspend", cls=Verb, examples=("heliostat flow-run suspend @last",))
@run_argument
@_timeout_option
def suspend(run: str, timeout: float) -> None:
    """Pause a run of a deployment and end its process. Resuming continues it in another process."""
    _accepted(_propose(run, Suspended(timeout_s=timeout)))
    note(f"Flow run {run} is suspended. hint: heliostat flow-run resume {run}")


@click.command(
    "retry",
    cls=Verb,
    examples=(
        "heliostat flow-run retry @last --watch",
        "heliostat flow-run retry --flow etl --state crashed --dry-run",
    ),
)
@reference("runs", "[RUN]...", "flow run", required=False, nargs=-1)
@filter_options
@click.option("--watch", is_flag=True, help="Follow the run to its end.")
@dry_run_option
@yes_option
def retry(runs: tuple[str, ...], watch: bool, dry_run: bool, yes: bool, **asked: Unpack[RunFilter]) -> int:
    """Run ended runs of deployments again; tasks that completed answer from the record.

    Runs that are chosen by options are asked about first, and those that have not ended are left out.
    """
    return _each(runs, asked, _retry, _ENDED, "retry", watch=watch, dry_run=dry_run, yes=yes)


def _retry(run: str) -> None:
    _accepted(_propose(run, AwaitingRetry(message="asked for by hand")))
    note(f"Flow run {run} is scheduled again.")


def _each(
    names: Sequence[str],
    asked: RunFilter,
    act: Callable[[str], None],
    fitting: Collection[str],
    what: str,
    *,
    watch: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Do something with each run; one that is refused does not keep the others from their turn."""
    if len(names) == 1 and not dry_run and not is_filtered(asked):
        act(names[0])
        return _ending(names[0], watch)
    found = runs_meant(names, **asked)
    if not names:
        found = [row for row in found if row["state_type"] in fitting]
    if not found:
        note(f"There is no flow run to {what}.")
        return Exit.OK
    if dry_run:
        note(f"Would {what} {names_of(found)}.")
        return Exit.OK
    if not names:
        confirm_or_refuse(f"{what.capitalize()} {names_of(found)}?", yes)
    refused = 0
    for row in found:
        try:
            act(str(row["id"]))
        except HeliostatError as error:
            refused += 1
            note(f"{row['name']}: {error}")
    note(f"{len(found) - refused} of {len(found)} flow run(s) done.")
    outcomes = [_ending(str(row["id"]), watch) for row in found] if watch else []
    return Exit.FAILED if refused or any(outcomes) else Exit.OK


@click.command(
    "watch",
    cls=Verb,
    examples=("heliostat flow-run watch @last", "heliostat flow-run watch @last --timeout 60"),
)
@run_argument
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Watch no longer than this.")
@click.option("--no-logs", is_flag=True, help="Show only the states.")
def watch(run: str, timeout: float | None, no_logs: bool) -> int:
    """Follow a run to its end; the exit code is its outcome. Ctrl-C ends the watching, not the run."""
    run_id = with_client(lambda client: flow_run_id(client, run))
    return watch_run(run_id, timeout, logs=not no_logs)


@click.command(
    "set-state",
    cls=Verb,
    examples=(
        "heliostat flow-run set-state @last completed --message 'done by hand'",
        "heliostat flow-run set-state @last failed --force",
    ),
)
@run_argument
@click.argument("state")
@click.option("--message", metavar="TEXT", help="Why.")
@click.option("--force", is_flag=True, help="Apply only the rules that protect results.")
def set_state(run: str, state: str, message: str | None, force: bool) -> None:
    """Propose a state for a run, by type or name. The rules decide, and say why if they do not accept it."""
    wanted = _state_called(state)
    _accepted(_propose(run, State(wanted.type, wanted.name, message), force))
    note(f"Flow run {run} is {wanted.name}.")


@click.command("explain", cls=Verb, examples=("heliostat flow-run explain @last",))
@run_argument
@output_option
def explain(run: str, output: str) -> None:
    """Say why a run waits: what is paused or full, who holds it, since when, or that its process is gone."""
    found = with_runs(lambda runs: runs.explanation(run))
    if output != "table":
        write_json(found, indent=output == "json")
        return
    click.echo(found.get("summary") or "Nothing holds the run up.")
    for reason in found.get("reasons") or ():
        click.echo(f"- {_reason(reason)}")


def resume_paused(run: str, document: str | None) -> None:
    """Let a paused or suspended run go on; `document` is the input that it may wait for."""
    given = from_document(document)

    async def act(client: HeliostatClient) -> OrchestrationResult:
        return await client.resume_flow_run(await flow_run_id(client, run), given or None)

    _accepted(with_client(act))
    note(f"Flow run {run} goes on.")


def _reason(reason: Any) -> str:
    if not isinstance(reason, dict):
        return str(reason)
    fields: Row = reason  # pyright: ignore[reportUnknownVariableType]
    said = fields.get("message") or fields.get("summary") or fields.get("text") or fields.get("reason")
    hint = f" ({fields['hint']})" if fields.get("hint") else ""
    return f"{said or ', '.join(f'{name}: {value}' for name, value in fields.items())}{hint}"


def _propose(run: str, state: State, force: bool = False) -> OrchestrationResult:
    async def act(client: HeliostatClient) -> OrchestrationResult:
        return await client.set_flow_run_state(await flow_run_id(client, run), state, force)

    return with_client(act)


def _accepted(result: OrchestrationResult) -> None:
    if result.status != "ACCEPT":
        raise _refused(result)


def _refused(result: OrchestrationResult) -> RequestRefused:
    now = f"; it is {result.state.name}" if result.state else ""
    return RequestRefused(
        f"The rules said {result.status}: {result.reason or 'no reason given'}{now}.",
        hint="see what they decided: heliostat flow-run inspect",
    )


def _state_called(word: str) -> State:
    if word.upper() in StateType.__members__:
        return State(StateType(word.upper()))
    for name, kind in STATE_NAMES.items():
        if name.lower() == word.lower():
            return State(kind, name)
    raise click.BadParameter(f"{word!r} is not a state; use one of {', '.join(STATE_NAMES)}.")


def _ending(run: str, watch: bool) -> int:
    if not watch:
        return Exit.OK
    return watch_run(with_client(lambda client: flow_run_id(client, run)))
