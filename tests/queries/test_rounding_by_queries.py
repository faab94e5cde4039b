"""Bounds for each query, where those for all queries decide none: first around computed numbers,
then intervals.
"""

import math

import pytest

from constructions import FactTable, add_noise, noise_radius, selector, widen
from constructions.following import changes
from constructions.following.changes import Change
from verify.queries.recall import check_recall
from verify.queries.rounded import Rounding


def nothing_known(_change, _name, entries, x, _share=0.0):
    """What bounds nothing."""
    return x.total.new_full((*x.total.shape[:-1], len(entries.weight)), math.nan)


def no_bound_by_norms(rounding):
    """So that each query is looked at."""
    rounding.error = math.inf
    return math.inf


@pytest.mark.parametrize("unknown", ["neither", "of points", "both"])
def test_what_points_leave_open_is_decided_by_intervals_and_by_nothing_else(unknown, monkeypatch):
    """The control: where neither bound is known, all is undecided."""
    facts, intervals = FactTable.random_bijections(7, 2, seed=1), []
    wide = widen(selector(facts), 20)
    model = add_noise(wide, noise_radius(wide, "queries") / 4)
    off = nothing_known if unknown == "both" else Change.off
    monkeypatch.setattr(Rounding, "by_norms", no_bound_by_norms)
    monkeypatch.setattr(Change, "off", lambda *args: intervals.append(1) or off(*args))
    if unknown != "neither":
        monkeypatch.setattr(changes.Rounding, "off", nothing_known)
    recall = check_recall(model, facts, logits="full")
    assert recall.wrong == 0
    assert recall.unknown == (recall.queries if unknown == "both" else 0)
    assert bool(intervals) == (unknown != "neither")
