"""Decides whether a proposed state is accepted, replaced, delayed or refused, by small rules that say why.

The engine and the API call `decide` before they write a state; the caller writes `state_to_write`, updates
the run with `changes` and records the trail. Nothing here reads a database: callers pass what rules must know
as RunFacts. Source of the rules and their order: the standard API's orchestration rules. Rules about
concurrency slots need the database and are in the store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ..states import TRANSITIONS, State, StateType
from .flow_run_rules import FLOW_RUN_RULES, FORCED_FLOW_RUN_RULES
from .proposals import (
    PLACEMENT,
    Abort,
    Accept,
    Decision,
    Kind,
    Proposal,
    Reject,
    Rule,
    RunFacts,
    Verdict,
    Wait,
)
from .task_run_rules import BACKGROUND_RUN_RULES, TASK_RUN_RULES

__all__ = [
    "FLOW_RUN_RULES",
    "PLACEMENT",
    "TASK_RUN_RULES",
    "Abort",
    "Accept",
    "Kind",
    "Reject",
    "RunFacts",
    "Verdict",
    "Wait",
    "decide",
]


def decide(
    kind: Kind, current: State | None, proposed: State, facts: RunFacts, *, force: bool = False
) -> Verdict:
    """Decide about the proposal to move a run from `current` to `proposed`.

    Rules are asked in order; each sees the changes of those before it, and the first that does not accept
    decides. `force` skips all rules of flow runs but two: a kept result, and a cancellation without a
    process.
    """
    proposal = Proposal(current, proposed, facts)
    trail: list[tuple[str, str, str]] = []
    changes: dict[str, Any] = {}
    decision: Decision = Accept("transitions")
    for rule in _rules_for(kind, force, current.type if current else None, proposed.type):
        decision = rule.check(proposal)
        if isinstance(decision, Accept | Reject):
            changes.update(decision.changes)
        if not isinstance(decision, Accept):
            break
        if decision.state is not None:
            proposal = dataclasses.replace(proposal, proposed=decision.state)
        if decision.reason:
            trail.append((rule.name, decision.outcome, decision.reason))
    return _settled(proposal, decision, trail, changes)


def _settled(
    proposal: Proposal, decision: Decision, trail: list[tuple[str, str, str]], changes: dict[str, Any]
) -> Verdict:
    """The verdict, with the reason that TRANSITIONS has for the transition."""
    if isinstance(decision, Wait | Abort):
        return _verdict(decision, None, trail, {})
    state = decision.state if isinstance(decision, Reject) else proposal.proposed
    if state is None:
        return _verdict(decision, None, trail, {})
    event = TRANSITIONS[proposal.current.type if proposal.current else None, state.type]
    if isinstance(decision, Accept):
        decision = Accept("transitions", state, event, changes)
    return _verdict(decision, state, trail, changes)


def _verdict(
    decision: Decision, state: State | None, trail: list[tuple[str, str, str]], changes: dict[str, Any]
) -> Verdict:
    return Verdict(decision, state, [*trail, (decision.rule, decision.outcome, decision.reason)], changes)


_Arrow = tuple[StateType | None, StateType]


def _by_arrow(rules: Sequence[Rule]) -> dict[_Arrow, tuple[Rule, ...]]:
    starts: tuple[StateType | None, ...] = (None, *StateType)
    return {
        (start, to): tuple(rule for rule in rules if start in rule.from_types and to in rule.to_types)
        for start in starts
        for to in StateType
    }


_RULES: dict[tuple[str, bool], dict[_Arrow, tuple[Rule, ...]]] = {
    ("flow-run", False): _by_arrow(FLOW_RUN_RULES),
    ("task-run", False): _by_arrow(TASK_RUN_RULES),
    ("flow-run", True): _by_arrow(FORCED_FLOW_RUN_RULES),
    ("task-run", True): _by_arrow(()),
    ("background-run", False): _by_arrow(BACKGROUND_RUN_RULES),
    ("background-run", True): _by_arrow(BACKGROUND_RUN_RULES),
}


def _rules_for(kind: Kind, force: bool, start: StateType | None, to: StateType) -> tuple[Rule, ...]:
    return _RULES[kind, force][start, to]
