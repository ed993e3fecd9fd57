"""Digests of values and of code, for cache keys: equal digests mean that the values behave alike.

A digest may differ for values that are alike; it never agrees for values that are not. What cannot be told
from others of its kind has no digest: asking for one raises NoFingerprint.
"""

from __future__ import annotations

from .digests import Mode, digest_of
from .places_in_keys import name_in_keys
from .walk import Memo, Walk

__all__ = ["Memo", "Mode", "Walk", "digest_of", "name_in_keys"]
