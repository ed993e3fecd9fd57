"""The author of a request, as far as its headers tell: recorded with the fields that it sets."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..runtime.foundation.authorship import BY_HAND, DEPLOY, Author, author

_LONGEST = 100


def _who(request: Request) -> str | None:
    """Person and machine for Heliostat's client, `UI` for browsers, name and version for other clients."""
    agent = request.headers.get("user-agent", "")
    if agent.startswith("Mozilla/"):
        return "UI"
    return agent.removeprefix("heliostat ").strip("()")[:_LONGEST] or None


def by_deploy(request: Request) -> Author:
    """The author of fields that come with a whole deployment: its code."""
    return author(DEPLOY, _who(request))


def by_hand(request: Request) -> Author:
    """The author of fields that are changed one by one: a person."""
    return author(BY_HAND, _who(request))


ByDeploy = Annotated[Author, Depends(by_deploy)]
ByHand = Annotated[Author, Depends(by_hand)]
