"""Deployments, their schedules, their code, and runs made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import UUID, uuid4

from ..foundation.errors import Duplicate, NotFound, ParameterMismatch
from ..states import State
from .asked_parameters import asked, is_plain
from .calls import Calls, given, page, read_as
from .flow_runs import named_filters
from .records import Deployment, DeploymentSchedule, FlowRun, state_to_json

if TYPE_CHECKING:
    from ..records import Owner


class DeploymentCalls(Calls):
    async def create_deployment(self, flow_id: UUID, name: str, **fields: Any) -> UUID:
        """Create or update the deployment of that flow and name; returns its id.

        `fields` are those of the standard's DeploymentCreate.
        """
        body = {"flow_id": str(flow_id), "name": name, **given(fields)}
        answer = await self.http.json("POST", "/deployments/", body, repeatable=True)
        return read_as(Deployment, answer).id

    async def check_deployments(self, deployments: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """The problems that would keep the server from creating each deployment; changes nothing.

        The lists are empty for a server without this check.
        """
        try:
            found = await self.http.json(
                "POST", "/heliostat/deployments/check", [dict(each) for each in deployments], repeatable=True
            )
        except NotFound:
            return [[] for _ in deployments]
        return read_as(list[list[str]], found)

    async def read_deployment(self, deployment_id: UUID) -> Deployment:
        return read_as(Deployment, await self.http.get(f"/deployments/{deployment_id}"))

    async def read_deployment_by_name(self, name: str) -> Deployment:
        """The deployment named "flow/deployment". Raises NotFound."""
        flow_name, slash, deployment_name = name.partition("/")
        if not slash or not flow_name or not deployment_name:
            raise NotFound(f"{name!r} is not the name of a deployment.", hint="write FLOW/DEPLOYMENT")
        path = f"/deployments/name/{quote(flow_name, safe='')}/{quote(deployment_name, safe='')}"
        try:
            return read_as(Deployment, await self.http.get(path))
        except NotFound:
            raise NotFound(
                f"There is no deployment {name!r}.", hint="see them with: heliostat deployment ls"
            ) from None

    async def read_deployments(
        self, *, limit: int | None = None, offset: int = 0, sort: str | None = None, **filters: Any
    ) -> list[Deployment]:
        """`filters` are the standard's: deployment_filter={"name": {"any_": [...]}}, flow_filter, ..."""
        body = page(limit, offset, sort, **named_filters(filters))
        return read_as(list[Deployment], await self.http.read("/deployments/filter", body))

    async def update_deployment(self, deployment_id: UUID, **fields: Any) -> None:
        """Change the given fields of the standard's DeploymentUpdate."""
        await self.http.json("PATCH", f"/deployments/{deployment_id}", fields)

    async def bring_deployment_up_to_date(self, deployment_id: UUID, **fields: Any) -> None:
        """Change the fields that its code declares; schedules are matched, and those that people made stay.

        Raises NotFound when the deployment is gone.
        """
        await self.http.json("PATCH", f"/heliostat/deployments/{deployment_id}", fields)

    async def hold_served(self, owner: Owner, deployment_ids: Sequence[UUID], lease_s: float) -> list[UUID]:
        """Tell the server that a process serves these deployments; returns those that are paused."""
        body = {
            "deployment_ids": list(map(str, deployment_ids)),
            "host": owner.host,
            "pid": owner.pid,
            "process_started": owner.process_started,
            "lease_s": lease_s,
        }
        return read_as(list[UUID], await self.http.json("PUT", f"/heliostat/servings/{owner.id}", body))

    async def read_other_servers(self, owner: Owner, deployment_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Other processes that serve any of these deployments: `process_id`, `host`, `pid`,
        `process_started`.
        """
        path = f"/heliostat/servings/{owner.id}/others"
        ids = list(map(str, deployment_ids))
        return read_as(list[dict[str, Any]], await self.http.json("POST", path, ids, repeatable=True))

    async def end_served(
        self, owner: Owner, deployment_ids: Sequence[UUID], gone: Sequence[str], pause: bool
    ) -> list[UUID]:
        """Tell the server that a process no longer serves these deployments; returns those that were paused
        because no other process serves them.
        """
        body = {"deployment_ids": list(map(str, deployment_ids)), "gone": list(gone), "pause": pause}
        path = f"/heliostat/servings/{owner.id}/end"
        return read_as(list[UUID], await self.http.json("POST", path, body, repeatable=True))

    async def pause_deployment(self, deployment_id: UUID) -> None:
        """Keep the deployment's schedules from making runs until it is resumed."""
        await self.update_deployment(deployment_id, paused=True)

    async def resume_deployment(self, deployment_id: UUID) -> None:
        await self.update_deployment(deployment_id, paused=False)

    async def delete_deployment(self, deployment_id: UUID) -> None:
        await self.http.json("DELETE", f"/deployments/{deployment_id}")

    async def create_flow_run_from_deployment(
        self,
        deployment_id: UUID,
        *,
        parameters: Mapping[str, Any] | None = None,
        state: State | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
        parent_task_run_id: UUID | None = None,
        work_queue_name: str | None = None,
        job_variables: Mapping[str, Any] | None = None,
    ) -> FlowRun:
        """Create a run of the deployment. `parameters` override its own; the run is scheduled for now unless
        `state` is given.

        Calls with one idempotency key create one run. Raises ParameterMismatch when parameters do not fit the
        schema, or one of them cannot be sent unchanged.
        """
        if parameters and not is_plain(parameters):
            known = await self.read_deployment(deployment_id)
            parameters = asked(parameters, known.parameter_openapi_schema)
        body = given(
            {
                "parameters": dict(parameters or {}),
                "state": state_to_json(state) if state else None,
                "name": name,
                "tags": list(tags or ()),
                "job_variables": dict(job_variables) if job_variables else None,
                "parent_task_run_id": str(parent_task_run_id) if parent_task_run_id else None,
                "work_queue_name": work_queue_name,
                # With a unique key a request that is sent again makes no second run.
                "idempotency_key": idempotency_key or str(uuid4()),
            }
        )
        path = f"/deployments/{deployment_id}/create_flow_run"
        try:
            answer = await self.http.json("POST", path, body, repeatable=True)
        except Duplicate as error:  # the standard's answer to parameters that do not fit
            raise ParameterMismatch(
                str(error), hint="see its parameters: heliostat deployment inspect"
            ) from error
        return read_as(FlowRun, answer).of_server(self.http.api_url)

    async def get_scheduled_flow_runs_for_deployments(
        self,
        deployment_ids: Sequence[UUID],
        scheduled_before: datetime | None = None,
        limit: int | None = None,
    ) -> list[FlowRun]:
        """Runs of these deployments that wait to begin, earliest first."""
        body = given({"deployment_ids": list(map(str, deployment_ids)), "limit": limit})
        if scheduled_before is not None:
            body["scheduled_before"] = scheduled_before.isoformat()
        answer = await self.http.read("/deployments/get_scheduled_flow_runs", body)
        return read_as(list[FlowRun], answer)


class ScheduleCalls(Calls):
    async def read_deployment_schedules(self, deployment_id: UUID) -> list[DeploymentSchedule]:
        answer = await self.http.get(f"/deployments/{deployment_id}/schedules")
        return read_as(list[DeploymentSchedule], answer)

    async def create_deployment_schedules(
        self, deployment_id: UUID, schedules: Sequence[Mapping[str, Any]]
    ) -> list[DeploymentSchedule]:
        """Add schedules; each is the standard's {"schedule": {...}, "active": true, "parameters": {...}}."""
        answer = await self.http.json(
            "POST", f"/deployments/{deployment_id}/schedules", [dict(each) for each in schedules]
        )
        return read_as(list[DeploymentSchedule], answer)

    async def update_deployment_schedule(self, deployment_id: UUID, schedule_id: UUID, **fields: Any) -> None:
        """Change `active`, `schedule`, `parameters`, `slug`."""
        await self.http.json("PATCH", f"/deployments/{deployment_id}/schedules/{schedule_id}", fields)

    async def delete_deployment_schedule(self, deployment_id: UUID, schedule_id: UUID) -> None:
        await self.http.json("DELETE", f"/deployments/{deployment_id}/schedules/{schedule_id}")


class CodePackageCalls(Calls):
    async def has_code_package(self, revision: str) -> bool:
        """Whether the server has the code package of that revision."""
        try:
            await self.http.send("HEAD", f"/heliostat/code-packages/{revision}")
        except NotFound:
            return False
        return True

    async def put_code_package(self, revision: str, content: bytes) -> None:
        """Upload a packed project; harmless when the server has it."""
        headers = {"Content-Type": "application/octet-stream"}
        await self.http.send("PUT", f"/heliostat/code-packages/{revision}", content, headers=headers)

    async def get_code_package(self, revision: str) -> bytes:
        """The packed project of that revision. Raises NotFound."""
        return (await self.http.send("GET", f"/heliostat/code-packages/{revision}")).content
