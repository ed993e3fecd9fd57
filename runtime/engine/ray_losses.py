"""Why a remote call did not come back: Ray's errors as causes and messages."""

from __future__ import annotations

import ray.exceptions as ray_errors

from .lane import Loss
from .pack_group import Pack

_CAUSES: tuple[tuple[type[BaseException], str, bool, str], ...] = (
    (ray_errors.TaskCancelledError, "cancelled", False, "the call was cancelled"),
    (
        ray_errors.OutOfMemoryError,
        "out-of-memory",
        True,
        "the worker was ended because the node ran out of memory",
    ),
    (ray_errors.NodeDiedError, "node-lost", True, "the node that ran it was lost"),
    (
        ray_errors.WorkerCrashedError,
        "worker-killed",
        True,
        "the worker process died (killed, or crashed in native code)",
    ),
    (ray_errors.RuntimeEnvSetupError, "environment", False, "its runtime environment could not be set up"),
    (ray_errors.TaskUnschedulableError, "unschedulable", False, "no node can ever give what it asks for"),
    (ray_errors.OutOfDiskError, "out-of-disk", True, "the node's disk is full"),
    (ray_errors.ObjectStoreFullError, "object-store-full", True, "the object store is full"),
    (ray_errors.OwnerDiedError, "lost", True, "the process that held an argument died"),
    (ray_errors.ObjectLostError, "lost", True, "an argument in the object store was lost"),
)


def loss_of(pack: Pack, error: BaseException) -> Loss:
    """The loss that a Ray error stands for; what is not known is told in Ray's own words and not tried
    again.
    """
    for kind, cause, again, words in _CAUSES:
        if isinstance(error, kind):
            detail = _first_line(error) if cause in ("environment", "unschedulable", "out-of-memory") else ""
            return Loss(pack, cause, f"{words}: {detail}" if detail else words, again)
    return Loss(pack, "lost", f"{type(error).__name__}: {_first_line(error)}", again=False)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
