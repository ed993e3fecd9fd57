"""The supervision tree: which control actors there are, and how each is kept alive.

Ray restarts an actor that dies; the keeper replaces those that Ray has lost or that run other code. Their
constructors rebuild their state from the database, so nothing is lost with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from . import names


@dataclass(frozen=True, slots=True)
class ControlActor:
    """One control actor: its name, a function that returns its class (so that listing imports nothing), the
    arguments of its constructor, and Ray's options.
    """

    name: str
    cls: Callable[[], type[Any]]
    mark: str  # of its code and database
    arguments: tuple[Any, ...] = ()
    max_restarts: int = -1  # any number
    num_cpus: float = 0.0
    resources: dict[str, float] = field(default_factory=lambda: dict(names.ON_HEAD))
    max_concurrency: int = 1000  # calls under way at a time in an asynchronous actor


def tree(pools: Sequence[tuple[UUID, str]], environment: dict[str, str]) -> list[ControlActor]:
    """Every control actor, in starting order. `pools`: ids and names of the work pools of type `ray`."""
    mark = names.mark_of(environment)
    return [
        ControlActor(names.JOURNAL, _journal, mark, (environment,)),
        *(
            ControlActor(f"{names.CONTROL}pool:{name}", _work_pool, mark, (pool_id, environment))
            for pool_id, name in pools
        ),
    ]


def superfluous(wanted: Sequence[ControlActor], living: Collection[str]) -> list[str]:
    """Control actors that live and are not wanted, for example those of deleted pools."""
    names_wanted = {each.name for each in wanted}
    return [name for name in living if name.startswith(names.CONTROL) and name not in names_wanted]


def ensure(child: ControlActor) -> Any:
    """The living actor of an entry of the tree."""
    import ray

    anything: Any = ray
    return names.ensure(
        child.name,
        child.mark,
        anything.remote(child.cls()),
        *child.arguments,
        max_restarts=child.max_restarts,
        num_cpus=child.num_cpus,
        resources=child.resources,
        max_concurrency=child.max_concurrency,
    )


def _journal() -> type[Any]:
    from .journal_host import JournalActor

    return JournalActor


def _work_pool() -> type[Any]:
    from .work_pool_actor import WorkPoolActor

    return WorkPoolActor
