"""Where a noise radius is looked for: by which numbers, and that the largest is found."""

import math

import pytest

from constructions.forms import noise_bounds

ROOTS = [1e-30, 1e-3, 0.7, 500.0]


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize(
    "left",
    [
        lambda share: 1 - share,
        lambda share: 1 - share**9 if share < 4 else math.nan,
        lambda share: 1.0 if share <= 1 else math.nan,
        lambda share: 1e-9 if share <= 1 else -1e9,
    ],
)
def test_a_radius_is_the_largest_number_at_which_something_is_left(left, root):
    """However fast it falls, and where nothing is known."""
    tried = []

    def noted(rho):
        tried.append(rho)
        return left(rho / root)

    found = noise_bounds._largest(noted, 2.0**10)
    assert left(found / root) > 0
    assert found in tried
    assert found == pytest.approx(root, rel=1e-3)
    assert len(tried) < 40


@pytest.mark.parametrize("value", [-1.0, 0.0, math.nan])
def test_where_nothing_is_left_there_is_no_radius(value):
    assert noise_bounds._largest(lambda rho: value, 2.0**10) == 0
