"""Planted structure is found again in any basis; and how what is found is scored."""

import json
import re

import numpy as np
import pytest
import torch
from decoders_to_measure import (
    BIJECTIONS,
    DISJOINT,
    MEMORIES,
    N,
    R,
    edited,
    generator,
    measured,
    orthogonal,
    turned,
)
from larger_decoders import larger

from constructions import (
    FactTable,
    add_noise,
    attention_selector,
    digit_selector,
    needed_shape,
    precomputed,
    scalar_selector,
    seed_into,
    selector,
    standard,
    superposition,
    widen,
)
from constructions.guards.errors import InputError
from verify.learned.adapters import of
from verify.learned.finding import find, find_subspaces
from verify.learned.planted import basis_of, planted, planted_subspaces
from verify.learned.structure import (
    Structure,
    as_json,
    from_json,
    least_cosine,
    score,
    score_subspaces,
    score_units,
)
from verify.learned.superposition import parametrisation

WORLDS = FactTable.random_worlds(8, 16, 4, seed=0)
SOURCES = {
    "selector": lambda: selector(BIJECTIONS),
    "selector of worlds": lambda: selector(WORLDS),
    "scalar_selector": lambda: scalar_selector(BIJECTIONS, dtype=torch.float64),
    "digit_selector": lambda: digit_selector(BIJECTIONS),
    "attention_selector": lambda: attention_selector(BIJECTIONS),
    "superposition": lambda: superposition(DISJOINT),
    "precomputed": lambda: precomputed(FactTable.random_bijections(N, 2, seed=3), hops=2),
}
FORMS = {
    "as built": lambda model: model,
    "turned": turned,
    "wide": lambda model: widen(model, d_model=40, d_mlp=40),
    "noisy": lambda model: add_noise(turned(model), 0.01),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SOURCES)
def test_what_is_planted_is_found_in_every_form(name, form):
    """Noise on all weights makes the unembedding's rows differ in every direction; in one world
    these are too many for a fit, which is refused, and nothing is found.
    """
    source = SOURCES[name]()
    model = FORMS[form](source)
    found = find(*measured(model))
    truth = planted(source, None if model is source else model)
    assert len(truth.subspaces) == 4
    if parametrisation(*measured(model)).refused:
        assert form == "noisy"
        assert name != "selector of worlds"
        assert found.subspaces == {}
    else:
        scored = score_subspaces(found, truth)
        assert scored.precision == pytest.approx(1, abs=1e-3)
        assert scored.recall == pytest.approx(1, abs=1e-3)
        assert scored.missed == scored.wrong == ()
        for relation, basis in truth.subspaces.items():
            assert least_cosine(basis, found.subspaces[relation]) > 0.999
    units = score_units(found, truth)
    if truth.units is not None:
        assert (units.precision, units.recall) == (1, 1)


@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
def test_it_is_found_in_standard_decoders_and_seeded_ones(norm):
    source = selector(WORLDS)
    for model in (standard(source, norm=norm), _seeded(source, norm)):
        scored = score(find(*measured(model)), planted(source, model))
        assert scored["subspaces"].recall > 0.99
        assert scored["subspaces"].missed == ()
        assert scored["units"].recall == 1


def _seeded(source, norm):
    return seed_into(larger(needed_shape(source, norm), torch.float32), source, first_block=1)


@pytest.mark.parametrize("name", MEMORIES)
def test_nothing_is_found_in_the_rows_of_a_memory(name):
    model = MEMORIES[name]()
    assert find_subspaces(*measured(model)) == {}


def test_random_rows_hold_nothing():
    """Of thirty tables of them, as the longest of five draws of noise is the bound."""
    decoder, answers = measured(selector(WORLDS))
    draw = generator()
    for _ in range(30):
        random = decoder.with_rows(draw.standard_normal(decoder.rows().shape))
        assert find_subspaces(random, answers) == {}


def test_swapped_relations_are_found_where_they_are_not():
    """The blocks of relations 0 and 1 are exchanged in all rows: what is planted for the one is
    found for the other.
    """
    source = selector(WORLDS)
    columns = source.stream["attributes"].columns

    def exchange(table):
        table[:, columns[[0, 1]]] = table[:, columns[[1, 0]]].clone()

    found = find_subspaces(*measured(edited(source, "embedding.weight", exchange)))
    truth = planted_subspaces(source)
    assert least_cosine(found[0], truth[1]) == pytest.approx(1)
    scored = score_subspaces(Structure(found), Structure(truth))
    assert scored.recall == pytest.approx(0.5)
    assert scored.missed == ("relation 0: 0 of 4 directions", "relation 1: 0 of 4 directions")


def test_a_unit_that_ignores_its_mask_is_missed():
    model = selector(WORLDS)

    def leave_open(table):
        table[WORLDS.n_entities + 2, 0] = 0

    scored = score_units(
        find(of(edited(model, "embedding.weight", leave_open)), WORLDS.answers), planted(model)
    )
    assert scored.missed == ("unit 0 of relation 0",)
    assert scored.recall == 15 / 16


def test_a_score_counts_directions_and_angles():
    """By hand: of two planted directions one is found exactly, one at 60 degrees; and a third that
    is not there.
    """
    truth = Structure({0: np.eye(4)[:2]}, frozenset({(0, 0), (1, 0)}))
    tilted = np.array([0, 0.5, np.sqrt(3) / 2, 0])
    found = Structure({0: np.stack([np.eye(4)[0], tilted]), 1: np.eye(4)[3:]}, frozenset({(1, 0)}))
    scored = score(found, truth)
    assert scored["subspaces"].recall == pytest.approx((1 + 0.25) / 2)
    assert scored["subspaces"].precision == pytest.approx((1 + 0.25) / 3)
    assert scored["subspaces"].missed == ("relation 0: 1 of 2 directions",)
    assert scored["subspaces"].wrong == (
        "relation 0: 1 of 2 directions",
        "relation 1: 0 of 1 directions",
    )
    assert (scored["units"].precision, scored["units"].recall) == (1, 0.5)
    assert scored["units"].missed == ("unit 0 of relation 0",)
    nothing = score(Structure({}, frozenset()), truth)
    assert nothing["subspaces"].precision is None
    assert nothing["subspaces"].recall == 0
    assert score(Structure(), truth)["units"] is None


def test_no_change_of_basis_changes_a_score():
    source, q = selector(WORLDS), orthogonal(17, 3).numpy()
    found, truth = Structure(find_subspaces(*measured(source))), planted(source)
    rotated = [
        Structure({r: basis @ q.T for r, basis in one.subspaces.items()}) for one in (found, truth)
    ]
    assert score_subspaces(*rotated).recall == pytest.approx(score_subspaces(found, truth).recall)
    assert score_subspaces(rotated[0], truth).recall < 0.9
    assert basis_of(turned(source)).shape == (17, 17)


def test_a_structure_goes_through_json():
    structure = planted(selector(WORLDS))
    back = from_json(json.loads(json.dumps(as_json(structure))))
    assert back.units == structure.units
    assert score_subspaces(back, structure).recall == pytest.approx(1)
    assert from_json(as_json(Structure())).units is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "a structure has"),
        ({"subspaces": []}, "a structure has"),
        ({"subspaces": [{"relation": 0, "basis": [[2.0, 0]]}], "units": []}, "orthonormal"),
        ({"subspaces": [{"relation": 0, "basis": [float("nan")]}], "units": []}, "orthonormal"),
        (
            {
                "subspaces": [
                    {"relation": 0, "basis": [[1.0, 0]]},
                    {"relation": 1, "basis": [[1.0, 0, 0]]},
                ],
                "units": [],
            },
            "lengths",
        ),
    ],
)
def test_what_is_no_structure_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        from_json(given)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"subspaces": {}}, "a Structure is needed; got {'subspaces': {}}"),
        (Structure((np.eye(4)[:1],)), "subspaces must be a dict by relation"),
        (Structure({"0": np.eye(4)[:1]}), "subspaces must be a dict by relation"),
        (Structure({0: np.eye(4)[:1].tolist()}), "relation 0 must be an array of numpy"),
        (Structure({0: torch.eye(4)[:1]}), "relation 0 must be an array of numpy"),
        (Structure({0: np.array(1.0)}), "relation 0 must be an array of numpy"),
        (Structure({0: np.eye(4)[0]}), "relation 0 must be an array of numpy"),
        (Structure({0: 1j * np.eye(4)[:1]}), "relation 0 must be an array of numpy"),
        (Structure({}, [(0, 0)]), "units must be a frozenset of pairs"),
        (Structure({}, frozenset({0, 1})), "units must be a frozenset of pairs"),
        (Structure({}, frozenset({(0, "1")})), "units must be a frozenset of pairs"),
    ],
)
def test_a_score_says_what_types_it_expects(found, said):
    truth = Structure({0: np.eye(4)[:2]}, frozenset({(0, 0)}))
    for one, other in ((found, truth), (truth, found)):
        with pytest.raises(InputError, match=re.escape(said)):
            score(one, other)
    assert score(truth, truth)["units"].precision == 1


def test_no_share_is_above_one():
    """Of rows that are orthonormal but for rounding: cosines are then above 1 as well."""
    for seed in range(20):
        basis = orthogonal(17, seed).numpy()[:4]
        for rows in (basis, basis * (1 + 1e-5)):
            same = Structure({0: rows})
            scored = score_subspaces(same, same)
            assert (scored.precision, scored.recall) == (pytest.approx(1), pytest.approx(1))
            assert max(scored.precision, scored.recall) <= 1


def test_relations_are_counted_from_the_record():
    assert sorted(planted_subspaces(precomputed(BIJECTIONS, hops=2))) == list(range(R**2))
