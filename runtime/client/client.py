"""`get_client()`: the client of a Heliostat server, in asynchronous form, which the synchronous form
wraps.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from ..foundation.loop_thread import LoopThread
from .address import api_url as address_of_server
from .calls import read_as
from .deployments import CodePackageCalls, DeploymentCalls, ScheduleCalls
from .flow_runs import FlowCalls, FlowRunCalls, LogCalls, TaskRunCalls
from .http import Connection
from .work_pools import WorkPoolCalls, WorkQueueCalls

if TYPE_CHECKING:
    import httpx

P = ParamSpec("P")
T = TypeVar("T")


class HeliostatClient(
    FlowCalls,
    FlowRunCalls,
    TaskRunCalls,
    LogCalls,
    DeploymentCalls,
    ScheduleCalls,
    CodePackageCalls,
    WorkPoolCalls,
    WorkQueueCalls,
):
    """The asynchronous client of a server. Use it as `async with get_client() as client`.

    Every call raises ServerUnavailable when no server answers, ServerFailed, NotFound, Duplicate, NotAllowed
    or RequestRefused, each with the server's message.
    """

    def __init__(
        self,
        api_url: str | None = None,
        *,
        auth_string: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.http = Connection(api_url or address_of_server(), auth_string=auth_string, transport=transport)

    @property
    def api_url(self) -> str:
        return self.http.api_url

    async def hello(self) -> str:
        """The server's greeting."""
        return read_as(str, await self.http.get("/hello"))

    async def api_healthcheck(self) -> Exception | None:
        """None when the server is healthy, else the error."""
        try:
            await self.http.get("/health")
        except Exception as error:
            return error
        return None

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Call any route of the API by its path below the address; returns the answer's JSON."""
        return await self.http.json(method, path, body)

    async def close(self) -> None:
        await self.http.close()

    async def __aenter__(self) -> HeliostatClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _door(
    method: Callable[Concatenate[HeliostatClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SyncHeliostatClient, P], T]:
    """A synchronous method that waits for an asynchronous one."""

    @wraps(method)
    def call(self: SyncHeliostatClient, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.wait(method(self.asynchronous, *args, **kwargs))

    return call


class SyncHeliostatClient:
    """The synchronous client. Use it as `with get_client(sync_client=True) as client`.

    Its calls run on a separate event loop, so it works where another loop runs already.
    """

    def __init__(self, asynchronous: HeliostatClient) -> None:
        self.asynchronous = asynchronous
        self._loop = LoopThread("heliostat-client")

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the client's loop."""
        return self._loop.run(call)

    @property
    def api_url(self) -> str:
        return self.asynchronous.api_url

    def close(self) -> None:
        self._loop.run(self.asynchronous.close())
        self._loop.close()

    def __enter__(self) -> SyncHeliostatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    hello = _door(HeliostatClient.hello)
    api_healthcheck = _door(HeliostatClient.api_healthcheck)
    request = _door(HeliostatClient.request)
    create_flow_from_name = _door(HeliostatClient.create_flow_from_name)
    read_flow = _door(HeliostatClient.read_flow)
    read_flow_by_name = _door(HeliostatClient.read_flow_by_name)
    read_flows = _door(HeliostatClient.read_flows)
    read_flow_run = _door(HeliostatClient.read_flow_run)
    read_flow_runs = _door(HeliostatClient.read_flow_runs)
    count_flow_runs = _door(HeliostatClient.count_flow_runs)
    read_flow_run_states = _door(HeliostatClient.read_flow_run_states)
    update_flow_run = _door(HeliostatClient.update_flow_run)
    delete_flow_run = _door(HeliostatClient.delete_flow_run)
    set_flow_run_state = _door(HeliostatClient.set_flow_run_state)
    resume_flow_run = _door(HeliostatClient.resume_flow_run)
    explain_flow_run = _door(HeliostatClient.explain_flow_run)
    wait_for_flow_run = _door(HeliostatClient.wait_for_flow_run)
    create_tracking_task_run = _door(HeliostatClient.create_tracking_task_run)
    read_task_run = _door(HeliostatClient.read_task_run)
    read_task_runs = _door(HeliostatClient.read_task_runs)
    read_logs = _door(HeliostatClient.read_logs)
    check_deployments = _door(HeliostatClient.check_deployments)
    create_deployment = _door(HeliostatClient.create_deployment)
    read_deployment = _door(HeliostatClient.read_deployment)
    read_deployment_by_name = _door(HeliostatClient.read_deployment_by_name)
    read_deployments = _door(HeliostatClient.read_deployments)
    update_deployment = _door(HeliostatClient.update_deployment)
    bring_deployment_up_to_date = _door(HeliostatClient.bring_deployment_up_to_date)
    hold_served = _door(HeliostatClient.hold_served)
    read_other_servers = _door(HeliostatClient.read_other_servers)
    end_served = _door(HeliostatClient.end_served)
    pause_deployment = _door(HeliostatClient.pause_deployment)
    resume_deployment = _door(HeliostatClient.resume_deployment)
    delete_deployment = _door(HeliostatClient.delete_deployment)
    create_flow_run_from_deployment = _door(HeliostatClient.create_flow_run_from_deployment)
    get_scheduled_flow_runs_for_deployments = _door(HeliostatClient.get_scheduled_flow_runs_for_deployments)
    read_deployment_schedules = _door(HeliostatClient.read_deployment_schedules)
    create_deployment_schedules = _door(HeliostatClient.create_deployment_schedules)
    update_deployment_schedule = _door(HeliostatClient.update_deployment_schedule)
    delete_deployment_schedule = _door(HeliostatClient.delete_deployment_schedule)
    has_code_package = _door(HeliostatClient.has_code_package)
    put_code_package = _door(HeliostatClient.put_code_package)
    get_code_package = _door(HeliostatClient.get_code_package)
    create_work_pool = _door(HeliostatClient.create_work_pool)
    read_work_pool = _door(HeliostatClient.read_work_pool)
    read_work_pools = _door(HeliostatClient.read_work_pools)
    update_work_pool = _door(HeliostatClient.update_work_pool)
    delete_work_pool = _door(HeliostatClient.delete_work_pool)
    get_scheduled_flow_runs_for_work_pool = _door(HeliostatClient.get_scheduled_flow_runs_for_work_pool)
    read_workers = _door(HeliostatClient.read_workers)
    send_worker_heartbeat = _door(HeliostatClient.send_worker_heartbeat)
    read_default_base_job_template = _door(HeliostatClient.read_default_base_job_template)
    read_pool_types = _door(HeliostatClient.read_pool_types)
    create_work_queue = _door(HeliostatClient.create_work_queue)
    read_work_queue_by_name = _door(HeliostatClient.read_work_queue_by_name)
    read_work_queues = _door(HeliostatClient.read_work_queues)
    update_work_queue = _door(HeliostatClient.update_work_queue)
    delete_work_queue = _door(HeliostatClient.delete_work_queue)


@overload
def get_client(sync_client: Literal[False] = False, **options: Any) -> HeliostatClient: ...
@overload
def get_client(sync_client: Literal[True], **options: Any) -> SyncHeliostatClient: ...
def get_client(sync_client: bool = False, **options: Any) -> HeliostatClient | SyncHeliostatClient:
    """A client of the server at `HELIOSTAT_API_URL`, or of the server that runs on this machine.

    `options`: api_url, auth_string, transport (an httpx transport, for tests). Raises ServerUnavailable when
    no server is known.
    """
    client = HeliostatClient(**options)
    return SyncHeliostatClient(client) if sync_client else client
