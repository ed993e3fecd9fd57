"""`@flow`: a function whose call is a run: recorded, retried, able to go on after its process died."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from .authoring.definitions import FlowDefinition, defined
from .authoring.options import FlowOptions, refuse_unknown, tells
from .foundation.errors import UserError
from .values.tracebacks import show_errors_our_way

if TYPE_CHECKING:
    from uuid import UUID

    from .deploying.options import DeploymentOptions
    from .deploying.spec import DeploymentSpec
    from .states import State

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class Flow(FlowDefinition[P, R_co]):
    """A function with options. Make one with `@flow`; calling it makes a flow run. `fn` is the plain
    function.
    """

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(
        self: Flow[P, Coroutine[Any, Any, T]], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> Coroutine[Any, Any, State]: ...
    @overload
    def __call__(
        self: Flow[P, AsyncGenerator[Any, Any]], *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> Coroutine[Any, Any, State]: ...
    @overload
    def __call__(self, *args: Any, return_state: Literal[True], **kwargs: Any) -> State: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the flow here and return its value; raises ParameterMismatch before anything starts.

        A flow that is a generator hands its values out while its run lasts, which begins when the first is
        asked for. Closed early it has completed. It is tried again only before its first value.
        `return_state=True` gives the final State instead of value or exception.
        """
        from .values.parameters import bind

        show_errors_our_way()
        return_state = bool(kwargs.pop("return_state", False))
        return self._begin(return_state)(bind(self.fn, args, kwargs))

    def run(self, parameters: dict[str, Any], return_state: bool = False) -> Any:
        """Run with parameters by name; of an asynchronous flow, the coroutine that does.

        Of a generator the values, one by one; with `return_state` their list.
        """
        return self._begin(return_state)(parameters)

    def _begin(self, return_state: bool) -> Callable[[dict[str, Any]], Any]:
        """What runs the flow with parameters by name. It is called where an author's traceback ends."""
        if self.is_generator and not return_state:
            from .engine.flow.flow_stream import stream_of

            return functools.partial(stream_of, self)
        from .engine.flow.flow_call import call_flow

        return functools.partial(call_flow, self, return_state=return_state)

    def to_deployment(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> DeploymentSpec:
        """The deployment of this flow under `name`, for `heliostat.deploy` or `heliostat.serve`.

        Raises BadDeployment, BadSchedule, ParameterMismatch.
        """
        from .deploying.spec import spec_of

        return spec_of(self, name, work_pool_name, **options)

    def deploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> UUID:
        """Let the server know the flow under "flow/name" and run it in a work pool; gives the id.

        The project's folder is packed and goes along, unless the server has it. Doing it again brings the
        deployment up to date. Without a pool it is the default one, which runs on Ray.
        """
        from .deploying.doing import deploy

        return deploy(self.to_deployment(name, work_pool_name, **options))[0]

    async def adeploy(
        self, name: str, work_pool_name: str | None = None, **options: Unpack[DeploymentOptions]
    ) -> UUID:
        """`deploy` for asynchronous code."""
        from .deploying.doing import adeploy

        return (await adeploy(self.to_deployment(name, work_pool_name, **options)))[0]

    def serve(
        self,
        name: str | None = None,
        *,
        pause_on_shutdown: bool = True,
        limit: int | None = None,
        **options: Unpack[DeploymentOptions],
    ) -> None:
        """Deploy the flow and run its scheduled and asked-for runs from this process, until Ctrl-C.

        Each run is a process of its own on this machine. At the end the schedules are paused, unless
        `pause_on_shutdown` is False. `limit`: at most so many runs at once.
        """
        from .deploying.serving import serve

        spec = self.to_deployment(name or self.name, **options)
        serve(spec, pause_on_shutdown=pause_on_shutdown, limit=limit)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R_co]: ...
    @overload
    def __get__(
        self: Flow[Concatenate[Any, Q], R_co], instance: object, owner: type | None = None
    ) -> Flow[Q, R_co]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Flow[..., R_co]:
        """As a method: a flow whose first argument is the instance, or the class of a classmethod."""
        return self._bound(instance, owner)


class FlowDecorator:
    """`@flow`; see its call."""

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Flow[P, R]: ...
    @overload
    def __call__(self, **options: Unpack[FlowOptions]) -> Callable[[Callable[P, R]], Flow[P, R]]: ...
    @tells(FlowOptions)
    def __call__(self, *given: Any, **options: Any) -> Any:
        """Make a flow of a function or coroutine function."""
        refuse_unknown("a flow", options, FlowOptions)
        if len(given) > 1:
            raise UserError("@flow takes one function", hint="Options are given by name: @flow(name='x').")
        make: Any = functools.partial(defined, Flow, options)
        return make(given[0]) if given else make

    @staticmethod
    def from_source(
        source: str | Path, entrypoint: str, *, branch: str | None = None, commit_sha: str | None = None
    ) -> Flow[..., Any]:
        """A flow whose code is elsewhere; its deployments fetch the code from there for each run.

        source: a git repository, a folder at an fsspec address such as s3://bucket/project, or a folder that
        all machines have. entrypoint: "path/in/source.py:function". Raises BadDeployment, MissingFlow,
        StorageUnavailable.
        """
        from .deploying.sources import flow_from_source

        found = flow_from_source(source, entrypoint, branch=branch, commit_sha=commit_sha)
        return cast("Flow[..., Any]", found)


flow = FlowDecorator()
