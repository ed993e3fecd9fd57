"""All mistakes of a deployment that is to be made, not only the first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from fastapi import HTTPException
from pydantic import ValidationError

from ..runtime.foundation.errors import HeliostatError, Unavailable
from ..runtime.store import work_pools
from ..runtime.store.database.database import Database
from ..runtime.store.schedule_matching import check_slugs
from .deployment_checks import check_parameters, check_shared_limit, check_variables
from .errors import found, with_hint
from .schemas_deployments import DeploymentCreate

_NO_FLOW = UUID(int=0)


async def problems_of(db: Database, given: Mapping[str, Any]) -> list[str]:
    """One line for each mistake. `given` is a DeploymentCreate as JSON; its flow need not exist."""
    try:
        body = DeploymentCreate.model_validate({"flow_id": _NO_FLOW, **given})
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]

    async def parameters(of: Mapping[str, Any]) -> None:
        if body.enforce_parameter_schema and of:
            check_parameters(of, body.parameter_openapi_schema, complete=False)

    async def slugs() -> None:
        check_slugs([each.as_spec() for each in body.schedules])

    async def place() -> None:
        if body.work_pool_name is not None:
            pool = await found(work_pools.read(db, body.work_pool_name), f"Work pool {body.work_pool_name!r}")
            check_variables(pool.base_job_template, body.job_variables)

    problems = await _told("", lambda: parameters(body.parameters))
    for number, each in enumerate(body.schedules):
        checked = each.parameters
        problems += await _told(f"schedules[{number}]: ", lambda checked=checked: parameters(checked))
    problems += await _told("", slugs)
    problems += await _told("", place)
    problems += await _told("", lambda: check_shared_limit(db, body.global_concurrency_limit_id))
    return problems


async def _told(where: str, check: Callable[[], Awaitable[None]]) -> list[str]:
    try:
        await check()
    except HTTPException as error:
        return [f"{where}{error.detail}"]
    except Unavailable:
        raise
    except HeliostatError as error:
        return [f"{where}{with_hint(error)}"]
    return []
