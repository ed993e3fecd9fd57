"""Variables and saved searches on the wire."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...runtime.store.setup_filters import VariableFilter
from ...runtime.store.variables import VariableSort
from ..responses import Recorded
from ..schemas import Fields, OneModel, Paged

LONGEST_VALUE = 5_000  # characters of a value's JSON, as in the standard


def _short(value: Any) -> Any:
    if len(json.dumps(value)) > LONGEST_VALUE:
        raise ValueError(f"the value is longer than {LONGEST_VALUE} characters of JSON")
    return value


VariableName = Annotated[str, Field(max_length=255, pattern=r"^[a-z0-9_-]+$")]
Value = Annotated[str | int | bool | float | dict[str, Any] | list[Any] | None, AfterValidator(_short)]


class VariableCreate(OneModel):
    name: VariableName
    value: Value
    tags: list[str] = []


class VariableUpdate(OneModel):
    name: VariableName | None = None
    value: Value = None
    tags: list[str] | None = None

    def changes(self) -> dict[str, Any]:
        """The fields to change: null is a valid value of the variable, but not a name and not tags."""
        sent = self.model_dump(exclude_unset=True)
        return {name: value for name, value in sent.items() if name == "value" or value is not None}


class VariableSearch(Fields):
    variables: VariableFilter | None = None


class VariablePage(VariableSearch, Paged):
    sort: VariableSort = "NAME_ASC"


class Variable(Recorded):
    name: str
    value: Any
    tags: list[str]


class SearchFilter(BaseModel):
    object: str
    property: str
    type: str
    operation: str
    value: Any


class SavedSearchCreate(OneModel):
    name: str
    filters: list[SearchFilter] = []


class SavedSearch(Recorded):
    name: str
    filters: list[SearchFilter]
