"""Carrying out one action of an automation, for each action type of the standard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from fastapi import HTTPException

from ...runtime.foundation import clock
from ...runtime.foundation.errors import DatabaseUnavailable, HeliostatError, NotFound
from ...runtime.states import Cancelling, Scheduled, State, StateType, Suspended
from ...runtime.store import (
    automations,
    deployments,
    flow_run_changes,
    flow_runs,
    resuming,
    work_pools,
    work_queues,
)
from ...runtime.store.automation_actions import DueAction
from ...runtime.store.database.database import Database
from ...runtime.store.flow_run_changes import Proposed
from ..deployment_runs import start_run
from ..schemas import SetState
from ..schemas_deployments import DeploymentRunCreate
from . import deliveries
from .outcome import ActionFailed, Outcome, cause_of
from .targets import target, target_run
from .templates import Writer

Act = Callable[[Database, DueAction, Outcome], Awaitable[None]]

_SUSPENDED_FOR_S = 3_600.0


async def perform(db: Database, due: DueAction, outcome: Outcome) -> None:
    """Carry out an action. Raises ActionFailed, and DatabaseUnavailable: then it is to be tried again."""
    act = _ACTS.get(due.action["type"])
    if act is None:
        raise ActionFailed(f"There is no action {due.action['type']!r}")
    try:
        await act(db, due, outcome)
    except DatabaseUnavailable:
        raise
    except HTTPException as error:
        raise ActionFailed(str(error.detail), status_code=error.status_code) from error
    except HeliostatError as error:
        raise ActionFailed(str(error)) from error


async def _do_nothing(_db: Database, _due: DueAction, _outcome: Outcome) -> None:
    pass


async def _run_deployment(db: Database, due: DueAction, outcome: Outcome) -> None:
    deployment_id = target(due, "deployment")
    outcome.concerns("deployment", deployment_id, "target")
    runnable = await deployments.to_run(db, deployment_id)
    parameters = await Writer(db, due).write_within(due.action.get("parameters") or {})
    after = timedelta(seconds=due.action.get("schedule_after") or 0.0)
    asked = DeploymentRunCreate(
        parameters=parameters,
        idempotency_key=f"automation {due.id}",  # a second attempt finds the run of the first
        job_variables=due.action.get("job_variables"),
        labels=None if due.chain is None else due.chain.as_labels(),
    )
    creator = {
        "id": due.automation["id"],
        "type": "AUTOMATION",
        "display_value": due.automation["name"],
    }
    state = Scheduled(clock.now() + after)
    started, _ = await start_run(db, runnable, asked, state=state, created_by=creator)
    outcome.concerns("flow-run", started.run.id, "flow-run", started.run.name)
    outcome.details["status_code"] = 201


def _switch_deployment(paused: bool) -> Act:
    async def act(db: Database, due: DueAction, outcome: Outcome) -> None:
        deployment_id = target(due, "deployment")
        outcome.concerns("deployment", deployment_id, "target")
        await (deployments.pause if paused else deployments.resume)(db, deployment_id)

    return act


def _switch_pool(paused: bool) -> Act:
    async def act(db: Database, due: DueAction, outcome: Outcome) -> None:
        pool = await work_pools.read_by_id(db, target(due, "work-pool"))
        outcome.concerns("work-pool", pool.id, "target", pool.name)
        await work_pools.change(db, pool.name, {"is_paused": paused})

    return act


def _switch_queue(paused: bool) -> Act:
    async def act(db: Database, due: DueAction, outcome: Outcome) -> None:
        queue = await work_queues.read_by_id(db, target(due, "work-queue"))
        outcome.concerns("work-queue", queue.id, "target", queue.name)
        await work_queues.change(db, queue.work_pool_name, queue.name, {"is_paused": paused})

    return act


def _switch_automation(enabled: bool) -> Act:
    async def act(db: Database, due: DueAction, outcome: Outcome) -> None:
        automation_id = target(due, "automation")
        outcome.concerns("automation", automation_id, "target")
        await automations.enable(db, automation_id, enabled, cause_of(due))

    return act


def _change_state(state_of: Callable[[DueAction], State]) -> Act:
    async def act(db: Database, due: DueAction, outcome: Outcome) -> None:
        run_id = target_run(due)
        outcome.concerns("flow-run", run_id, "target")
        wanted, force = state_of(due), bool(due.action.get("force"))
        await _note_cause(db, due, run_id, wanted.id)
        became = await flow_run_changes.propose(db, run_id, wanted, force=force)
        # A run that has nothing to tear down is cancelled at once, which is what the action asked for.
        is_cancelled = became.state is not None and became.state.type == "CANCELLED"
        if not (wanted.type is StateType.CANCELLING and is_cancelled):
            _accepted(became, "set state")

    return act


async def _delete_run(db: Database, due: DueAction, outcome: Outcome) -> None:
    run_id = target_run(due)
    outcome.concerns("flow-run", run_id, "target")
    try:
        await flow_runs.delete(db, run_id)
    except NotFound:
        if due.attempts == 1:  # otherwise an earlier attempt removed the run
            raise


async def _resume_run(db: Database, due: DueAction, outcome: Outcome) -> None:
    run_id = target_run(due)
    outcome.concerns("flow-run", run_id, "target")
    await _note_cause(db, due, run_id, "resumed")
    _accepted(await resuming.resume(db, run_id), "resume flow run")


async def _note_cause(db: Database, due: DueAction, run_id: UUID, set_state: object) -> None:
    """Record with the run which automation acts on it, before it does: its events are evaluated at once."""
    if due.chain is not None:
        await flow_run_changes.merge_labels(db, run_id, due.chain.as_labels(set_state))


def _accepted(became: Proposed, what: str) -> None:
    decision = became.verdict.decision
    if decision.outcome != "ACCEPT":
        raise ActionFailed(f"Failed to {what}: {decision.reason}")


def _by(due: DueAction, did: str) -> str:
    return f"{did} by Automation {due.automation['id']}"


def _asked_state(due: DueAction) -> State:
    facts = due.action
    message = facts.get("message") or _by(due, "State changed")
    state = {"type": facts["state"], "name": facts.get("name"), "message": message}
    return SetState.model_validate({"state": state}).state.as_state()


_ACTS: dict[str, Act] = {
    "do-nothing": _do_nothing,
    "run-deployment": _run_deployment,
    "pause-deployment": _switch_deployment(True),
    "resume-deployment": _switch_deployment(False),
    "pause-work-pool": _switch_pool(True),
    "resume-work-pool": _switch_pool(False),
    "pause-work-queue": _switch_queue(True),
    "resume-work-queue": _switch_queue(False),
    "pause-automation": _switch_automation(False),
    "resume-automation": _switch_automation(True),
    "cancel-flow-run": _change_state(lambda due: Cancelling(_by(due, "Cancelled"))),
    "change-flow-run-state": _change_state(_asked_state),
    "suspend-flow-run": _change_state(
        lambda due: Suspended(_by(due, "Suspended"), timeout_s=_SUSPENDED_FOR_S)
    ),
    "resume-flow-run": _resume_run,
    "delete-flow-run": _delete_run,
    "call-webhook": deliveries.call_webhook,
    "send-notification": deliveries.send_notification,
}
