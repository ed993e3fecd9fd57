"""For tests of processes, signals and actors, in which the kind of database decides nothing."""

import pytest

# What they ask of the store is tried on both kinds, verb by verb, in tests/store.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
