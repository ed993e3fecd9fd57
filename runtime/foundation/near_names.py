"""The existing name that was probably meant by a misspelled one."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LETTERS_A_SLIP = 4
_MOST_SLIPS = 3
_SHORTEST_WORD = 3


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is a few typing errors away from `name`; None when none is near.

    A slip is a letter that is extra, missing, wrong or swapped with its neighbour; one slip is allowed for
    each four letters. Case, dashes and underscores do not count. Two names are near, too, when one has all
    words of the other.
    """
    wanted = _plain(name)
    best: tuple[int, str] | None = None
    for each in known:
        slips = _slips(wanted, _plain(each))
        if slips is None and _shares_words(name, each):
            slips = _MOST_SLIPS + 1
        if slips is not None and (best is None or slips < best[0]):
            best = slips, each
    return None if best is None else best[1]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _shares_words(one: str, other: str) -> bool:
    words, others = (
        {word for word in re.split(r"[^a-z0-9]+", name.casefold()) if len(word) >= _SHORTEST_WORD}
        for name in (one, other)
    )
    return bool(words and others) and (words <= others or others <= words)


def _slips(one: str, other: str) -> int | None:
    """How many slips turn one text into the other; None when more than are allowed."""
    shorter, longer = sorted((len(one), len(other)))
    is_word = shorter > 1 and longer >= _SHORTEST_WORD
    allowed = min(_MOST_SLIPS, -(-shorter // _LETTERS_A_SLIP)) if is_word else 0
    if abs(len(one) - len(other)) > allowed:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, theirs in enumerate(other, 1):
            slips = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != theirs))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == theirs:
                slips = min(slips, older[j - 2] + 1)
            row.append(slips)
    return row[-1] if row[-1] <= allowed else None
