"""Variables."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from ...runtime.store import variables
from ..answers import JsonAnswer, no_content
from ..database_access import Db
from ..errors import found
from ..models import variables as models

router = APIRouter(prefix="/variables", tags=["Variables"])

_WHAT = "Variable"


@router.post("/", status_code=201, response_model=models.Variable)
async def create_variable(body: models.VariableCreate, db: Db) -> JsonAnswer:
    """Make a variable: 409 when there is one of that name."""
    return JsonAnswer(models.Variable.of(await variables.create(db, body.name, body.value, body.tags)), 201)


@router.post("/filter", response_model=list[models.Variable])
async def filter_variables(db: Db, body: models.VariablePage | None = None) -> JsonAnswer:
    """Variables that match the filter."""
    body = body or models.VariablePage()
    rows = await variables.find(db, body.variables, sort=body.sort, limit=body.limit, offset=body.offset)
    return JsonAnswer([models.Variable.of(row) for row in rows])


@router.post("/count")
async def count_variables(db: Db, body: models.VariableSearch | None = None) -> int:
    """How many variables match the filter."""
    return await variables.count(db, (body or models.VariableSearch()).variables)


@router.get("/name/{name}", response_model=models.Variable)
async def read_variable_by_name(name: str, db: Db) -> JsonAnswer:
    """The variable of that name."""
    return JsonAnswer(models.Variable.of(await found(variables.read(db, name), _WHAT)))


@router.patch("/name/{name}", status_code=204)
async def update_variable_by_name(name: str, body: models.VariableUpdate, db: Db) -> Response:
    """Change the variable of that name; only fields in the body change."""
    await found(variables.change(db, name, body.changes()), _WHAT)
    return no_content()


@router.delete("/name/{name}", status_code=204)
async def delete_variable_by_name(name: str, db: Db) -> Response:
    """Remove the variable of that name."""
    await found(variables.delete(db, name), _WHAT)
    return no_content()


@router.get("/{id:uuid}", response_model=models.Variable)
async def read_variable(id: UUID, db: Db) -> JsonAnswer:
    """The variable with that id."""
    return JsonAnswer(models.Variable.of(await found(variables.read(db, id), _WHAT)))


@router.patch("/{id:uuid}", status_code=204)
async def update_variable(id: UUID, body: models.VariableUpdate, db: Db) -> Response:
    """Change a variable; only fields in the body change."""
    await found(variables.change(db, id, body.changes()), _WHAT)
    return no_content()


@router.delete("/{id:uuid}", status_code=204)
async def delete_variable(id: UUID, db: Db) -> Response:
    """Remove a variable."""
    await found(variables.delete(db, id), _WHAT)
    return no_content()
