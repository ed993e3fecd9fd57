"""An event: something that happened to a resource, with the other resources that it concerns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

Resource = dict[str, str]
"""The labels of a resource, always with `prefect.resource.id`; related resources have a
`prefect.resource.role`.
"""

RESOURCE_ID = "prefect.resource.id"
RESOURCE_NAME = "prefect.resource.name"
RESOURCE_ROLE = "prefect.resource.role"

LONGEST_NAME = 1_024
MOST_LABELS = 500
MOST_RELATED = 100
LARGEST_BYTES = 1_500_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `received` is when the server accepted it; `seq` is its place in the table, once it is
    stored.
    """

    id: UUID
    occurred: datetime
    event: str
    resource: Resource
    related: list[Resource] = field(default_factory=list[Resource])
    payload: dict[str, Any] = field(default_factory=dict[str, Any])
    follows: UUID | None = None
    received: datetime | None = None
    seq: int = 0

    @property
    def resource_id(self) -> str:
        return self.resource[RESOURCE_ID]

    def related_in_role(self, role: str) -> list[Resource]:
        """The related resources that play `role`."""
        return [each for each in self.related if each.get(RESOURCE_ROLE) == role]


def is_too_large(text: str) -> bool:
    """Whether an event's JSON has more bytes than are allowed."""
    # A character has one to four bytes, so only long texts must be encoded and counted.
    return 4 * len(text) > LARGEST_BYTES and len(text.encode()) > LARGEST_BYTES


def id_in(resource: Resource, kind: str) -> UUID | None:
    """The id of a resource such as `prefect.flow-run.<uuid>`; None when the resource is of another kind."""
    prefix = f"prefect.{kind}."
    text = resource.get(RESOURCE_ID, "")
    if not text.startswith(prefix):
        return None
    try:
        return UUID(text[len(prefix) :])
    except ValueError:
        return None
