"""Asking the cache on behalf of one task: the key of a call, and what is kept under keys."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import clock
from ..caching import CacheFacts, CachePolicy, compute_key
from .inputs import parameter_names

if TYPE_CHECKING:
    from ..store.rows import CacheHit


@dataclass(slots=True)
class CacheLookup:
    """One task's cache policy in one run. `find` asks the database for many keys at once."""

    fn: Callable[..., Any]
    policy: CachePolicy
    facts: CacheFacts
    expiration_s: float | None
    refresh: bool
    find: Callable[[Sequence[str]], Mapping[str, CacheHit]]

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """The key of a call with these values; None when the policy gives none."""
        return compute_key(self.policy, self.facts, self._inputs(args, kwargs))

    def expires_at(self) -> float | None:
        return None if self.expiration_s is None else clock.epoch_s() + self.expiration_s

    def look_up(self, keys: Sequence[str]) -> Mapping[str, CacheHit]:
        """What is kept and still valid."""
        if self.refresh or not keys:
            return {}
        return self.find(list(dict.fromkeys(keys)))

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            bound = inspect.signature(self.fn).bind(*args, **kwargs)
            bound.apply_defaults()
            return dict(bound.arguments)
        except TypeError:
            names = parameter_names(self.fn)
            return {**dict(zip(names, args, strict=False)), **kwargs}
