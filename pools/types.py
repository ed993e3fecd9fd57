"""The kinds of work pools: what each is called, what it is for, and the base job template it starts with.

A package adds kinds of its own through an entry point of the group `heliostat.pool_types` that names a
PoolType (`pool_type` below makes one); they appear in the API, the command line and the UI like ours.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..runtime.foundation.errors import UserError
from .templates import read_job_template

PACKAGE = "heliostat"
STANDARD_PACKAGE = "prefect"  # clients look in the package of that name for the kind "process"

_registered: dict[str, PoolType] = {}


@dataclass(frozen=True)
class PoolType:
    """One kind of work pool. Raises BadJobTemplate when its template is malformed."""

    type: str  # what pools say, e.g. "process"
    display_name: str
    description: str
    base_job_template: Mapping[str, Any] = field(repr=False)
    package: str = PACKAGE
    polled_by_workers: bool = True  # False: Heliostat runs the jobs itself
    documentation_url: str = ""
    logo_url: str = ""
    install_command: str = ""
    is_beta: bool = False

    def __post_init__(self) -> None:
        read_job_template(self.base_job_template)

    def default_base_job_template(self) -> dict[str, Any]:
        """A copy that the caller may change."""
        return copy.deepcopy(dict(self.base_job_template))

    def to_json(self) -> dict[str, Any]:
        """The standard's worker metadata of this kind."""
        return {
            "type": self.type,
            "display_name": self.display_name,
            "description": self.description,
            "documentation_url": self.documentation_url,
            "logo_url": self.logo_url,
            "install_command": self.install_command,
            "is_beta": self.is_beta,
            "default_base_job_configuration": self.default_base_job_template(),
        }


def pool_type(
    name: str, *, display_name: str, description: str, **facts: Any
) -> Callable[[Callable[[], Mapping[str, Any]]], PoolType]:
    """Make a kind of work pool of a function that gives its base job template, and register it.

    `facts` are further fields of PoolType. The function's name then stands for the PoolType. Raises UserError
    when another kind has that name.
    """

    def made(template: Callable[[], Mapping[str, Any]]) -> PoolType:
        facts.setdefault("package", template.__module__.partition(".")[0])
        return register(PoolType(name, display_name, description, template(), **facts))

    return made


def register(kind: PoolType) -> PoolType:
    """Make a kind known in this process. Raises UserError when another one has its name."""
    known = _registered.get(kind.type)
    if known is not None and known != kind:
        raise UserError(
            f"{known.package} and {kind.package} both have a kind of work pools called {kind.type!r}.",
            hint="Rename or uninstall one of them.",
        )
    _registered[kind.type] = kind
    return kind


def registered() -> dict[str, PoolType]:
    """The kinds that this process has been told of, by name."""
    return dict(_registered)
