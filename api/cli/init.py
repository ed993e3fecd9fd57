"""`heliostat init`: a deployment file for a folder."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import click

from ...runtime.foundation.errors import BadDeployment
from .assignments import from_assignments
from .lazy import Verb
from .output import note

_NAMES = ("heliostat.yaml", "prefect.yaml")
_SKIPPED = {"node_modules", "__pycache__", "venv", ".venv", "site-packages", "tests", "build", "dist"}
_MOST_FILES = 2_000

RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "local": ("The code is packed and sent to the server with each deployment.", ()),
    "git": ("Each run clones a repository.", ("repository", "branch")),
    "folder": ("Each run works in a folder that all machines have.", ("directory",)),
}
"""Where runs get the code from: what is said of it, and the fields that it needs."""


@click.command(
    "init",
    cls=Verb,
    examples=(
        "heliostat init",
        "heliostat init --recipe git --field repository=https://example.com/me/flows.git --field branch=main",
    ),
)
@click.option("--name", metavar="NAME", help="Name of the project. Default: that of the folder.")
@click.option(
    "--recipe",
    type=click.Choice(tuple(RECIPES)),
    default="local",
    show_default=True,
    help="Where runs get the code from.",
)
@click.option(
    "--field", "-f", "fields", metavar="NAME=VALUE", multiple=True, help="A value of the recipe; repeatable."
)
@click.option("--overwrite", is_flag=True, help="Write over the file that is here.")
def init(name: str | None, recipe: str, fields: tuple[str, ...], overwrite: bool) -> None:
    """Write a heliostat.yaml with a deployment for each flow of this folder. `heliostat deploy` reads it."""
    folder = Path.cwd()
    there = [each for each in _NAMES if (folder / each).exists()]
    if there and not (overwrite and there == ["heliostat.yaml"]):
        raise BadDeployment(f"There is a {there[0]} here already.", hint="edit it, or add --overwrite")
    given = from_assignments(fields, option="--field")
    _, needed = RECIPES[recipe]
    for field in given:
        if field not in needed:
            has = f"it has: {', '.join(needed)}" if needed else "it has none"
            raise click.BadParameter(
                f"the recipe {recipe} has no field {field!r}; {has}.", param_hint="--field"
            )
    missing = [field for field in needed if field not in given and field != "branch"]
    if missing:
        raise click.UsageError(f"The recipe {recipe} needs --field {missing[0]}=VALUE.")
    flows = flows_of(folder)
    text = _document(name or folder.name, recipe, given, flows)
    (folder / "heliostat.yaml").write_text(text, encoding="utf-8")
    found = f"{len(flows)} flow(s) of this folder" if flows else "an example: no flow was found here"
    note(f"Wrote heliostat.yaml with {found}.")
    note("hint: heliostat deploy --all --dry-run")


def flows_of(folder: Path) -> list[tuple[str, str]]:
    """Entrypoint and flow name of each flow in a folder's files, which are read and not executed."""
    found: list[tuple[str, str]] = []
    files = [path for path in sorted(folder.rglob("*.py")) if not _is_skipped(path.relative_to(folder))]
    for path in files[:_MOST_FILES]:
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (told := _flow_name(node)):
                found.append((f"{path.relative_to(folder).as_posix()}:{node.name}", told))
    return found


def _is_skipped(path: Path) -> bool:
    return any(part in _SKIPPED or part.startswith(".") for part in path.parts)


def _flow_name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """The name of the flow that a function is; None for other functions."""
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (isinstance(call, ast.Name) and call.id == "flow") or (
            isinstance(call, ast.Attribute) and call.attr == "flow"
        ):
            for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
            return node.name.replace("_", "-")
    return None


def _document(name: str, recipe: str, given: dict[str, Any], flows: list[tuple[str, str]]) -> str:
    import yaml

    pull: list[dict[str, Any]] | None = None
    if recipe == "git":
        pull = [{"prefect.deployments.steps.git_clone": dict(given)}]
    elif recipe == "folder":
        pull = [{"prefect.deployments.steps.set_working_directory": dict(given)}]
    deployments: list[dict[str, Any]] = [
        {
            "name": f"{flow_name}-default",
            "entrypoint": entrypoint,
            "parameters": {},
            "schedules": [],
            "work_pool": {"name": "default"},
        }
        for entrypoint, flow_name in flows or [("flows.py:my_flow", "my-flow")]
    ]
    body: dict[str, Any] = {"name": name, **({"pull": pull} if pull else {}), "deployments": deployments}
    head = f"# {RECIPES[recipe][0]} See `heliostat deploy --help`.\n"
    return head + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
