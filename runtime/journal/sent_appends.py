"""Appends as a server is sent them: read in full before anything is done, with nothing taken on trust."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar, cast
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ..foundation.ids import task_run_base
from ..records import (
    CallSite,
    FlowRunTransition,
    HeldLease,
    LogBatch,
    LogLine,
    Record,
    RuleDecision,
    RunAppend,
    TaskRunBatch,
)
from ..states import StateType
from ..store.database.wire_text import plain_json, plain_text
from .wire_json import BadAppend

T = TypeVar("T", bound=BaseModel)

_LAST_S = 253_402_300_799.0  # the end of the year 9999
_LEFT_OUT: Any = None  # what may be left out may not be null


def load_appends(document: bytes) -> list[RunAppend]:
    """What `dump_appends` gave. Raises BadAppend with the place at fault."""
    return [each.append() for each in _read(_Appends, document).appends]


def load_leases(document: bytes) -> list[HeldLease]:
    """The leases that are to be renewed. Raises BadAppend."""
    return _read(_Leases, document).leases


def _read(model: type[T], document: bytes) -> T:
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise BadAppend(f"{place}: {first['msg']}") from error


def _without_nul(text: str) -> str:
    """A text that the store writes as it is, and by which rows are told apart."""
    if "\0" in text:
        raise ValueError("holds a NUL")
    return text


def _json_text(text: str) -> str:
    text = plain_json(text)
    orjson.loads(text)
    return text


def _timeline(text: str) -> str:
    text = plain_json(text)
    _TIMELINE.validate_json(text)
    return text


_StateType = Annotated[str, Field(pattern=f"^({'|'.join(StateType)})$")]
_StateName = Annotated[str, AfterValidator(plain_text)]  # authors give states names of their own
_ResultKind = Literal["none", "inline", "stored", "memory"]
_Name = Annotated[str, AfterValidator(_without_nul)]
_JsonText = Annotated[str, AfterValidator(_json_text)]
_Timeline = Annotated[str, AfterValidator(_timeline)]
_Time = Annotated[float, Field(ge=0, le=_LAST_S)]
_Whole = Annotated[int, Field(ge=0, le=2**63 - 1)]
_Small = Annotated[int, Field(ge=0, le=2**31 - 1)]
_Index = Annotated[int, Field(ge=0, le=2**61 - 1)]

_CONFIG = ConfigDict(strict=True, extra="forbid", val_json_bytes="base64", allow_inf_nan=False)
_Entry = tuple[_StateType, str, _Time, str | None]
_EntryWithMore = tuple[_StateType, str, _Time, str | None, Any]
_TIMELINE: TypeAdapter[list[_Entry | _EntryWithMore]] = TypeAdapter(
    list[_Entry | _EntryWithMore], config=ConfigDict(strict=True, allow_inf_nan=False)
)


class _Model(BaseModel):
    model_config = _CONFIG


class _Site(_Model):
    scope: _Name
    task_key: _Name
    task_name: str
    tags: tuple[str, ...]
    policy: dict[str, Any]
    task_version: _Name | None

    def site(self, run_id: UUID) -> CallSite:
        # Worked out, not taken: no one writes another run's rows.
        base = task_run_base(run_id, self.scope, self.task_key)
        return CallSite(run_id, base=base, **dict(self))


class _Tasks(_Model):
    """Columns are left out where every entry is None; a scalar stands for entries that are all alike."""

    kind: Literal["tasks"]
    site: _Site
    indexes: list[_Index] = Field(min_length=1)
    state_types: _StateType | list[_StateType]
    state_names: _StateName | list[_StateName]
    expected: _Time | list[_Time]
    starts: list[_Time | None] = Field(default=_LEFT_OUT)
    ends: list[_Time | None] = Field(default=_LEFT_OUT)
    run_counts: _Small | list[_Small] = 1
    messages: list[str | None] = Field(default=_LEFT_OUT)
    timelines: list[_Timeline | None] = Field(default=_LEFT_OUT)
    result_kinds: _ResultKind | list[_ResultKind | None] = Field(default=_LEFT_OUT)
    results: list[bytes | None] = Field(default=_LEFT_OUT)
    input_hashes: list[bytes | None] = Field(default=_LEFT_OUT)
    cache_keys: list[str | None] = Field(default=_LEFT_OUT)
    cache_expirations: list[_Time | None] = Field(default=_LEFT_OUT)
    errors: list[_JsonText | None] = Field(default=_LEFT_OUT)
    names: list[str | None] = Field(default=_LEFT_OUT)
    task_inputs: list[_JsonText | None] = Field(default=_LEFT_OUT)
    node: _Name | None = None
    pid: _Small | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.indexes)) != len(self.indexes):
            raise ValueError("indexes holds one twice")
        for name, column in self:
            if isinstance(column, list) and len(cast("list[Any]", column)) != len(self.indexes):
                raise ValueError(f"{name} has not as many entries as there are indexes")
        return self

    def record(self, run_id: UUID) -> Record:
        columns = {name: value for name, value in self if name not in ("kind", "site")}
        for name in ("starts", "ends"):
            columns[name] = columns[name] or [None] * len(self.indexes)
        return TaskRunBatch(self.site.site(run_id), **columns)


class _State(_Model):
    kind: Literal["state"]
    state_id: UUID
    state_type: _StateType
    state_name: _StateName
    at: _Time
    message: str | None
    details: dict[str, Any]
    result_kind: _ResultKind | None
    result: bytes | None
    error: _JsonText | None
    release: bool

    def record(self, _run_id: UUID) -> Record:
        return FlowRunTransition(**{name: value for name, value in self if name != "kind"})


class _Decision(_Model):
    kind: Literal["decision"]
    at: _Time
    rule: _Name
    outcome: Literal["ACCEPT", "REJECT", "WAIT", "ABORT"]
    reason: str
    from_type: _StateType | None
    to_type: _StateType
    to_name: _StateName
    task_run_id: UUID | None

    def record(self, _run_id: UUID) -> Record:
        return RuleDecision(**{name: value for name, value in self if name != "kind"})


class _Logs(_Model):
    kind: Literal["logs"]
    lines: list[tuple[_Time, _Small, str, str, UUID | None]]

    def record(self, _run_id: UUID) -> Record:
        return LogBatch([LogLine(*line) for line in self.lines])


class _Append(_Model):
    run: UUID
    epoch: _Whole
    owner: UUID
    first: Annotated[int, Field(ge=1, le=2**63 - 1)]
    records: list[Annotated[_Tasks | _State | _Decision | _Logs, Field(discriminator="kind")]]

    def append(self) -> RunAppend:
        records = [each.record(self.run) for each in self.records]
        return RunAppend(self.run, self.epoch, self.owner, self.first, records)


class _Appends(_Model):
    appends: list[_Append]


class _Leases(_Model):
    leases: list[tuple[UUID, _Whole, UUID]]
