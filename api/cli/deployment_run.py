"""`heliostat deployment run`: turns the options of the command line into a run on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...runtime.states import Scheduled
from .assignments import check_names, from_assignments, from_document
from .failures import Exit
from .output import note, write_json
from .remote import find_deployment, full_names, with_client
from .times import local
from .watching import watch_run
from .when import moment_of

if TYPE_CHECKING:
    from ...runtime.client.client import HeliostatClient
    from ...runtime.client.records import FlowRun


def run_deployment(
    deployment: str,
    *,
    assignments: Sequence[str],
    document: str | None,
    start_in: str | None,
    start_at: str | None,
    name: str | None,
    tags: Sequence[str],
    job_variables: Sequence[str],
    work_queue: str | None,
    idempotency_key: str | None,
    watch: bool,
    watch_interval: float | None,
    watch_timeout: float | None,
    output: str,
) -> int:
    """Make a run, show its name, and follow it if asked; returns the exit code."""
    given = from_document(document)
    moment = moment_of(start_in, start_at)
    variables = from_assignments(job_variables, option="--job-variable")

    async def act(client: HeliostatClient) -> tuple[FlowRun, str]:
        found = await find_deployment(client, deployment)
        parameters = given | from_assignments(assignments, found.parameter_openapi_schema)
        check_names(parameters, found.parameter_openapi_schema)
        run = await client.create_flow_run_from_deployment(
            found.id,
            parameters=parameters,
            state=None if moment is None else Scheduled(moment),
            name=name,
            tags=tags,
            job_variables=variables or None,
            work_queue_name=work_queue,
            idempotency_key=idempotency_key,
        )
        return run, (await full_names(client, [found]))[found.id]

    run, full_name = with_client(act)
    if output == "table":
        when = f", beginning at {local(moment)}" if moment else ""
        note(f"Made flow run {run.name!r} of {full_name}{when}.")
        if not watch:
            note(f"hint: heliostat flow-run watch {run.id}")
        print(run.id)
    else:
        write_json(run.to_json(), indent=output == "json")
    return watch_run(run.id, watch_timeout, pause_s=watch_interval) if watch else Exit.OK
