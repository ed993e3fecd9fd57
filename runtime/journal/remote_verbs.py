"""The store verbs that a process without a database may ask of a server, as JSON for the network.

Only these verbs can be asked for. Questions are validated in full, and the server unpickles nothing that a
client sends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from ..foundation.errors import UserError
from ..records import FlowRunTransition, Owner
from ..states import StateType
from ..store import (
    block_documents,
    commands,
    deployments,
    flow_run_inputs,
    flow_runs,
    leases,
    losses,
    seen_runs,
    slot_watch,
    task_runs,
    task_slots,
)
from ..store.commits import cache
from ..store.database.rows import (
    Adopted,
    Begun,
    CacheHit,
    FlowRunInputRow,
    FlowRunRow,
    FlowRunStateRow,
    Lease,
    LeaseRow,
    NewFlowRun,
    ReplayedTask,
)
from ..store.database.wire_text import model_text
from ..store.deployment_rows import DeploymentRow
from ..store.slot_rows import SlotAnswer, SlotWant

_LAST_S = 253_402_300_799.0  # the end of the year 9999
_BIG, _SMALL = 2**63 - 1, 2**31 - 1
_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", extra="forbid")
_STATE_TYPES = frozenset(str(each) for each in StateType)


class BadQuestion(UserError):
    """A request is not a question to the store, or not one that may be asked over the network."""


class RemoteVerb:
    """One verb: its parameters after the database, in order, and the type of its value."""

    def __init__(self, verb: Callable[..., Any], gives: Any, **parameters: Any) -> None:
        self.verb = verb
        self.name = f"{verb.__module__.rpartition('.')[2]}.{verb.__name__}"
        self._parameters = list(parameters)
        fields: dict[str, Any] = {
            name: each if isinstance(each, tuple) else (each, ...) for name, each in parameters.items()
        }
        self._question: type[BaseModel] = create_model(self.name, __config__=_CONFIG, **fields)
        # In a tuple, since a bare dataclass would not take the configuration.
        self._answer: TypeAdapter[Any] = TypeAdapter(cast("Any", tuple)[gives], config=_CONFIG)

    def dump_question(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """The arguments of a call of the verb, without the database."""
        given = dict(zip(self._parameters, args, strict=False)) | kwargs
        question = self._question.model_construct(**given)
        return model_text(question, exclude_unset=True, warnings=False).encode()

    def load_question(self, document: bytes) -> tuple[Any, ...]:
        """The arguments in their order, with defaults. Raises BadQuestion, which names the place at fault."""
        try:
            read = self._question.model_validate_json(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "body"
            raise BadQuestion(f"{self.name}: {place}: {first['msg']}") from None
        return tuple(getattr(read, name) for name in self._parameters)

    def dump_answer(self, value: Any) -> bytes:
        return self._answer.dump_json((value,))

    def load_answer(self, document: bytes) -> Any:
        return self._answer.validate_json(document)[0]


def remote_verb(verb: Callable[..., Any]) -> RemoteVerb:
    """The remote form of a verb. Raises NotImplementedError when it has none."""
    found = _VERBS.get(f"{verb.__module__.rpartition('.')[2]}.{verb.__name__}")
    if found is None or found.verb is not verb:
        raise NotImplementedError(f"{verb.__module__}.{verb.__name__} can be asked of a local database only")
    return found


def verb_named(name: str) -> RemoteVerb | None:
    """The verb of that name, such as "flow_runs.read"."""
    return _VERBS.get(name)


def _time(value: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= _LAST_S):
        raise ValueError("is not a time in seconds since 1970")
    return value


def _plain(value: str | None) -> str | None:
    if value is not None and "\0" in value:
        raise ValueError("holds a NUL")
    return value


def _owner(owner: Owner) -> Owner:
    _plain(owner.host)
    _time(owner.process_started)
    if not 0 <= owner.pid <= _SMALL:
        raise ValueError("pid is out of range")
    return owner


def _transition(new: FlowRunTransition) -> FlowRunTransition:
    _time(new.at)
    _plain(new.state_name)
    if new.state_type not in _STATE_TYPES:
        raise ValueError(f"{new.state_type!r} is not a state type")
    if new.error is not None:
        orjson.loads(new.error)
    return new


def _new_run(new: NewFlowRun) -> NewFlowRun:
    if new.expected_start is not None:
        _time(new.expected_start)
    for text in (new.entrypoint, new.code_revision):
        _plain(text)
    if not new.transitions:
        raise ValueError("a run needs at least one state")
    for each in new.transitions:
        _transition(each)
    return new


_Owner = Annotated[Owner, AfterValidator(_owner)]
_NewRun = Annotated[NewFlowRun, AfterValidator(_new_run)]
_Transition = Annotated[FlowRunTransition, AfterValidator(_transition)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Epoch = Annotated[int, Field(ge=0, le=_BIG)]
_Held = tuple[UUID, _Epoch, UUID]
_Text = Annotated[str, AfterValidator(_plain)]
_Ids = Annotated[list[UUID], Field(max_length=100_000)]
_Texts = Annotated[list[str], Field(max_length=10_000)]
_Keys = Annotated[list[Annotated[str, AfterValidator(_plain)]], Field(max_length=100_000)]

_VERBS: dict[str, RemoteVerb] = {
    each.name: each
    for each in (
        RemoteVerb(
            flow_runs.begin,
            Begun,
            new=_NewRun,
            owner=_Owner,
            lease_s=_Seconds,
            parent=(_Held | None, None),
        ),
        RemoteVerb(
            flow_runs.adopt,
            Adopted,
            run_id=UUID,
            owner=_Owner,
            lease_s=_Seconds,
            dead_epoch=(_Epoch | None, None),
        ),
        RemoteVerb(flow_runs.read, FlowRunRow, run_id=UUID),
        RemoteVerb(flow_runs.history, list[FlowRunStateRow], run_id=UUID),
        RemoteVerb(flow_run_inputs.create, None, run_id=UUID, key=_Text, value=_Text),
        RemoteVerb(flow_run_inputs.read, FlowRunInputRow, run_id=UUID, key=_Text),
        RemoteVerb(commands.pending, list[commands.Command], run_ids=_Ids),
        RemoteVerb(
            leases.take,
            Lease,
            run_id=UUID,
            owner=_Owner,
            lease_s=_Seconds,
            force=(bool, False),
            dead_epoch=(_Epoch | None, None),
            parent=(_Held | None, None),
        ),
        RemoteVerb(leases.read, LeaseRow | None, run_id=UUID),
        RemoteVerb(leases.read_many, list[LeaseRow], run_ids=_Ids),
        RemoteVerb(losses.count, int, run_id=UUID),
        RemoteVerb(
            seen_runs.propose,
            seen_runs.Told,
            run_id=UUID,
            seen_state_id=UUID,
            proposed=_Transition,
            is_unheld=(bool, False),
        ),
        RemoteVerb(leases.release, bool, run_id=UUID, epoch=_Epoch, owner_id=UUID),
        RemoteVerb(
            task_runs.recorded_range, list[ReplayedTask], flow_run_id=UUID, first_id=UUID, last_id=UUID
        ),
        RemoteVerb(
            task_runs.recorded_inputs,
            list[tuple[UUID, bytes | None]],
            flow_run_id=UUID,
            first_id=UUID,
            last_id=UUID,
            most=Annotated[int, Field(gt=0, le=100_000)],
        ),
        RemoteVerb(task_runs.count_by_state, dict[str, int], flow_run_id=UUID),
        RemoteVerb(deployments.read, DeploymentRow, deployment_id=UUID),
        RemoteVerb(block_documents.data_of, dict[str, Any], references=_Texts),
        RemoteVerb(task_slots.limited, list[str], tags=_Texts),
        RemoteVerb(
            task_slots.exchange,
            list[SlotAnswer],
            given=_Ids,
            wants=Annotated[list[SlotWant], Field(max_length=10_000)],
            lease_s=_Seconds,
        ),
        RemoteVerb(task_slots.renew, list[UUID], lease_ids=_Ids, lease_s=_Seconds),
        RemoteVerb(slot_watch.wait, bool, watcher=UUID, timeout_s=_Seconds),
        RemoteVerb(cache.get_many, dict[str, CacheHit], keys=_Keys, now=(float | None, None)),
    )
}
