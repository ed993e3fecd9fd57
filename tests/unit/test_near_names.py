"""Hints for names that do not exist name only what is near."""

from __future__ import annotations

import pytest

from heliostat.runtime.foundation.near_names import nearest

VERBS = [
    "cancel",
    "delete",
    "deploy",
    "flow",
    "flow-run",
    "inspect",
    "logs",
    "ls",
    "pause",
    "version",
    "worker",
]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("depoly", "deploy"),
        ("flwo", "flow"),
        ("flow_run", "flow-run"),
        ("FLOW-RUN", "flow-run"),
        ("worekr", "worker"),
        ("canel", "cancel"),
        ("run", "flow-run"),  # a word of it
        # Seen: `heliostat foo` was answered with "did you mean flow?".
        ("foo", None),
        ("prison", None),
        ("reset", None),
        ("l", None),
        ("", None),
        ("work-queue", None),
    ],
)
def test_only_what_is_near_is_suggested(name: str, near: str | None) -> None:
    assert nearest(name, VERBS) == near


def test_the_nearest_of_several_is_chosen() -> None:
    assert nearest("limit", ["limits", "limit_s", "limi"]) == "limits"
    assert nearest("naem", ["game", "name"]) == "name"
    assert nearest("anything", []) is None
