"""Looks up calls of one task in the cache: computes their keys and reads the entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any

from ..foundation import clock
from ..foundation.errors import NoFingerprint
from ..values.caching import CacheFacts, CachePolicy, compute_key
from ..values.parameters import bind

if TYPE_CHECKING:
    from ..store.database.rows import CacheHit


@dataclass(slots=True)
class CacheLookup:
    """One task's cache policy in one run. `find` asks the database for many keys at once."""

    fn: Callable[..., Any]
    policy: CachePolicy
    facts: CacheFacts
    expiration_s: float | None
    refresh: bool
    find: Callable[[Sequence[str]], Mapping[str, CacheHit]]
    warn: Callable[[str], None]
    _told: set[str] = field(default_factory=set[str])

    def key_of(self, facts: CacheFacts, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """The key of a call with these values; None when the policy gives none.

        Also None for a call whose inputs cannot be compared: it is not cached, and one warning per reason
        says so.
        """
        try:
            return compute_key(self.policy, facts, self._inputs(args, kwargs))
        except NoFingerprint as error:
            reason = str(error)
            if reason not in self._told:
                self._told.add(reason)
                self.warn(f"not cached: {reason}. {error.hint or ''}".rstrip())
            return None

    def expires_at(self) -> float | None:
        return None if self.expiration_s is None else clock.epoch_s() + self.expiration_s

    def look_up(self, keys: Sequence[str]) -> Mapping[str, CacheHit]:
        """The valid cache entries under these keys."""
        if self.refresh or not keys:
            return {}
        return self.find(list(dict.fromkeys(keys)))

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        inputs = bind(self.fn, args, kwargs)
        if isinstance(self.fn, MethodType):
            names = self.fn.__func__.__code__.co_varnames
            inputs = {names[0] if names else "self": self.fn.__self__, **inputs}
        return inputs
