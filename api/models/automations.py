"""Automations on the wire: triggers that nest, actions of many types."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer, model_validator

from ...runtime.events.filters import Specification
from ...runtime.states import StateType
from ...runtime.store.automations import AutomationFilter, AutomationSort
from ..actions.templates import fault_of
from ..responses import Recorded
from ..schemas import Fields, OneModel, Paged


def _template(text: str) -> str:
    fault = fault_of(text)
    if fault is not None:
        raise ValueError(f"it is not a valid template: {fault}")
    return text


def _as_text(value: Any) -> Any:
    """The payload as text; older versions of the user interface send it as an object."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if isinstance(value, dict) else value


Template = Annotated[str, AfterValidator(_template)]
Source = Literal["selected", "inferred"]
Seconds = Annotated[timedelta, PlainSerializer(lambda value: value.total_seconds(), return_type=float)]


LEAST_PROACTIVE = timedelta(seconds=10)  # also the default of a proactive trigger


class EventTrigger(BaseModel):
    type: Literal["event"] = "event"
    id: UUID = Field(default_factory=uuid4)
    match: Specification = {}
    match_related: Specification | list[Specification] = {}
    after: set[str] = set()
    expect: set[str] = set()
    for_each: set[str] = set()
    posture: Literal["Reactive", "Proactive"]
    threshold: int = 1
    within: Seconds = timedelta(0)

    @model_validator(mode="after")
    def _within_makes_sense(self) -> EventTrigger:
        if self.within < timedelta(0):
            raise ValueError("within cannot be negative")
        if self.posture == "Proactive" and self.within < LEAST_PROACTIVE:
            if self.within:
                raise ValueError("within is at least 10 seconds for a proactive trigger")
            self.within = LEAST_PROACTIVE
        return self


class CompoundTrigger(BaseModel):
    type: Literal["compound"] = "compound"
    id: UUID = Field(default_factory=uuid4)
    triggers: list[Trigger]
    within: Seconds | None
    require: int | Literal["any", "all"]

    @model_validator(mode="after")
    def _enough_triggers(self) -> CompoundTrigger:
        if isinstance(self.require, int) and not 1 <= self.require <= len(self.triggers):
            raise ValueError("require must lie between 1 and the number of triggers")
        return self


class SequenceTrigger(BaseModel):
    type: Literal["sequence"] = "sequence"
    id: UUID = Field(default_factory=uuid4)
    triggers: list[Trigger]
    within: Seconds | None


Trigger = EventTrigger | CompoundTrigger | SequenceTrigger


class DoNothing(BaseModel):
    type: Literal["do-nothing"] = "do-nothing"


class _OnDeployment(BaseModel):
    source: Source = "selected"
    deployment_id: UUID | None = None


class RunDeployment(_OnDeployment):
    type: Literal["run-deployment"] = "run-deployment"
    parameters: dict[str, Any] | None = None
    job_variables: dict[str, Any] | None = None
    schedule_after: Seconds = timedelta(0)


class PauseDeployment(_OnDeployment):
    type: Literal["pause-deployment"] = "pause-deployment"


class ResumeDeployment(_OnDeployment):
    type: Literal["resume-deployment"] = "resume-deployment"


class CancelFlowRun(BaseModel):
    type: Literal["cancel-flow-run"] = "cancel-flow-run"


class DeleteFlowRun(BaseModel):
    type: Literal["delete-flow-run"] = "delete-flow-run"


class ChangeFlowRunState(BaseModel):
    type: Literal["change-flow-run-state"] = "change-flow-run-state"
    name: str | None = None
    state: StateType
    message: str | None = None
    force: bool = False


class _OnQueue(BaseModel):
    source: Source = "selected"
    work_queue_id: UUID | None = None


class PauseWorkQueue(_OnQueue):
    type: Literal["pause-work-queue"] = "pause-work-queue"


class ResumeWorkQueue(_OnQueue):
    type: Literal["resume-work-queue"] = "resume-work-queue"


class SendNotification(BaseModel):
    type: Literal["send-notification"] = "send-notification"
    block_document_id: UUID
    subject: Template = "Prefect automated notification"
    body: Template


class CallWebhook(BaseModel):
    type: Literal["call-webhook"] = "call-webhook"
    block_document_id: UUID
    payload: Annotated[Template, BeforeValidator(_as_text)] = ""


class _OnAutomation(BaseModel):
    source: Source = "selected"
    automation_id: UUID | None = None


class PauseAutomation(_OnAutomation):
    type: Literal["pause-automation"] = "pause-automation"


class ResumeAutomation(_OnAutomation):
    type: Literal["resume-automation"] = "resume-automation"


class SuspendFlowRun(BaseModel):
    type: Literal["suspend-flow-run"] = "suspend-flow-run"


class ResumeFlowRun(BaseModel):
    type: Literal["resume-flow-run"] = "resume-flow-run"


class _OnPool(BaseModel):
    source: Source = "selected"
    work_pool_id: UUID | None = None


class PauseWorkPool(_OnPool):
    type: Literal["pause-work-pool"] = "pause-work-pool"


class ResumeWorkPool(_OnPool):
    type: Literal["resume-work-pool"] = "resume-work-pool"


Action = Annotated[
    DoNothing
    | RunDeployment
    | PauseDeployment
    | ResumeDeployment
    | CancelFlowRun
    | DeleteFlowRun
    | ChangeFlowRunState
    | PauseWorkQueue
    | ResumeWorkQueue
    | SendNotification
    | CallWebhook
    | PauseAutomation
    | ResumeAutomation
    | SuspendFlowRun
    | ResumeFlowRun
    | PauseWorkPool
    | ResumeWorkPool,
    Field(discriminator="type"),
]


_STATES_OF_EVERY_RUN = {f"prefect.flow-run.{name}" for name in ("Scheduled", "Pending", "Running", "*")}


class AutomationUpdate(OneModel):
    name: str
    description: str = ""
    enabled: bool = True
    tags: list[str] = []
    trigger: Trigger
    actions: list[Action]
    actions_on_trigger: list[Action] = []
    actions_on_resolve: list[Action] = []

    @model_validator(mode="after")
    def _targets_are_told(self) -> AutomationUpdate:
        for action in (*self.actions, *self.actions_on_trigger, *self.actions_on_resolve):
            for name in ("deployment_id", "work_queue_id", "automation_id", "work_pool_id"):
                if hasattr(action, name) and (getattr(action, name) is None) != (
                    getattr(action, "source", None) == "inferred"
                ):
                    raise ValueError(
                        f"{action.type}: {name} goes with the source 'selected', and only with it"
                    )
        return self

    @model_validator(mode="after")
    def _feeds_no_loop(self) -> AutomationUpdate:
        """Refuse an automation that runs a deployment for each of its own runs: it would never end."""
        trigger = self.trigger
        if not self.enabled or not isinstance(trigger, EventTrigger) or trigger.posture != "Reactive":
            return self
        runs_it = any(each.type == "run-deployment" and each.source == "inferred" for each in self.actions)
        if runs_it and trigger.expect & _STATES_OF_EVERY_RUN:
            raise ValueError("running the deployment of each run that is scheduled or begins would never end")
        return self

    def facts(self) -> dict[str, Any]:
        """The automation as the store takes it."""
        return self.model_dump(mode="json")


class AutomationCreate(AutomationUpdate):
    owner_resource: str | None = None


class AutomationPartialUpdate(OneModel):
    enabled: bool = True


class AutomationSearch(Fields):
    automations: AutomationFilter | None = None


class AutomationPage(AutomationSearch, Paged):
    sort: AutomationSort = "NAME_ASC"


class Automation(Recorded):
    name: str
    description: str
    enabled: bool
    tags: list[str]
    trigger: Trigger
    actions: list[Action]
    actions_on_trigger: list[Action]
    actions_on_resolve: list[Action]
    paused_reason: str | None = Field(
        None, description="Why the server switched it off (not in the standard)."
    )
