"""Who set a deployment or a schedule: an author's code, a person by hand, or a served process that ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Author = dict[str, Any]
"""An author in the standard's form: `id`, `type`, `display_value`."""

DEPLOY = "DEPLOY"  # code or a file that was deployed
BY_HAND = "API"  # the pages, the command line, a client
SERVE = "SERVE"  # a served process, when it ended


def author(kind: str, who: str | None = None) -> Author:
    """An author in the form that the API shows."""
    return {"id": None, "type": kind, "display_value": who}


def is_of_code(by: Mapping[str, Any] | None) -> bool:
    """Whether code set it. An unknown author counts as code: early versions did not record authors."""
    return by is None or by.get("type") == DEPLOY


def was_set_by_code(by: Mapping[str, Any] | None) -> bool:
    """Whether code is recorded as the last author; False when no author is recorded."""
    return by is not None and by.get("type") == DEPLOY


def in_words(by: Mapping[str, Any] | None) -> str:
    """The author in words, such as "deploy (ada@laptop)"; "" when no author is recorded."""
    if by is None:
        return ""
    kinds = {DEPLOY: "deploy", BY_HAND: "by hand", SERVE: "serve, when it ended"}
    kind, who = str(by.get("type")), by.get("display_value")
    return f"{kinds.get(kind, kind.lower())}{f' ({who})' if who else ''}"
