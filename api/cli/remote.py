"""Shared by verbs that ask a server: the connection, finding the object that is meant, and near misses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote
from uuid import UUID

from ...runtime.foundation.errors import NotFound
from ...runtime.foundation.near_names import nearest
from ...runtime.foundation.settings import current_settings

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import Deployment, FlowRun, WorkPool
    from .output import Row

T = TypeVar("T")
R = TypeVar("R")
PAGE = 200
"""The most objects that a server returns at once."""


def with_client(act: Callable[[HeliostatClient], Awaitable[T]]) -> T:
    """Call `act` with a client of the configured server, or of the one that runs on this machine."""

    async def run() -> T:
        from ...runtime.client.client import HeliostatClient

        async with HeliostatClient() as client:
            return await act(client)

    return asyncio.run(run())


async def pages(
    read: Callable[..., Awaitable[Sequence[R]]], limit: int | None, offset: int = 0, **chosen: Any
) -> list[R]:
    """Up to `limit` objects of a server, and one more if there is one, which tells that there are more. A
    `limit` of None means all.
    """
    found: list[R] = []
    while limit is None or len(found) <= limit:
        wanted = PAGE if limit is None else min(PAGE, limit + 1 - len(found))
        page = await read(limit=wanted, offset=offset + len(found), **chosen)
        found += page
        if len(page) < wanted:
            break
    return found


def api_is_set() -> bool:
    """Whether reading goes through a server instead of this machine's database."""
    return current_settings().api_url is not None


async def find_flow_run(client: HeliostatClient, reference: str) -> Row:
    """The details of a flow run, found by id, name, part of an id, or @last. Raises NotFound."""
    path = f"/heliostat/flow_runs/{quote(reference, safe='')}/details"
    with not_found_hint("heliostat flow-run ls shows the runs there are"):
        return await client.request("GET", path)


@contextmanager
def not_found_hint(hint: str) -> Generator[None]:
    """Give a NotFound of the block this hint: answers of a server with status 404 carry none."""
    try:
        yield
    except NotFound as error:
        error.hint = error.hint or hint
        raise


async def flow_run_id(client: HeliostatClient, reference: str) -> UUID:
    """The id of a flow run, found by id, name, part of an id, or @last. Raises NotFound."""
    known = as_uuid(reference)
    return known or UUID((await find_flow_run(client, reference))["id"])


async def find_deployment(client: HeliostatClient, reference: str) -> Deployment:
    """The deployment "flow/name", the one with that id, or the only one of that name. Raises NotFound."""
    known = as_uuid(reference)
    if known is not None:
        return await client.read_deployment(known)
    try:
        if "/" in reference:
            return await client.read_deployment_by_name(reference)
        named = await client.read_deployments(deployment_filter={"name": {"any_": [reference]}})
        if len(named) == 1:
            return named[0]
        names = sorted((await full_names(client, named)).values())
        if names:
            raise NotFound(
                f"{len(names)} deployments are called {reference!r}.", hint=f"one of: {', '.join(names)}"
            )
        raise NotFound(f"There is no deployment {reference!r}.")
    except NotFound as error:
        if error.hint and error.hint.startswith("one of"):
            raise
        names = (await full_names(client, await client.read_deployments())).values()
        raise not_found("deployment", reference, names, "heliostat deployment ls") from None


async def find_work_pool(client: HeliostatClient, name: str) -> WorkPool:
    """The work pool of that name. Raises NotFound with the nearest name."""
    try:
        return await client.read_work_pool(name)
    except NotFound:
        names = [each.name for each in await client.read_work_pools()]
        raise not_found("work pool", name, names, "heliostat work-pool ls") from None


def not_found(what: str, name: str, known: Iterable[str], ls: str) -> NotFound:
    """The error for an unknown name, with the nearest known one as its hint."""
    close = nearest(name, known)
    return NotFound(
        f"There is no {what} {name!r}.",
        hint=f"did you mean {close!r}?" if close else f"see them with: {ls}",
    )


async def full_names(client: HeliostatClient, deployments: Sequence[Deployment]) -> dict[UUID, str]:
    """ "flow/name" of each deployment by its id."""
    flows = await flow_names(client, [each.flow_id for each in deployments])
    return {each.id: f"{flows[each.flow_id]}/{each.name}" for each in deployments}


async def flow_names(client: HeliostatClient, flow_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names of flows by id; a flow that is gone is called by its id."""
    wanted = list(dict.fromkeys(flow_ids))
    names = {flow_id: str(flow_id) for flow_id in wanted}
    for start in range(0, len(wanted), 200):
        some = [str(flow_id) for flow_id in wanted[start : start + 200]]
        for flow in await client.read_flows(flow_filter={"id": {"any_": some}}):
            names[flow.id] = flow.name
    return names


async def flow_run_rows(client: HeliostatClient, runs: Sequence[FlowRun]) -> list[Row]:
    """Flow runs as rows, with the names of their flows."""
    names = await flow_names(client, [run.flow_id for run in runs])
    return [{**run.to_json(), "flow_name": names[run.flow_id]} for run in runs]


def as_uuid(text: str) -> UUID | None:
    """The id that a text is, or None when the text is not a whole id."""
    try:
        return UUID(text)
    except ValueError:
        return None


def changed(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
