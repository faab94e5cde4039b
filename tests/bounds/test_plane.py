"""The capacity plane as a table, as data and as a picture."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import large

from bounds.plans import plans
from bounds.theorem_4_2 import (
    every_bound,
)
from constructions import CATALOGUE
from verify.cli.reports import plane, plane_picture, plane_tables
from verify.cli.reports.rounding import down


def test_the_plane_as_data_holds_every_bound_and_every_point():
    shown = plane.plane(256, 3, 2)
    data = json.loads(json.dumps(plane.as_json(shown), allow_nan=False))
    assert {point["construction"] for point in data["constructions"]} == {
        n for n, e in CATALOGUE.items() if e.multi_hop
    }
    at = data["curves"][1]
    assert at["embedding_bits"] == 8
    expected = every_bound(256, 3, 2, 8, 8)
    assert [bound["name"] for bound in at["bounds"]] == list(expected)
    assert at["bounds"][3]["bits"] == expected["shared_leaves"].bits


def test_printed_bounds_are_rounded_down():
    assert down(-0.0000001) == "-0.000001"
    assert down(1234.9999999) == "1,234.999999"
    assert down(2.0**60, 1) == f"{2**60:,}.0"
    assert down(-1e308).startswith("-1")
    assert down(-math.inf) == "-inf"


@given(large, st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_tables_have_a_line_for_every_point(n, r, k):
    text = plane_tables.tables(plane.plane(n, r, k))
    assert all(f"\n{plan.label} " in text for plan in plans(n, r, k))


@pytest.mark.long
def test_the_picture_is_the_same_every_time(tmp_path):
    pytest.importorskip("matplotlib")
    shown = plane.plane(4096, 4, 2)
    for name in ("one.svg", "other.svg"):
        plane_picture.write(shown, tmp_path / name)
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "other.svg").read_bytes()
    assert one.startswith(b"<?xml")
    assert len(list(tmp_path.iterdir())) == 2
    plane_picture.write(plane.plane(4096, 4, 3), tmp_path / "other.svg")
    assert one != (tmp_path / "other.svg").read_bytes()


@pytest.mark.long
def test_a_picture_can_be_drawn_at_every_size(tmp_path):
    pytest.importorskip("matplotlib")
    for n, r, k in ((1, 1, 1), (2, 3, 4), (2**40, 2, 3)):
        plane_picture.write(plane.plane(n, r, k), tmp_path / "plane.svg")
