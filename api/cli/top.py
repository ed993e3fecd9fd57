"""`heliostat top`: a live board of runs, pools and problems in the terminal."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import click

from ...runtime.foundation.standard_streams import is_terminal
from .lazy import Verb
from .output import STATE_STYLES, Row, output_option, write_json
from .things import with_api
from .times import ago_text, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ...runtime.client.client import HeliostatClient

_RUNS = 15
_RUNNING = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "CANCELLING", "PENDING"]}}}}


@click.command(
    "top", cls=Verb, examples=("heliostat top", "heliostat top --interval 5", "heliostat top --once -o json")
)
@click.option(
    "--interval",
    type=click.FloatRange(0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often it looks.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True, max=744),
    default=6.0,
    show_default=True,
    help="How far back it counts.",
)
@click.option("--once", is_flag=True, help="Write it once. Without a terminal it is written once anyway.")
@output_option
def top(interval: float, hours: float, once: bool, output: str) -> None:
    """Watch what runs, how full the pools are and what needs a person, until Ctrl-C."""
    if output != "table":
        write_json(with_api(lambda client: _look(client, hours)), indent=output == "json")
        return
    with_api(lambda client: _show(client, interval, hours, once or not is_terminal(sys.stdout)))


async def _show(client: HeliostatClient, interval: float, hours: float, once: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    if once:
        Console(file=sys.stdout).print(_board(await _look(client, hours), client))
        return
    with Live(_board(await _look(client, hours), client), screen=True, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            live.update(_board(await _look(client, hours), client), refresh=True)


async def _look(client: HeliostatClient, hours: float) -> Row:
    """What the board shows, as one document."""
    overview = await client.http.get("/heliostat/overview", hours=hours, parts=30)
    asked = {**_RUNNING, "sort": "START_TIME_DESC", "limit": _RUNS}
    running: list[Row] = await client.http.read("/flow_runs/filter", asked)
    flows: dict[str, str] = {}
    if running:
        ids = {"flows": {"id": {"any_": sorted({row["flow_id"] for row in running})}}}
        flows = {row["id"]: row["name"] for row in await client.http.read("/flows/filter", ids)}
    return {
        "overview": overview,
        "needs": await client.http.get("/heliostat/needs"),
        "running": [{**row, "flow_name": flows.get(row["flow_id"], "")} for row in running],
    }


def _board(seen: Row, client: HeliostatClient) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    overview: Row = seen["overview"]
    counts = "   ".join(f"{count} {word}" for word, count in overview["under_way"].items())
    begun = sum(sum(each["runs"].values()) for each in overview["bins"])
    tasks = sum(each["tasks"] for each in overview["bins"])
    where = "this machine's database" if client.api_url.startswith("http://127.0.0.1/") else client.api_url
    head = Text.assemble(
        ("heliostat top", "bold"), f"  {where}\n", counts or "nothing is under way",
        f"\nbegun: {begun} runs, {tasks} tasks   {overview['events_per_s']:.1f} events/s",
    )  # fmt: skip

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
        for column in columns:
            made.add_column(column, overflow="ellipsis", no_wrap=True)
        return made

    runs = table("\nRuns", "Flow", "Run", "State", "For")
    for row in seen["running"]:
        state = Text(str(row["state_name"]), style=STATE_STYLES.get(str(row["state_type"]), ""))
        runs.add_row(row["flow_name"], row["name"], state, duration(row["estimated_run_time"]))
    pools = table("\nPools", "Pool", "Type", "Slots", "Late", "Status")
    for pool in overview["pools"]:
        slots = f"{pool['taken']} of {'any' if pool['limit'] is None else pool['limit']}"
        pools.add_row(pool["name"], pool["type"], slots, str(pool["late"] or ""), str(pool["status"]))
    needs = table("\nNeeds a person", "What", "Run", "Why", "Since")
    for cause in seen["needs"][:_RUNS]:
        needs.add_row(cause["kind"], cause["run_name"], cause["text"], ago_text(cause["since"]))
    parts: list[Any] = [head]
    parts += [each for each in (runs, pools, needs) if each.row_count]
    return Group(*parts)
