"""What a docstring says about each parameter, for forms and `--help`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

_FIELD = re.compile(r":param\s+(?:[^:\s]+\s+)?(?P<name>\*{0,2}\w+)\s*:\s*(?P<text>.*)")
_HEADING = re.compile(r"(Args|Arguments|Parameters)\s*:?\s*")
_ITEM = re.compile(r"(?P<name>\*{0,2}\w+)\s*(\([^)]*\))?\s*:\s*(?P<text>.+)")
_NUMPY_ITEM = re.compile(r"(?P<name>\*{0,2}\w+)\s*(:.*)?")


def own_docstring(fn: Callable[..., Any]) -> str | None:
    """A function's own docstring without its indentation, not one inherited from an overridden method."""
    text = getattr(fn, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else None


def parameter_descriptions(docstring: str | None) -> dict[str, str]:
    """Descriptions by parameter name: from `:param x:` fields, an `Args:` block or a numpy section."""
    lines = inspect.cleandoc(docstring or "").splitlines()
    return _fields(lines) or _section(lines)


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current: str | None = None
    for line in lines:
        field = _FIELD.match(line.strip())
        if field:
            current = str(field["name"]).lstrip("*")
            found[current] = field["text"].strip()
        elif current and line.startswith((" ", "\t")) and line.strip():
            found[current] = f"{found[current]} {line.strip()}".strip()
        else:
            current = None
    return found


def _section(lines: list[str]) -> dict[str, str]:
    """The items below the heading; a more deeply indented line continues the item above it."""
    for number, line in enumerate(lines):
        if _HEADING.fullmatch(line):
            block = lines[number + 1 :]
            if block and set(block[0].strip()) == {"-"}:
                return _numpy_items(block[1:])
            return _items(block)
    return {}


def _items(block: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current: str | None = None
    depth = 0
    for line in block:
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if indent == 0:
            break
        item = _ITEM.fullmatch(line.strip())
        if item and (current is None or indent <= depth):
            current, depth = str(item["name"]).lstrip("*"), indent
            found[current] = item["text"].strip()
        elif current is not None:
            found[current] += " " + line.strip()
    return found


def _numpy_items(block: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current: str | None = None
    for line, following in zip(block, [*block[1:], ""], strict=True):
        if line.strip() and set(following.strip()) == {"-"}:
            break  # the next section's heading
        if not line.strip():
            continue
        if line.startswith((" ", "\t")):
            if current is not None:
                found[current] = f"{found[current]} {line.strip()}".strip()
            continue
        item = _NUMPY_ITEM.fullmatch(line.strip())
        if item is None:
            break
        current = str(item["name"]).lstrip("*")
        found[current] = ""
    return found
