"""Times are said in words: estimated ones roughly, measured ones to three digits or so."""

import pytest

from verify.runner.durations import about, measured


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "10 s"),
        (42, "40 s"),
        (59, "1 min"),
        (750, "12 min"),
        (3580, "1 h"),
        (7830, "2 h 10 min"),
        (40_000, "11 h"),
        (200_000, "2 days 8 h"),
        (172_800, "2 days"),
    ],
)
def test_an_estimated_time_is_as_exact_as_is_worth_saying(seconds, said):
    assert about(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (119.9, "119.9 s"),
        (120, "2.0 min"),
        (7199, "120.0 min"),
        (80_000, "22.2 h"),
        (200_000, "2.3 days"),
    ],
)
def test_a_measured_time_has_one_unit_and_a_tenth(seconds, said):
    assert measured(seconds) == said
