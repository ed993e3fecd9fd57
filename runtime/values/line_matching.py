"""Log lines that are alike, and lines that a regular expression finds. Imported by a process of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST_TEMPLATE = 160
_LOOKED_AT = 2_000  # characters of a line: what begins alike is alike

_VARYING = re.compile(
    r"""(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})
    |(?P<quoted>'[^'\n]{1,200}'|"[^"\n]{1,200}")
    |(?P<hex>\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b)
    |(?P<path>(?<![\w/])(?:/[\w.@+-]+){2,}/?)
    |(?P<number>\d+(?:[.,:]\d+)*)""",
    re.VERBOSE | re.IGNORECASE,
)


def template_of(line: str) -> str:
    """The first line of a text with what varies from line to line as …: numbers, ids, paths, quoted words."""
    first = line.lstrip()[:_LOOKED_AT].partition("\n")[0]
    return " ".join(_VARYING.sub("…", first).split())[:LONGEST_TEMPLATE]


def found_by(pattern: str, lines: Sequence[str]) -> list[int]:
    """The places of the lines in which the expression occurs, in any case of letters. Raises re.error."""
    search = re.compile(pattern, re.IGNORECASE).search
    return [place for place, line in enumerate(lines) if search(line)]
