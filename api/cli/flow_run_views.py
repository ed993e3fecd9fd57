"""`heliostat flow-run result`, `graph`, `compare`: what a run returned, how its tasks hang together."""

from __future__ import annotations

import json
from typing import Any, cast

import click

from ...runtime.foundation.errors import ResultLost
from .lazy import Verb
from .output import Column, Row, note, output_option, write_json, write_rows
from .references import reference
from .run_source import RunChoice, RunSource
from .sources import with_runs
from .things import with_api
from .times import duration

_MOST_TASKS = 10_000
_COMPARED = (
    "flow_name",
    "name",
    "state_name",
    "parameters",
    "tags",
    "deployment_id",
    "work_pool_name",
    "work_queue_name",
    "entrypoint",
    "code_revision",
    "run_count",
    "estimated_run_time",
    "error",
)
_CHARACTERS = {"COMPLETED": "+", "FAILED": "x", "CRASHED": "!", "CANCELLED": "-", "RUNNING": ">"}


@click.command(
    "result",
    cls=Verb,
    examples=("heliostat flow-run result @last", "heliostat flow-run result @last --jq .rows"),
)
@reference("run", "RUN", "flow run")
@output_option
def result(run: str, output: str) -> None:
    """Write what a run returned, as JSON. Objects of classes are shown by their names and contents."""
    found = with_runs(lambda runs: runs.flow_run(run))
    write_result(f"/heliostat/flow_runs/{found['id']}/result/preview", f"Flow run {found['name']!r}", output)


def write_result(path: str, who: str, output: str) -> None:
    """Write the value of a run. Raises ResultLost when there is none, or when it cannot be read from here."""
    told: Row = with_api(lambda client: client.request("GET", path))
    if told["problem"]:
        what = f"{who} returned a value that cannot be shown: {told['problem']}."
        raise ResultLost(what, hint="read it in Python")
    if told["kind"] not in ("inline", "stored", "none"):
        raise ResultLost(
            f"{who} has no recorded value ({told['kind'] or 'it has not ended'}).",
            hint="persist_result=True keeps values",
        )
    if told.get("cut"):
        note("The value is cut: it is too long to be shown whole.")
    value = told["value"]
    if output == "table" and isinstance(value, str):
        click.echo(value)
    else:
        write_json(value, indent=output != "jsonl")


@click.command(
    "graph",
    cls=Verb,
    examples=(
        "heliostat flow-run graph @last",
        "heliostat flow-run graph @last --format mermaid > run.mmd",
        "heliostat flow-run graph @last --format dot | dot -Tsvg > run.svg",
    ),
)
@reference("run", "RUN", "flow run")
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(("text", "mermaid", "dot", "json")),
    default="text",
    show_default=True,
)
@click.option("--limit", type=click.IntRange(1), default=500, show_default=True, help="The most nodes.")
def graph(run: str, form: str, limit: int) -> None:
    """Write the tasks and sub-flows of a run, and what each took from which."""
    found = with_runs(lambda runs: runs.flow_run(run))
    told: Row = with_api(lambda client: client.request("GET", f"/flow_runs/{found['id']}/graph-v2"))
    nodes: list[Row] = [node for _, node in told["nodes"]]
    if form == "json":
        write_json(told)
        return
    shown, known = nodes[:limit], {node["id"]: number for number, node in enumerate(nodes[:limit], 1)}
    if len(nodes) > limit:
        note(f"The run has {len(nodes)} nodes. hint: --limit {len(nodes)} writes all of them")
    edges = [
        (known[p["id"]], known[node["id"]]) for node in shown for p in node["parents"] if p["id"] in known
    ]
    for line in {"text": _text, "mermaid": _mermaid, "dot": _dot}[form](shown, edges):
        click.echo(line)


def _text(nodes: list[Row], edges: list[tuple[int, int]]) -> list[str]:
    width = len(str(len(nodes)))
    lines: list[str] = []
    for number, node in enumerate(nodes, 1):
        parents = ", ".join(str(start) for start, end in edges if end == number)
        sign = _CHARACTERS.get(str(node["state_type"]), ".")
        kind = "" if node["kind"] == "task-run" else " (flow)"
        lines.append(f"{number:>{width}} {sign} {node['label']}{kind}{f'  <- {parents}' if parents else ''}")
    return lines


def _mermaid(nodes: list[Row], edges: list[tuple[int, int]]) -> list[str]:
    names = [f"    n{number}[{json.dumps(_label(node))}]" for number, node in enumerate(nodes, 1)]
    return ["flowchart TD", *names, *(f"    n{start} --> n{end}" for start, end in edges)]


def _dot(nodes: list[Row], edges: list[tuple[int, int]]) -> list[str]:
    names = [f"  n{number} [label={json.dumps(_label(node))}];" for number, node in enumerate(nodes, 1)]
    return ["digraph run {", *names, *(f"  n{start} -> n{end};" for start, end in edges), "}"]


def _label(node: Row) -> str:
    return f"{node['label']}: {str(node['state_type'] or '').lower()}"


@click.command(
    "compare",
    cls=Verb,
    examples=(
        "heliostat flow-run compare quiet-heron loud-crow",
        "heliostat flow-run compare 5b6d7e8f @last -o json",
    ),
)
@reference("first", "RUN", "flow run")
@reference("second", "RUN", "flow run")
@output_option
def compare(first: str, second: str, output: str) -> None:
    """Show in what two runs differ: parameters, code, states, and the states and times of their tasks."""

    async def read(runs: RunSource) -> tuple[tuple[Row, list[Row]], tuple[Row, list[Row]]]:
        one, two = await runs.flow_run(first), await runs.flow_run(second)
        return (
            (one, await runs.task_runs(str(one["id"]), RunChoice(), _MOST_TASKS, 0)),
            (two, await runs.task_runs(str(two["id"]), RunChoice(), _MOST_TASKS, 0)),
        )

    (one, tasks_of_one), (two, tasks_of_two) = with_runs(read)
    rows = [*_fields(one, two), *_tasks(tasks_of_one, tasks_of_two)]
    columns = (
        Column("What", "what", "bold"),
        Column(one["name"], lambda row: _shown(row["first"])),
        Column(two["name"], lambda row: _shown(row["second"])),
    )
    write_rows(rows, columns, output, empty="The runs do not differ.")


def _fields(one: Row, two: Row) -> list[Row]:
    rows: list[Row] = []
    for field in _COMPARED:
        before, after = one.get(field), two.get(field)
        if field == "parameters":
            first, second = cast("Row", before or {}), cast("Row", after or {})
            for name in dict.fromkeys([*first, *second]):
                mine, its = first.get(name), second.get(name)
                if mine != its:
                    rows.append({"what": f"parameter {name}", "first": mine, "second": its})
        elif before != after:
            rows.append({"what": field.replace("_", " "), "first": before, "second": after})
    return rows


def _tasks(one: list[Row], two: list[Row]) -> list[Row]:
    """Tasks by name that one run lacks, or that ended in another state."""
    first, second = ({row["name"]: row for row in rows} for rows in (one, two))
    rows: list[Row] = []
    for name in dict.fromkeys([*first, *second]):
        mine, its = first.get(name), second.get(name)
        if (mine or {}).get("state_name") != (its or {}).get("state_name"):
            rows.append({"what": f"task {name}", "first": _state(mine), "second": _state(its)})
    return rows


def _state(row: Row | None) -> str:
    if row is None:
        return "has not run"
    return f"{row['state_name']} after {duration(row['estimated_run_time'])}"


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
