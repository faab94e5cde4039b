"""Tables, thresholds, expectations and pictures, of made-up outcomes."""

import dataclasses

import pytest
from made_up_points import made_up, outcome_of

from verify.cli.reports.learned import as_json, lines
from verify.cli.reports.learned_picture import write as draw
from verify.learned.experiments.frozen import TABLES, least_width
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.names import DEFAULT, NAMES
from verify.learned.experiments.points import OneHop
from verify.learned.experiments.thresholds import constructions_of, least_of, thresholds


def test_the_names_are_those_of_all_experiments():
    assert list(NAMES) == list(EXPERIMENTS)
    assert set(DEFAULT) <= set(NAMES)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_lines_fit_a_terminal_whatever_was_found(name, full):
    experiment = EXPERIMENTS[name]
    for recall in (0.0, 0.42, 1.0):
        found = outcome_of(name, full, recall)
        assert len({one.point for one in found}) == len(found)
        printed = list(lines(name, experiment, found, full))
        assert max(map(len, printed)) <= 99
        lost = [dataclasses.replace(one, lost="out of memory", right=()) for one in found]
        partly = [lost[0], *found[1:]]
        for some in (lost, partly):
            text = "\n".join(lines(name, experiment, some, full))
            assert "met:" not in text
            assert full or "not known:" in text


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_expectation_can_be_refuted(name):
    """By what would be found if nothing were ever learned, or if everything always were."""
    nothing, everything = outcome_of(name, recall=0.1, value=0.0), outcome_of(name, value=1.0)
    for expectation in EXPERIMENTS[name].expectations:
        outcomes = {expectation.outcome(found) for found in (nothing, everything)}
        assert "refuted" in outcomes, expectation.text
        assert expectation.refuted_by


def test_what_has_no_null_or_no_control_is_not_known():
    found = outcome_of("superpositions", value=1.0)
    first = found[0]
    for name, part in (("both", "null"), ("both", "control"), ("zero-step transfer", "null")):
        bare = tuple(dataclasses.replace(one, **{part: None}) for one in first.measures[name])
        changed = dataclasses.replace(first, measures=first.measures | {name: bare})
        outcomes = {
            one.outcome([changed, *found[1:]])
            for one in EXPERIMENTS["superpositions"].expectations
            if name.split()[0] in one.text and "frozen" not in one.text
        }
        assert outcomes == {"not known"}, (name, part)


def line_of(*recalls, start=2):
    points = [OneHop(1, 64, 4, d, 32, seeds=(0, 1)) for d in range(start, start + len(recalls))]
    return [made_up(point, recall) for point, recall in zip(points, recalls, strict=True)]


@pytest.mark.parametrize(
    ("recalls", "start", "least", "text"),
    [
        ([0.5, 1, 1], 2, 3, "3"),
        ([1, 1, 1], 2, 2, "<= 2"),
        ([1, 1, 1], 1, 1, "1"),
        ([0.5, 1, 0.9], 2, None, "> 4"),
        ([0.5, 1, 0.9, 1], 2, 5, "5"),  # lucky at d = 3
        ([0.5, [1, 0.98], 1], 2, 4, "4"),  # one seed of two is not enough
    ],
)
def test_a_threshold_is_where_all_seeds_reach_it_from_there_on(recalls, start, least, text):
    found = line_of(*recalls, start=start)
    (threshold,) = thresholds(found[::-1])
    assert (threshold.least, threshold.text()) == (least, text)
    assert least_of(found, size=64) == least
    assert least_of(found, size=32) is None


def test_dimensions_of_constructions_are_those_of_built_models():
    from constructions import FactTable, scalar_selector, selector

    point = OneHop(3, 8, 2, 1, 1)
    facts = FactTable.random_worlds(3, 8, 2, 5)
    found = constructions_of(point)
    assert found["selector"] == selector(facts).shape.d_model == 2 * 3 + 1
    assert found["scalar_selector"] == scalar_selector(facts).shape.d_model == 3
    assert len(found) >= 4


def test_the_least_width_of_frozen_tables():
    found = outcome_of("frozen", recall=0.5)
    wide = [
        made_up(one.point, 1.0 if one.point.d_mlp >= 32 and not one.point.frozen else 0.5)
        for one in found
    ]
    assert least_width(wide, 32, ()) == 32
    assert least_width(wide, 32, TABLES["all tables"]) is None


def test_pictures_are_drawn_and_are_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    outcomes = [(one, outcome_of(name)) for name, one in EXPERIMENTS.items()]
    for name in ("a.svg", "b.svg"):
        draw(outcomes, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    draw(outcomes[:1], tmp_path / "c.svg")
    assert (tmp_path / "c.svg").read_bytes() != (tmp_path / "a.svg").read_bytes()


def test_json_has_every_seed_and_what_was_expected():
    import json

    found = outcome_of("superpositions")
    data = json.loads(
        as_json([("superpositions", EXPERIMENTS["superpositions"], found, 0)], False, [0])
    )
    one = data["experiments"]["superpositions"]
    assert len(one["found"]) == len(found)
    assert len(one["found"][0]["measures"]["both"]) == 3
    assert {e["outcome"] for e in one["expectations"]} <= {"met", "refuted"}
    some = [("superpositions", EXPERIMENTS["superpositions"], found[:1], 1)]
    one = json.loads(as_json(some, False, [0]))["experiments"]["superpositions"]
    assert (one["left"], len(one["found"])) == (1, 1)
    assert {e["outcome"] for e in one["expectations"]} == {"not known"}
