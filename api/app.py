"""The API: the standard's routes under /api, Heliostat's under /api/heliostat, and pages about them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from ..runtime.foundation.setting_table import Settings
from ..runtime.foundation.settings import current_settings
from . import docs_pages, errors, pages, stock_ui
from .access import BasicAuth, CsrfProtection
from .database_access import DatabaseAccess
from .doors import Doors, Names, listed
from .middleware import ApiVersion, HeadLikeGet, JsonBodies, PathPrefixes
from .routes import (
    admin,
    artifacts,
    automations,
    block_documents,
    block_schemas,
    block_types,
    bulk,
    clusters,
    code_packages,
    collections,
    concurrency_limits,
    condition,
    deployment_checks,
    deployment_runs,
    deployment_schedules,
    deployment_updates,
    deployments,
    events,
    explanations,
    flow_run_inputs,
    flow_run_states,
    flow_runs,
    flows,
    graph_columns,
    graphs,
    journal,
    live,
    log_search,
    logs,
    overview,
    pool_views,
    recording,
    run_details,
    run_figures,
    run_jobs,
    run_parts,
    run_results,
    run_search,
    saved_searches,
    service,
    servings,
    sessions,
    tag_limits,
    task_run_states,
    task_runs,
    task_workers,
    trial_messages,
    ui,
    upcoming,
    variables,
    work_pool_queues,
    work_pools,
    work_queues,
    workers,
)
from .run_jobs import RunJobs
from .shared_answers import SharedAnswers
from .sockets import events_in, events_out, logs_out, scheduled_tasks, worker_channel
from .streams.event_desk import EventDesk

ROUTERS: tuple[APIRouter, ...] = (
    service.router,
    sessions.router,
    flows.router,
    flow_runs.router,
    flow_run_inputs.router,
    flow_run_states.router,
    task_runs.router,
    task_run_states.router,
    task_workers.router,
    deployments.router,
    deployment_runs.router,
    deployment_checks.router,
    deployment_schedules.router,
    deployment_updates.router,
    work_pools.router,
    work_pool_queues.router,
    work_queues.router,
    workers.router,
    collections.router,
    logs.router,
    concurrency_limits.router,
    tag_limits.router,
    variables.router,
    saved_searches.router,
    artifacts.router,
    block_types.router,
    block_schemas.router,
    block_documents.router,
    events.router,
    ui.router,
    graphs.router,
    graph_columns.router,
    bulk.router,
    automations.router,
    admin.router,
    journal.router,
    recording.router,
    run_details.router,
    run_figures.router,
    run_search.router,
    run_jobs.router,
    run_parts.router,
    log_search.router,
    explanations.router,
    clusters.router,
    overview.router,
    pool_views.router,
    condition.router,
    trial_messages.router,
    upcoming.router,
    run_results.router,
    code_packages.router,
    servings.router,
    live.router,
)
SOCKETS: tuple[APIRouter, ...] = (
    events_in.router,
    events_out.router,
    logs_out.router,
    scheduled_tasks.router,
    worker_channel.router,
)

_SHARED_FOR_S = 2.0  # how old an answer may be that many pages ask for


def create_app(
    database_url: str | None = None, *, host: str | None = None, public_url: str | None = None
) -> FastAPI:
    """The application, on the database of the settings unless `database_url` names another.

    It opens the database when it starts and closes it when it ends; while the database is away it answers
    503 and keeps trying. `host` is the address at which the server listens and `public_url` the one for other
    machines; requests may use both names. Raises (at its start) BadSetting and SchemaTooNew.
    """
    access = DatabaseAccess(database_url or current_settings().database_url)
    desk = EventDesk(access.database)
    jobs = RunJobs(access.database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        await access.open()
        desk.start()
        jobs.start()
        try:
            yield
        finally:
            await jobs.stop()
            await desk.stop()
            await access.close()

    settings = current_settings()
    prefix = settings.server_path_prefix
    app = FastAPI(
        title="Heliostat API",
        version=version("heliostat"),
        servers=[{"url": prefix}] if prefix else None,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.database_access = access
    app.state.event_desk = desk
    app.state.run_jobs = jobs
    app.state.shared_answers = SharedAnswers(_SHARED_FOR_S)
    for router in (*ROUTERS, *SOCKETS):
        app.include_router(router, prefix="/api")
    docs_pages.install(app, prefix)
    errors.install(app)
    pages.install(app, prefix, below=pages.BESIDE_STOCK if settings.stock_ui is not None else "")
    if settings.stock_ui is not None:
        stock_ui.install(app, Path(settings.stock_ui).expanduser(), prefix)
    _guard(app, settings, Names(settings, host, public_url))
    return app


def _guard(app: FastAPI, settings: Settings, names: Names) -> None:
    """Add the checks of every request, as the settings want them."""
    # The middleware that is added last sees a request first.
    app.add_middleware(HeadLikeGet)
    app.add_middleware(JsonBodies)
    app.add_middleware(ApiVersion)
    if settings.server_csrf_protection:
        app.add_middleware(CsrfProtection)
    if settings.server_auth_string:
        app.add_middleware(BasicAuth, auth_string=settings.server_auth_string)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    origins = listed(settings.server_cors_allowed_origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=listed(settings.server_cors_allowed_methods),
            allow_headers=listed(settings.server_cors_allowed_headers),
        )
    app.add_middleware(Doors, names=names, origins=origins)
    prefix = settings.server_path_prefix
    if prefix or settings.stock_ui is not None:
        beside = {f"{pages.BESIDE_STOCK}/api": "/api"} if settings.stock_ui is not None else {}
        app.add_middleware(PathPrefixes, prefix=prefix, moved=beside)
