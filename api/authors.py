"""Who sends a request, as far as its headers tell: shown at what it sets."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..runtime.foundation.authorship import BY_HAND, DEPLOY, Author, author

_LONGEST = 100


def _who(request: Request) -> str | None:
    """Our own client says person and machine; browsers show pages; others say their name and version."""
    agent = request.headers.get("user-agent", "")
    if agent.startswith("Mozilla/"):
        return "UI"
    return agent.removeprefix("heliostat ").strip("()")[:_LONGEST] or None


def by_deploy(request: Request) -> Author:
    """What comes with a whole deployment is its author's code's."""
    return author(DEPLOY, _who(request))


def by_hand(request: Request) -> Author:
    """What is changed by itself is somebody's."""
    return author(BY_HAND, _who(request))


ByDeploy = Annotated[Author, Depends(by_deploy)]
ByHand = Annotated[Author, Depends(by_hand)]
