"""How tests wait for a condition."""

import pytest
from waiting import wait_for, wait_until


def test_waiting_gives_what_was_wanted() -> None:
    seen = iter(["Pending", "Running", "Completed"])
    assert wait_for(lambda: next(seen), "Running") == "Running"
    counts = iter(range(10))
    assert wait_for(lambda: next(counts), lambda count: count > 4) == 5
    assert wait_for(lambda: "there") == "there"


def test_a_test_that_waits_in_vain_tells_what_it_saw_last() -> None:
    with pytest.raises(AssertionError, match=r"after 0\.01 s; seen last: 'Pending'\nlost"):
        wait_for(lambda: "Pending", "Running", within_s=0.01, tell=lambda: "lost")


async def test_the_loop_goes_on_while_a_test_waits() -> None:
    states = iter(["Pending", "Running"])

    async def state() -> str:
        return next(states)

    assert await wait_until(state, "Running") == "Running"
    with pytest.raises(AssertionError, match="seen last: 3"):
        await wait_until(lambda: 3, 4, within_s=0.01)
