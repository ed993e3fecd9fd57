"""`heliostat ray`: the actors that a server of this home folder keeps on Ray."""

from __future__ import annotations

from typing import Any

import click

from ...runtime.foundation import clock
from .failures import Exit
from .lazy import Noun, verb
from .output import Column, output_option, write_rows


@click.group("ray", cls=Noun)
def ray() -> None:
    """See what runs on Ray."""


@verb(
    ray,
    "status",
    "heliostat ray status",
    "heliostat ray status -o json",
    "heliostat ray status --token",
)
@click.option(
    "--token", "shows_token", is_flag=True, help="Print only the token of the Rays of this home folder."
)
@output_option
def status(shows_token: bool, output: str) -> int:
    """Show the control actors, supervisors and nodes, as the server's keeper last saw them.

    Servers with other databases on the cluster have actors of their own; their namespaces are shown too.

    A Ray that a server or a script has started demands a token. --token shows it, for the dashboard and for
    Ray's own tools: RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$(heliostat ray status --token) ray status. A cluster
    that was joined has its own token, or none.

    The exit code is 0 when Ray and every control actor are up, else 7.
    """
    if shows_token:
        from ...runtime.foundation import own_rays

        click.echo(own_rays.token())
        return Exit.OK
    from ...actors import keeper_state

    rows: list[dict[str, Any]] = []
    is_up = False
    for server, state in keeper_state.every():
        is_up = state.is_up and all(each["state"] == "alive" for each in state.actors)
        seen_s = round(max(0.0, clock.epoch_s() - state.at), 1)
        about = {"server": server, "seen_s_ago": seen_s}
        how = state.problem or ("up" if state.is_up else "starting")
        ray_row = {"kind": "ray", "name": state.address, "state": how, "dashboard": state.dashboard}
        rows.append({**about, **ray_row, "details": state.dashboard})
        rows += [{**about, "kind": "actor", **each, "details": None} for each in state.actors]
        for namespace in state.others:
            other = {"name": namespace, "state": "alive", "details": "of a server with another database"}
            rows.append({**about, "kind": "other server", **other})
        for each in state.supervisors:
            doing = f"{each['active']} running" if each["active"] else "idle"
            details = f"{each['isolation']}, {each['runs']} runs so far, on {each['node']}"
            rows.append({**about, "kind": "supervisor", **each, "state": doing, "details": details})
        for each in state.nodes:
            details = f"{each['cpus']:g} CPUs, {each['gpus']:g} GPUs, {each['memory_bytes'] / 2**30:.1f} GiB"
            node = {**each, "name": each["node"], "state": "alive", "details": details}
            rows.append({**about, "kind": "node", **node})
    columns = (
        Column("Kind", "kind"),
        Column("Name", "name", "bold"),
        Column("State", "state"),
        Column("Details", "details"),
    )
    write_rows(rows, columns, output, empty="No server keeps Ray. Start one: heliostat server start")
    return Exit.OK if is_up else Exit.UNREACHABLE
