"""How many calls ride together, and how many packs are under way: arithmetic without a lane."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heliostat.runtime.engine.packing import (
    GROWTH,
    LARGE_VALUES_AFTER,
    MAX_ARGUMENT_BYTES,
    MAX_CALLS,
    SMALLEST,
    Estimate,
    window,
)


def _measured(call_s: float, largest: int = MAX_CALLS) -> Estimate:
    estimate = Estimate()
    for _ in range(50):
        estimate.observe(largest, call_s * largest)
    return estimate


def test_before_anything_was_measured_calls_go_alone() -> None:
    assert Estimate().pack_size(10_000, 8, 0.1) == 1


def test_a_pack_lasts_about_as_long_as_wanted() -> None:
    assert _measured(0.001).pack_size(1_000_000, 2, 0.1) == 100
    assert _measured(0.01).pack_size(1_000_000, 2, 0.1) == 10
    assert _measured(5.0).pack_size(1_000_000, 2, 0.1) == 1


def test_packs_grow_step_by_step_from_the_largest_that_came_back() -> None:
    estimate = Estimate()
    estimate.observe(1, 1e-6)
    assert estimate.pack_size(1_000_000, 2, 0.1) == GROWTH
    estimate.observe(GROWTH, 1e-6)
    assert estimate.pack_size(1_000_000, 2, 0.1) == GROWTH * GROWTH


def test_towards_the_end_of_a_fan_out_packs_shrink_so_that_workers_finish_together() -> None:
    estimate = _measured(0.0001)
    sizes, left = [], 2_000
    while left:
        sizes.append(estimate.pack_size(left, 4, 0.1))
        left -= sizes[-1]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 250
    assert sizes[-2] == 1_000 // SMALLEST, "smaller ones would cost more than they even out"


def test_large_arguments_keep_packs_small() -> None:
    estimate = _measured(1e-6)
    estimate.observe_arguments(1, MAX_ARGUMENT_BYTES // 4)
    assert estimate.pack_size(1_000_000, 2, 0.1) == 4
    estimate.observe_arguments(1, 2 * MAX_ARGUMENT_BYTES)
    assert estimate.pack_size(1_000_000, 2, 0.1) == 1


def test_an_authors_size_is_bounded_only_by_what_waits() -> None:
    assert Estimate().pack_size(10, 2, 0.1, wanted=4) == 4
    assert Estimate().pack_size(3, 2, 0.1, wanted=4) == 3
    assert _measured(9.0).pack_size(10_000, 2, 0.1, wanted=5_000) == 5_000


@given(
    st.lists(st.tuples(st.integers(0, 1_000), st.floats(0, 100)), max_size=20),
    st.integers(1, 10**7),
    st.integers(0, 1_000),
)
def test_whatever_was_measured_a_pack_has_at_least_one_call_and_never_too_many(
    measured: list[tuple[int, float]], waiting: int, slots: int
) -> None:
    estimate = Estimate()
    for calls, elapsed_s in measured:
        estimate.observe(calls, elapsed_s)
    assert 1 <= estimate.pack_size(waiting, slots, 0.1) <= min(MAX_CALLS, waiting)


def test_a_slow_first_call_does_not_count_for_long() -> None:
    estimate = Estimate()
    estimate.observe(1, 2.0)  # imports
    for _ in range(20):
        estimate.observe(1, 0.001)
    assert estimate.call_s is not None and estimate.call_s < 0.002


def test_large_values_are_expected_until_the_first_calls_had_none() -> None:
    estimate = Estimate()
    assert estimate.expects_large_values
    estimate.observe(LARGE_VALUES_AFTER, 0.1)
    assert not estimate.expects_large_values
    estimate.large_value_seen = True
    assert estimate.expects_large_values


def test_the_window_is_narrow_at_first_wide_for_single_calls_and_twice_the_work_for_packs() -> None:
    assert window(1, 4, probing=True, limit=1_000) == 8
    assert window(1, 4, probing=False, limit=1_000) == 1_000
    assert window(100, 4, probing=False, limit=1_000) == 16
    assert window(100, 1, probing=False, limit=1_000) == 8
    assert window(1, 4, probing=False, limit=2) == 8, "above twice the slots, whatever the setting says"
