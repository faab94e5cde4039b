"""docs/least_selector.py: as few coordinates as Theorem 4.2 allows, and not one less."""

import json
import math

import pytest
import torch
from hand_made import files_of
from hypothesis import given
from hypothesis import strategies as st
from own_files import ROOT
from strategies import bijections, functions

from bounds.dimension import least_dimension
from bounds.sizes import predicted_for_bijections
from constructions import Codebook, DoesNotFit, FactTable, InputError, construction
from verify import check_construction
from verify.checking.check import check_files
from verify.kernel import proof as kernel
from verify.queries.recall import check_recall

MINE = construction(f"{ROOT / 'docs' / 'least_selector.py'}:mine")
BUILDER = MINE.constructor()
several = st.integers(2, 6)


def claimed(facts, bits):
    """n, and the margin M of the proposition."""
    book = Codebook.of(facts)
    largest, r = max(1, min(2**bits, len(book)) - 1), facts.n_relations
    margin = (r - 2) * (4 * largest**2 + 2 * largest - 4) + 2 * largest**2 + 3 * largest - 4
    return math.ceil(book.bits / bits), margin


@given(
    facts=st.one_of(bijections(relations=several), functions(relations=several)),
    bits=st.integers(1, 4),
)
def test_it_has_the_stated_size_and_margin(facts, bits):
    model = BUILDER(facts, bits_per_coordinate=bits, dtype=torch.float64)
    n, margin = claimed(facts, bits)
    assert model.shape.d_model == facts.n_relations * n
    assert model.shape.layers[0].d_mlp == (facts.n_relations * n,)
    assert model.margin.real == margin >= 1
    recall = check_recall(model, facts, logits="full")
    assert (recall.wrong, recall.defect) == (0, None)
    assert recall.margin >= margin


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_the_kernel_proves_it(bits):
    for n, r in ((1, 2), (2, 2), (8, 3), (30, 4)):
        facts = FactTable.random_bijections(n, r, seed=n)
        files = files_of(BUILDER(facts, bits_per_coordinate=bits, dtype=torch.float64))
        proven = kernel.prove(files, json.loads(files["manifest.json"]))
        assert (proven.verdict, proven.queries) == ("PASS", n * r)
        assert check_files(files).verdict == "PASS"


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_no_model_has_fewer_coordinates_where_digits_divide_the_bits(bits):
    for entities, relations in ((256, 2), (2**16, 7), (2**40, 16)):
        given = {"bits_per_coordinate": bits}
        costs = predicted_for_bijections(MINE, entities, relations, 1, given)
        assert costs.d_model == least_dimension(entities, relations, bits)
        assert costs.embedding_fact_bits == bits * costs.d_model


def test_between_powers_of_two_the_bound_is_smaller():
    costs = predicted_for_bijections(MINE, 5, 3)
    assert (costs.d_model, least_dimension(5, 3, 1)) == (9, 7)


def test_the_margin_is_attained():
    """Of entity 1 both relations answer 1: against 3, with 1 in the lowest bits of both blocks."""
    facts = FactTable([[0, 1, 2, 3], [0, 1, 2, 3]])
    assert check_recall(BUILDER(facts), facts, logits="full").margin == 1 == claimed(facts, 1)[1]


@pytest.mark.parametrize(("entities", "relations"), [(1, 2), (2, 3), (5, 2), (37, 4), (64, 2)])
def test_its_sizes_are_as_its_formulas_say(entities, relations):
    for bits in (1, 2, 3):
        result = check_construction(
            MINE, N=entities, R=relations, options={"bits_per_coordinate": bits}
        )
        assert result.verdict == "PASS", str(result)


def test_one_relation_is_refused():
    with pytest.raises(InputError, match="two relations or more"):
        BUILDER(FactTable.random_bijections(5, 1))


def test_a_dtype_that_is_too_narrow_is_refused():
    facts = FactTable.random_bijections(64, 3)
    with pytest.raises(DoesNotFit, match=r"sums reach .* exactly up to"):
        BUILDER(facts, bits_per_coordinate=6)
    with pytest.raises(DoesNotFit, match=r"sums reach .* exactly up to"):
        BUILDER(facts, dtype=torch.bfloat16)


# ------------------------------------------------------------------ controls


def test_less_lowered_blocks_are_noticed(monkeypatch):
    """g = 1 suffices for bits, and not for larger digits."""
    kept = BUILDER.__wrapped__.__globals__["shape_of"]

    def less(answers, base, n_relations):
        n, largest, _, _ = kept(answers, base, n_relations)
        return n, largest, 1, 4 * (n_relations - 1)

    monkeypatch.setitem(BUILDER.__wrapped__.__globals__, "shape_of", less)
    facts = FactTable.random_bijections(64, 3, seed=1)
    for bits, wrong in ((1, False), (2, True), (3, True)):
        model = BUILDER(facts, bits_per_coordinate=bits, dtype=torch.float64)
        assert (check_recall(model, facts, logits="full").wrong > 0) == wrong


def test_units_that_do_not_leave_the_constant_alone_are_noticed():
    facts = FactTable.random_bijections(64, 3, seed=1)
    model = BUILDER(facts)
    with torch.no_grad():
        model.layers[0].mlp.matrix(1)[model.stream["attributes"].columns[1]] *= 0
    assert check_recall(model, facts, logits="full").wrong > 0
