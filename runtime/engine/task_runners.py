"""Where a flow's submitted tasks run. Hand one to `@flow(task_runner=...)`, or its name: "ray", "threads",
"inline".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..foundation.errors import BadSetting

if TYPE_CHECKING:
    from .lane import Lane


@dataclass(frozen=True, slots=True)
class RayTaskRunner:
    """Tasks as Ray remote calls. Without an address HELIOSTAT_RAY_ADDRESS decides; unset starts a local
    Ray.
    """

    address: str | None = None

    def lane(self, on_news: Callable[..., None]) -> Lane:
        from ..foundation.settings import current_settings
        from .ray_lane import RayLane

        return RayLane(self.address or current_settings().ray_address, on_news)


@dataclass(frozen=True, slots=True)
class ThreadTaskRunner:
    """Tasks on threads of the flow's own process, at most `max_workers` at a time (None: four a core, up to
    32).
    """

    max_workers: int | None = None

    def lane(self, on_news: Callable[..., None]) -> Lane:
        from .local_lanes import ThreadLane

        return ThreadLane(on_news, self.max_workers)


@dataclass(frozen=True, slots=True)
class InlineTaskRunner:
    """Each task where it is submitted, before `submit` returns: for tests and debuggers."""

    def lane(self, on_news: Callable[..., None]) -> Lane:
        from .local_lanes import InlineLane

        return InlineLane(on_news)


TaskRunner = RayTaskRunner | ThreadTaskRunner | InlineTaskRunner
_BY_NAME: dict[str, Callable[[], TaskRunner]] = {
    "ray": RayTaskRunner,
    "threads": ThreadTaskRunner,
    "inline": InlineTaskRunner,
}


def task_runner_named(runner: Any) -> TaskRunner:
    """The runner itself, or the one of that name; None is the one that the settings name. Raises
    BadSetting.
    """
    if runner is None:
        from ..foundation.settings import current_settings

        runner = current_settings().task_runner
    if isinstance(runner, (RayTaskRunner, ThreadTaskRunner, InlineTaskRunner)):
        return runner
    try:
        return _BY_NAME[runner]()
    except (KeyError, TypeError):
        raise BadSetting(
            f"there is no task runner {runner!r}", hint="Use 'ray', 'threads' or 'inline'."
        ) from None
