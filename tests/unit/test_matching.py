"""Which recorded call a call of a replay is: inputs first, order among equal inputs second."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from heliostat.runtime.engine.matching import Claim, Matching

INPUTS = st.sampled_from([b"a", b"b", b"c", None])
RECORDED = st.dictionaries(st.integers(0, 12), INPUTS)


def matching(*recorded: bytes | None) -> Matching:
    return Matching(lambda: list(enumerate(recorded)))


def test_calls_in_the_recorded_order_keep_their_indexes():
    site = matching(b"a", b"b", b"a")
    assert [site.claim(number, inputs).index for number, inputs in enumerate([b"a", b"b", b"a"])] == [0, 1, 2]


def test_calls_in_another_order_take_the_records_of_their_inputs():
    site = matching(b"a", b"b", b"c")
    assert [site.claim(number, inputs).index for number, inputs in enumerate([b"c", b"a", b"b"])] == [2, 0, 1]


def test_order_decides_among_equal_inputs_also_when_others_came_between():
    site = matching(b"a", b"a", b"b")
    assert [site.claim(number, inputs).index for number, inputs in enumerate([b"b", b"a", b"a"])] == [2, 0, 1]


def test_a_call_that_was_never_recorded_takes_the_number_that_its_neighbour_left():
    site = Matching(lambda: [(1, b"b")])  # the call of number 0 was under way when the process died
    assert site.claim(0, b"b") == Claim(1, is_recorded=True)
    assert site.claim(1, b"a") == Claim(0)


def test_inputs_that_differ_from_the_record_get_a_new_index_and_are_reported():
    site = matching(b"a")
    assert site.claim(0, b"b") == Claim(1, diverges=True)
    assert site.claim(1, b"a") == Claim(0, is_recorded=True)


def test_inputs_that_cannot_be_compared_equal_no_others():
    site = matching(None, b"a")
    assert site.claim(0, None) == Claim(0)
    assert not site.claim(1, None).is_recorded


def test_records_are_not_read_while_calls_come_in_order():
    def read() -> list[tuple[int, bytes | None]]:
        raise AssertionError("read")

    site = Matching(read)
    assert all(site.claim_own(number, b"a", b"a") for number in range(5))
    assert not site.claim_own(5, b"a", b"b")
    assert not site.claim_own(3, b"a", b"a")  # taken already


@given(RECORDED, st.lists(INPUTS, max_size=16), st.data())
def test_no_index_is_given_twice_and_every_record_answers_a_call_with_its_inputs(recorded, calls, data):
    site = Matching(lambda: sorted(recorded.items()))
    arrivals = data.draw(st.permutations(range(len(calls))))  # upstream calls end in any order
    claims = {number: site.claim(number, calls[number]) for number in arrivals}
    assert len({claim.index for claim in claims.values()}) == len(calls)
    for number, claim in claims.items():
        if claim.is_recorded:
            assert calls[number] is not None and recorded[claim.index] == calls[number]
        else:
            assert recorded.get(claim.index) is None
    answered = Counter(calls[number] for number, claim in claims.items() if claim.is_recorded)
    wanted, known = Counter(calls), Counter(recorded.values())
    for inputs in (b"a", b"b", b"c"):
        assert answered[inputs] == min(wanted[inputs], known[inputs])


@given(RECORDED, st.lists(INPUTS, max_size=16), st.integers(0, 16))
def test_calls_in_order_before_the_records_were_read_count(recorded, calls, in_order):
    site = Matching(lambda: sorted(recorded.items()))
    taken: set[int] = set()
    for number, inputs in enumerate(calls):
        own = recorded.get(number)
        if number < in_order and site.claim_own(number, own, inputs):
            taken.add(number)
            continue
        index = site.claim(number, inputs).index
        assert index not in taken
        taken.add(index)
