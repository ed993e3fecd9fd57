"""Where a flow's submitted tasks run. Hand one to `@flow(task_runner=...)`, or its name: "ray", "threads",
"inline".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..foundation.errors import BadSetting
from .local_lanes import InlineTaskRunner, ThreadTaskRunner

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
