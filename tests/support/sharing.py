"""Which tests go to one and the same process of tests, because they share what takes long to make."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

# Each of these would otherwise be made in both processes. The tests that name a server go to it together.
_SHARING = re.compile(
    r"tests/(?P<one>acceptance/test_wheel\.py::|api/test_fuzzing\.py::|browser/)"
    r"|tests/(?P<server>stock/|acceptance/test_strangers\.py).*(?P<name>\[.*\])$"
)


class Sharing(LoadScopeScheduling):
    """One test after the other to whichever process is free, and those that share something as one."""

    def _split_scope(self, nodeid: str) -> str:
        found = _SHARING.match(nodeid)
        if found is None:
            return nodeid
        return found["one"] or f"{found['server']}{found['name']}"
