"""What a point of an experiment trains and measures."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from constructions import FactTable
from verify.learned.experiments.found import Found
from verify.learned.experiments.points import CHOOSING, REPORTED, ManyHops, OneHop
from verify.learned.experiments.training import (
    LEARNED,
    RATE,
    facts_of,
    run,
    sequences_of,
    shape_of,
)
from verify.learned.superposition import NAME as R2
from verify.runner.job import Job
from verify.runner.outcome import Lost
from verify.runner.stored import decode, encode

SMALL = OneHop(
    4, 8, 2, 12, 16, 2, weight_decay=0.5, steps=150, until=0.0, seeds=(0, 3),
    measured=("rows", "intervention", "transfer", "attention"),
)  # fmt: skip
HOPS = ManyHops(6, 2, 2, 8, 1, 1, held_out=0.25, heads=2, steps=40, seeds=(0, 3))


def without_time(found):
    return dataclasses.replace(found, seconds=0.0)


@pytest.mark.parametrize("point", [SMALL, HOPS])
def test_the_same_point_gives_the_same_and_is_stored_exactly(point):
    threads = torch.get_num_threads()
    found = run(point)
    assert torch.get_num_threads() == threads
    assert without_time(run(point)) == without_time(found)
    assert decode(Found, json.loads(json.dumps(encode(found)))) == found
    other = run(dataclasses.replace(point, seeds=(1, 2)))
    assert without_time(other).right != found.right or other.measures != found.measures


def test_a_seed_gives_the_same_beside_others():
    together, alone = run(SMALL), run(dataclasses.replace(SMALL, seeds=(3,)))
    assert together.right[1] == alone.right[0]
    for name, measures in alone.measures.items():
        ours = together.measures[name][1]
        assert float(ours.value) == pytest.approx(float(measures[0].value), abs=0.05), name


def test_every_measure_is_there_for_every_seed():
    found = run(SMALL)
    assert set(found.measures) == {
        R2,
        "move",
        "keep",
        "both",
        "zero-step transfer",
        "transfer after 25 steps",
        "attention to the subject",
    }
    assert {len(each) for each in found.measures.values()} == {2}
    assert found.measure(R2).n_seeds == 2
    assert found.measure("nothing").refused == "it was not measured"


def test_a_recall_is_of_the_models_that_were_trained():
    from constructions import fit, n_right

    point = dataclasses.replace(SMALL, until=0.5, measured=(), weight_decay=0.0)
    tables = [facts_of(point, seed) for seed in point.seeds]
    fitted = fit(shape_of(point), tables, point.steps, point.seeds, rate=RATE, until=0.5)
    assert tuple(n_right(fitted.models, tables).tolist()) == run(point).right


@pytest.mark.parametrize("written", [0, 1, 2])
@pytest.mark.parametrize("hops", [2, 3])
def test_paths_are_trained_on_or_held_out_and_every_single_hop_is_there(written, hops):
    point = ManyHops(5, 2, hops, 8, 1, written, held_out=0.3)
    (tokens, targets), (unseen, wanted) = sequences_of(point, seed=4)
    facts = FactTable.random_bijections(5, 2, 4)
    every, answers = facts.dataset(hops, written)
    n_single = 5 * 2
    paths = np.concatenate([tokens[:-n_single], unseen])
    assert len(unseen) == round(0.3 * len(every))
    assert (np.unique(paths, axis=0) == np.unique(every, axis=0)).all()
    assert len(paths) == len(every)
    order, ours = np.lexsort(every.T), np.lexsort(paths.T)
    assert (np.concatenate([targets[:-n_single], wanted])[ours] == answers[order]).all()
    single, said = tokens[-n_single:], targets[-n_single:]
    assert len(np.unique(single[:, :2], axis=0)) == n_single
    first = facts.answer(single[:, 0], single[:, 1:2] - 5)
    assert (said[:, 0] == first).all()
    assert (said[:, 2:] == -1).all()


def test_another_point_is_another_job():
    keys = {
        Job(LEARNED, point, "code").key
        for point in (SMALL, HOPS, dataclasses.replace(SMALL, seeds=(0,)), OneHop(4, 8, 2, 12, 16))
    }
    assert len(keys) == 4
    assert LEARNED.cost(SMALL).seconds > 0


def test_what_was_lost_says_why():
    lost = LEARNED.lost(SMALL, Lost("out of memory", crashed=False))
    assert lost.reaches(0.5) is None
    assert "out of memory" in lost.measure("both").refused


def test_no_seed_chose_a_setting_and_is_reported():
    assert not set(CHOOSING) & set(REPORTED)
    assert len(REPORTED) >= 5
