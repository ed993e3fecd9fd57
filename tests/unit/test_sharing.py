"""Tests that share something slow go to one process; all others go to whichever is free."""

import pytest
from sharing import Sharing


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/acceptance/test_wheel.py::test_a", "tests/acceptance/test_wheel.py::test_b", True),
        ("tests/api/test_fuzzing.py::test_a[sqlite]", "tests/api/test_fuzzing.py::test_a[postgres]", True),
        ("tests/stock/test_a.py::test_a[sqlite]", "tests/stock/test_b.py::test_b[sqlite]", True),
        ("tests/stock/test_a.py::test_a[sqlite]", "tests/stock/test_a.py::test_a[postgres]", False),
        ("tests/acceptance/test_strangers.py::a[x]", "tests/acceptance/test_strangers.py::b[x]", True),
        ("tests/acceptance/test_strangers.py::a[x]", "tests/acceptance/test_strangers.py::a[y]", False),
        ("tests/acceptance/test_strangers.py::a", "tests/acceptance/test_strangers.py::b", False),
        ("tests/unit/test_a.py::test_a[sqlite]", "tests/unit/test_a.py::test_b[sqlite]", False),
    ],
)
def test_what_shares_a_server_or_a_wheel_goes_together(one: str, other: str, together: bool) -> None:
    group_of = Sharing._split_scope
    assert (group_of(None, one) == group_of(None, other)) is together  # type: ignore[arg-type]
