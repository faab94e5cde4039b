"""The smallest size by bisection, on made-up curves of recall."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructions.guards.errors import InputError
from verify.rivals.smallest import Curve


@given(first=st.integers(1, 300), least=st.integers(1, 20), more=st.integers(0, 300))
def test_of_a_monotone_curve_the_least_size_that_suffices_is_found(first, least, more):
    most = least + more
    curve = Curve(lambda size: 10 if size >= first else 3, least, most)
    wanted = max(first, least)
    assert curve.smallest(10) == (wanted if wanted <= most else None)
    assert curve.not_enough_above(10) == []
    assert all(least <= size <= most for size in curve.tried)


@given(rises=st.lists(st.integers(0, 3), min_size=1, max_size=60), wanted=st.integers(1, 40))
def test_levels_share_what_was_tried(rises, wanted):
    """Each level of one curve is the least size, whatever was searched before."""
    right = [sum(rises[: size + 1]) for size in range(len(rises))]
    asked = []

    def recalled(size):
        asked.append(size)
        return right[size - 1]

    curve = Curve(recalled, 1, len(right))
    for level in (wanted, wanted // 2, wanted + 5):
        enough = [size for size in range(1, len(right) + 1) if right[size - 1] >= level]
        assert curve.smallest(level) == (min(enough) if enough else None)
    assert len(asked) == len(set(asked))


@given(
    recall=st.lists(st.integers(0, 4), min_size=1, max_size=50),
    wanted=st.integers(1, 4),
)
def test_of_any_curve_what_is_found_suffices_and_nothing_less_that_was_tried(recall, wanted):
    curve = Curve(lambda size: recall[size - 1], 1, len(recall))
    found = curve.smallest(wanted)
    if found is None:
        assert recall[-1] < wanted
        assert max(curve.tried) == len(recall)
        return
    assert recall[found - 1] >= wanted
    below = [size for size in curve.tried if size < found]
    assert all(recall[size - 1] < wanted for size in below)
    assert found == 1 or found - 1 in below
    above = [size for size in curve.tried if size > found and recall[size - 1] < wanted]
    assert curve.not_enough_above(wanted) == sorted(above)


def test_a_size_below_that_bisection_passes_over_is_found():
    """60 suffices, 61 to 79 do not, from 80 on all do: three quarters of 80 are tried as well."""
    curve = Curve(lambda size: int(size == 60 or size >= 80), 1, 1000)
    assert curve.smallest(1) == 60
    above = curve.not_enough_above(1)
    assert above
    assert all(60 < size < 80 for size in above)


def test_where_the_largest_size_does_not_suffice_there_is_none():
    curve = Curve(lambda size: size, 3, 7)
    assert curve.smallest(8) is None
    assert curve.tried == {3: 3, 6: 6, 7: 7}
    assert curve.smallest(5) == 5


@pytest.mark.parametrize("sizes", [(0, 3), (5, 4)])
def test_no_sizes_are_refused(sizes):
    with pytest.raises(InputError, match="from 1 on and rise"):
        Curve(lambda size: 0, *sizes)
