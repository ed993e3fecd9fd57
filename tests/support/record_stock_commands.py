"""Records the commands of the stock client as data, in `stock_commands.json`: nouns, verbs, aliases, flags.

Run it with the Python of an environment that has the stock client:
    python tests/support/record_stock_commands.py > tests/support/stock_commands.json
"""

from __future__ import annotations

import json
from collections import defaultdict
from importlib import import_module
from importlib.metadata import version
from typing import Any


def walk(app: Any, words: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Every command below `app` by the words that lead to it."""
    names: dict[int, list[str]] = defaultdict(list)
    for name in app:
        if not name.startswith("-"):
            names[id(app[name])].append(name)
    found: dict[str, dict[str, Any]] = {}
    for name, *aliases in names.values():
        command = app[name]
        path = (*words, name)
        entry: dict[str, Any] = {"aliases": aliases}
        if command.default_command is not None:
            entry |= _described(command)
        found[" ".join(path)] = entry
        found |= walk(command, path)
    return found


def _described(command: Any) -> dict[str, Any]:
    """The flags that a command has, each with its other spellings; and the arguments that have a place."""
    flags: list[list[str]] = []
    arguments: list[str] = []
    for argument in command.assemble_argument_collection():
        if argument.index is not None:
            arguments.append(argument.name.lstrip("-"))
            continue
        off = set(argument.negatives)
        kept = {each for each in off if _means_something(each, argument.field_info.default)}
        flags.append(sorted({*(set(argument.names) - off), *kept}))
    return {"arguments": arguments, "flags": flags}


def _means_something(negative: str, default: Any) -> bool:
    """Whether a spelling that turns a flag off is one that people use: the others are made by rule."""
    if negative.startswith("--empty-"):
        return False
    return default is True or not negative.startswith("--no-")


if __name__ == "__main__":
    import_module("prefect.cli")  # registers the commands
    app = import_module("prefect.cli._app")._app
    print(json.dumps({"version": version("prefect"), "commands": walk(app)}, indent=1))
