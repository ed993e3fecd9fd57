"""`heliostat api`: any route of the server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import click

from .lazy import Verb
from .output import note, write_json
from .shapes import jq_option
from .things import with_api

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PAGE = 200


@click.command(
    "api",
    cls=Verb,
    examples=(
        "heliostat api GET /health",
        """heliostat api POST /flow_runs/filter --data '{"limit": 3}'""",
        "heliostat api POST /deployments/filter --paginate --jq '.[].name'",
    ),
)
@click.argument("method", type=click.Choice(_METHODS, case_sensitive=False))
@click.argument("path")
@click.option("--data", "-d", metavar="JSON", help="The body; - reads stdin, @FILE a file.")
@click.option("--header", "-H", "headers", metavar="NAME:VALUE", multiple=True, help="A header; repeatable.")
@click.option("--paginate", is_flag=True, help="Ask for page after page, and write all of them as one.")
@click.option("--root", is_flag=True, help="PATH begins at the root of the server, not at /api.")
@click.option("--verbose", "-v", is_flag=True, help="Write status and headers of each answer to stderr.")
@jq_option
def api(
    method: str,
    path: str,
    data: str | None,
    headers: tuple[str, ...],
    paginate: bool,
    root: bool,
    verbose: bool,
) -> None:
    """Send a request to a route of the server and write the answer as JSON. PATH is what follows /api."""
    body = _body(data)
    sent = dict(_header(each) for each in headers)
    if paginate and method.upper() not in ("GET", "POST"):
        raise click.UsageError("--paginate goes with GET and POST.")

    async def act(client: HeliostatClient) -> Any:
        where = "/" + (path if root else path.removeprefix("/api")).lstrip("/")
        asking = _Asking(client, method.upper(), sent, verbose)
        if root:
            where = client.api_url.removesuffix("/api") + where
        return await asking.pages(where, body) if paginate else await asking.once(where, body)

    answer = with_api(act)
    if answer is not None:
        write_json(answer)


class _Asking:
    """Sends one kind of request."""

    def __init__(
        self, client: HeliostatClient, method: str, headers: Mapping[str, str], verbose: bool
    ) -> None:
        self._client, self._method, self._headers, self._verbose = client, method, headers, verbose

    async def once(self, where: str, body: Any, method: str | None = None) -> Any:
        """The answer's JSON, its text when it is none, or None when it is empty."""
        content = None if body is None else json.dumps(body).encode()
        answer = await self._client.http.send(method or self._method, where, content, headers=self._headers)
        if self._verbose:
            shown = "".join(f"\n{name}: {value}" for name, value in answer.headers.items())
            note(f"{method or self._method} {where}: {answer.status_code} {answer.reason_phrase}{shown}\n")
        try:
            return answer.json() if answer.content else None
        except ValueError:
            return answer.text

    async def pages(self, where: str, body: Any) -> Any:
        """All pages as one list, by whichever of the three ways of paging the route has."""
        asked: dict[str, Any] = dict(body or {})
        answer = await self.once(where, asked or None)
        if isinstance(answer, list):
            return await self._by_offset(where, asked, cast("list[Any]", answer))
        if isinstance(answer, dict) and "next_page" in answer:
            return await self._by_next_page(cast("dict[str, Any]", answer))
        if isinstance(answer, dict) and "pages" in answer and "results" in answer:
            return await self._by_number(where, asked, cast("dict[str, Any]", answer))
        raise click.UsageError(f"{where} has no pages.")

    async def _by_offset(self, where: str, asked: dict[str, Any], found: list[Any]) -> list[Any]:
        size = int(asked.get("limit") or _PAGE)
        first, last = int(asked.get("offset") or 0), len(found)
        while last >= size and self._method == "POST":
            page = cast("list[Any]", await self.once(where, {**asked, "offset": first + len(found)}))
            found += page
            last = len(page)
        return found

    async def _by_next_page(self, answer: dict[str, Any]) -> list[Any]:
        rows = next(name for name, value in answer.items() if isinstance(value, list))
        found = list(answer[rows])
        while answer["next_page"]:
            where = "/" + answer["next_page"].partition("/api/")[2]
            answer = await self.once(where, None, "GET")
            found += answer[rows]
        return found

    async def _by_number(self, where: str, asked: dict[str, Any], answer: dict[str, Any]) -> list[Any]:
        found = list(answer["results"])
        for number in range(int(answer["page"]) + 1, int(answer["pages"]) + 1):
            found += (await self.once(where, {**asked, "page": number}))["results"]
        return found


def _body(data: str | None) -> Any:
    if data is None:
        return None
    try:
        if data.startswith("@"):
            with open(data[1:], encoding="utf-8") as file:
                return json.load(file)
        return json.loads(sys.stdin.read() if data == "-" else data)
    except OSError as error:
        raise click.BadParameter(f"--data: {error}") from None
    except ValueError as error:
        raise click.BadParameter(f"--data is not valid JSON: {error}") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form NAME:VALUE.", param_hint="--header")
    return name.strip(), value.strip()
