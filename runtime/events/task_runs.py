"""What events say about task runs: stock clients orchestrate task runs themselves and send each state as an
event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from ..states import StateType
from .records import Event, id_in

_PREFIX = "prefect.task-run"


@dataclass(frozen=True, slots=True)
class TaskRunNews:
    """A new state of a task run. The id of the event is the id of the state."""

    event_id: UUID
    at: datetime
    task_run_id: UUID
    flow_run_id: UUID | None
    state_type: str
    state_name: str
    message: str | None
    details: dict[str, Any]
    data: Any
    facts: dict[str, Any]  # of the task run, as the client sent them

    @property
    def task_key(self) -> str:
        return str(self.facts.get("task_key") or "")

    @property
    def dynamic_key(self) -> str:
        return str(self.facts.get("dynamic_key") or "")


def tells_of_a_task_run(event: Event) -> bool:
    """Whether the event is a state of a task run that its client orchestrates, for the recorder."""
    return event.event.startswith(_PREFIX) and event.resource.get("prefect.orchestration") == "client"


def news_of(event: Event) -> TaskRunNews | None:
    """The news in the event; None when it is incomplete."""
    task_run_id = id_in(event.resource, "task-run")
    state = _object(event.payload.get("validated_state"))
    facts = _object(event.payload.get("task_run"))
    kind = state.get("type")
    if task_run_id is None or kind not in StateType.__members__ or not facts.get("task_key"):
        return None
    of_run = event.related_in_role("flow-run")
    flow_run_id = id_in(of_run[0], "flow-run") if of_run else None
    details = _object(state.get("state_details"))
    return TaskRunNews(
        event_id=event.id,
        at=event.occurred,
        task_run_id=task_run_id,
        flow_run_id=flow_run_id,
        state_type=str(kind),
        state_name=str(state.get("name") or str(kind).capitalize()),
        message=cast("str | None", state.get("message")),
        details={name: value for name, value in details.items() if value not in (None, False)},
        data=state.get("data"),
        facts=facts,
    )


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
