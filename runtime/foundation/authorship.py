"""Who set a deployment or a schedule: an author's code, somebody by hand, or a served process that ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Author = dict[str, Any]
"""The standard's form of it: `id`, `type`, `display_value`."""

DEPLOY = "DEPLOY"  # code or a file that was deployed
BY_HAND = "API"  # the pages, the command line, a client
SERVE = "SERVE"  # a served process, when it ended


def author(kind: str, who: str | None = None) -> Author:
    """Somebody, as the API shows them."""
    return {"id": None, "type": kind, "display_value": who}


def is_of_code(by: Mapping[str, Any] | None) -> bool:
    """Whether it is the author's code that set it. What was set before this was noted counts as such."""
    return by is None or by.get("type") == DEPLOY


def was_set_by_code(by: Mapping[str, Any] | None) -> bool:
    """Whether it is known that code set it, and nobody by hand since."""
    return by is not None and by.get("type") == DEPLOY


def in_words(by: Mapping[str, Any] | None) -> str:
    """For people, such as "deploy (ada@laptop)"; "" where nobody is known."""
    if by is None:
        return ""
    kinds = {DEPLOY: "deploy", BY_HAND: "by hand", SERVE: "serve, when it ended"}
    kind, who = str(by.get("type")), by.get("display_value")
    return f"{kinds.get(kind, kind.lower())}{f' ({who})' if who else ''}"
