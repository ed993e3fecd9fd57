"""Variables and saved searches on the wire."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from ...runtime.store.saved_searches import SavedSearchRow
from ...runtime.store.setup_filters import VariableFilter
from ...runtime.store.variables import VariableRow, VariableSort
from ..responses import Recorded
from ..schemas import MOST_ROWS, Fields, Limit, Offset, OneModel

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


class VariablePage(VariableSearch):
    offset: Offset = 0
    sort: VariableSort = "NAME_ASC"
    limit: Limit = MOST_ROWS


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


class SavedSearchPage(Fields):
    offset: Offset = 0
    limit: Limit = MOST_ROWS


class SavedSearch(Recorded):
    name: str
    filters: list[SearchFilter]


def variable(row: VariableRow) -> dict[str, Any]:
    """Variable."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "value": row.value,
        "tags": row.tags,
    }


def saved_search(row: SavedSearchRow) -> dict[str, Any]:
    """SavedSearch."""
    return {
        "id": row.id,
        "created": row.created,
        "updated": row.updated,
        "name": row.name,
        "filters": row.filters,
    }
