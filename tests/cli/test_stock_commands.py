"""Every noun, verb, alias and flag of the stock client's command line is ours too, or has a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from heliostat.api.cli.root import cli

from ..support.absent_stock_commands import ABSENT

RECORDED = json.loads(
    (Path(__file__).resolve().parents[1] / "support" / "stock_commands.json").read_text(encoding="utf-8")
)["commands"]


def parts_of(words: str) -> Iterator[str]:
    """A command and all that belongs to it: "flow ls", "flow ls --limit", "flow ls -o"."""
    entry = RECORDED[words]
    yield words
    above, _, _ = words.rpartition(" ")
    yield from (f"{above} {alias}".strip() for alias in entry["aliases"])
    yield from (f"{words} {spelling}" for flag in entry.get("flags", ()) for spelling in flag)


PARTS = [part for words in RECORDED for part in parts_of(words)]


def ours(words: list[str]) -> click.Command | None:
    """Our command at these words."""
    found: click.Command | None = cli
    for word in words:
        if not isinstance(found, click.Group):
            return None
        found = found.get_command(click.Context(found), word)
    return found


def is_here(part: str) -> bool:
    *words, last = part.split()
    if not last.startswith("-"):
        return ours([*words, last]) is not None
    command = ours(words)
    spellings = {
        each for param in (command.params if command else ()) for each in (*param.opts, *param.secondary_opts)
    }
    return last in spellings


def reason_for(part: str) -> str | None:
    """Why a part is absent: its own reason, or that of the noun or verb above it."""
    words = part.split()
    return next(
        (ABSENT[key] for n in range(len(words), 0, -1) if (key := " ".join(words[:n])) in ABSENT), None
    )


def test_each_part_of_the_stock_command_line_is_here_or_has_a_reason() -> None:
    missing = [part for part in PARTS if not is_here(part) and not reason_for(part)]
    assert missing == []


def test_no_reason_is_given_for_what_is_here_or_is_nowhere() -> None:
    stale = [
        key
        for key, reason in ABSENT.items()
        if not reason or all(is_here(part) for part in PARTS if f"{part} ".startswith(f"{key} "))
    ]
    assert stale == []


@pytest.mark.parametrize("option", ["--profile", "--prompt", "--no-prompt"])
def test_options_before_the_noun_are_those_of_the_stock_client(option: str) -> None:
    known = {each for param in cli.params for each in (*param.opts, *param.secondary_opts)}
    assert option in known or option in ABSENT
