"""Which calls of a pack cannot be sent, and which of their arguments is to blame."""

from __future__ import annotations

from typing import cast

from ..foundation.errors import CannotPickle
from ..values import parameters
from . import payload
from .calls import Row
from .fanout import Fanout
from .lane import Answer, refusal, refused
from .outcomes import Outcome
from .pack_group import Pack, ReadySpan
from .resolve import References


def refused_unsendable(pack: Pack, error: Exception) -> Answer:
    """The answer for a pack that could not be sent because of `error`: the calls at fault have failed, each
    with its own reason, and the others are as if not started. When none is at fault alone, all have failed.
    """
    outcomes = [_outcome_of(fanout, position) for fanout, position in pack.members()]
    if not any(outcomes):
        return refused(pack, error)
    return Answer(pack, outcomes, 0.0, "", 0, {})


def _outcome_of(fanout: Fanout, position: int) -> Outcome | None:
    """The failure of a call that cannot be sent; None for one that can."""
    try:
        [row] = References().replaced(ReadySpan(fanout, position, position + 1))
    except Exception as error:
        return refusal(error)
    if type(row) is not tuple:  # it has been pickled before
        return None
    try:
        payload.dump(row)
    except CannotPickle as error:
        return refusal(_naming_the_argument(fanout, position, cast("Row", row), error))
    return None


def _naming_the_argument(fanout: Fanout, position: int, row: Row, error: CannotPickle) -> CannotPickle:
    for name, value in parameters.bind(fanout.kind.code.fn, *row).items():
        try:
            payload.dump(value)
        except CannotPickle as reason:
            return type(reason)(
                f"argument {name!r} of {fanout.name_of(position)}: {reason}", hint=reason.hint
            )
    return error
