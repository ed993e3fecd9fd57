"""Work pool types: their names, descriptions and default base job templates.

A package adds types by an entry point in the group `heliostat.pool_types` that names a PoolType (`pool_type`
makes one). They appear in the API, the command line and the UI like built-in ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..runtime.foundation.errors import UserError
from .templates import read_job_template

PACKAGE = "heliostat"
STANDARD_PACKAGE = "prefect"  # clients look for the type "process" in the package of this name

_registered: dict[str, PoolType] = {}


@dataclass(frozen=True)
class PoolType:
    """One work pool type. Raises BadJobTemplate when its template is malformed."""

    type: str  # the `type` of its pools, e.g. "process"
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
        """The standard's worker metadata of this type."""
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
    """Decorator that makes and registers a PoolType from a function that returns its base job template.
    `facts` are further fields of PoolType. The function's name then refers to the PoolType. Raises UserError
    when another type has that name.
    """

    def made(template: Callable[[], Mapping[str, Any]]) -> PoolType:
        facts.setdefault("package", template.__module__.partition(".")[0])
        return register(PoolType(name, display_name, description, template(), **facts))

    return made


def register(kind: PoolType) -> PoolType:
    """Register a type in this process. Raises UserError when another type has its name."""
    known = _registered.get(kind.type)
    if known is not None and known != kind:
        raise UserError(
            f"{known.package} and {kind.package} both have a work pool type called {kind.type!r}.",
            hint="Rename or uninstall one of them.",
        )
    _registered[kind.type] = kind
    return kind


def registered() -> dict[str, PoolType]:
    """The types that are registered in this process, by name."""
    return dict(_registered)
