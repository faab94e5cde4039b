"""Theorem 4.1: selector, scalar_selector and attention_selector, with their constants."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hand_made import files_of
from hypothesis import given, settings
from hypothesis import strategies as st
from one_hop import sizes_equal_the_formulas
from proofs import assert_proven
from strategies import all_queries, bijections, functions

from constructions import (
    Codebook,
    DoesNotFit,
    FactTable,
    InputError,
    attention_selector,
    scalar_selector,
    selector,
)
from constructions.theorems.theorem_4_1 import attention_margin
from verify.checking.check import check_files
from verify.queries.recall import check_recall


@given(facts=st.one_of(bijections(), functions()))
def test_selector_has_the_stated_size_and_margin_exactly_two(facts):
    model = selector(facts)
    possible = len(np.unique(facts.answers))
    m, n_relations = max(1, int(np.ceil(np.log2(possible)))), facts.n_relations
    assert model.shape.d_model == n_relations * m + 1
    assert model.shape.layers[0].d_mlp == (n_relations * m,)
    assert model.embedding.weight.dtype == torch.float32
    assert check_recall(model, facts, logits="full").margin == 2


@given(facts=st.one_of(bijections(), functions()))
def test_scalar_selector_has_width_R_and_margin_exactly_one(facts):
    model = scalar_selector(facts)
    assert model.shape.d_model == facts.n_relations + 1
    assert model.shape.layers[0].d_mlp == (facts.n_relations,)
    assert check_recall(model, facts, logits="full").margin == 1


@pytest.mark.parametrize("builder", [selector, scalar_selector])
@given(facts=st.one_of(bijections(), functions()))
@settings(max_examples=15)
def test_both_checkers_prove_it_and_the_weights_are_counted_as_the_formulas_say(builder, facts):
    model = builder(facts)
    assert assert_proven(model).exact == "float32"
    sizes_equal_the_formulas(model.construction, model, facts)


@given(facts=st.one_of(bijections(), functions()))
def test_attention_selector_has_no_mlp_and_heads_of_query_width_one(facts):
    model = attention_selector(facts)
    m = Codebook.of(facts).bits
    assert model.shape.d_model == facts.n_relations * m + m + facts.n_relations + 1
    assert model.layers[0].mlp is None
    assert [(h.d_qk, h.d_v) for h in model.shape.layers[0].heads] == [(1, m)] * facts.n_relations


def test_selector_stacks_the_codes_of_a_subject_and_the_relation_closes_all_blocks_but_one():
    facts = FactTable([[2, 0, 1], [1, 1, 0]])
    model = selector(facts)
    trace = model.trace(torch.tensor([[0, 3 + 1]]))  # subject 0, relation 1
    bits = {0: [0, 0], 1: [1, 0], 2: [0, 1]}
    embedded = model.slot_state(trace.residual["embedding"], "attributes")[0, 0]
    assert embedded.tolist() == [bits[2], bits[1]]
    gathered = model.slot_state(trace.residual["layers.0.mid"], "attributes")[0, 1]
    assert gathered.tolist() == [[bit - 2 for bit in bits[2]], bits[1]]
    selected = model.slot_state(trace.residual["layers.0.post"], "attributes")[0, 1]
    assert selected.tolist() == [[0, 0], bits[1]]
    assert model.slot_state(trace.residual["layers.0.post"], "one")[0, 1] == 1
    assert trace.patterns["layers.0"][0, 0, 1].tolist() == [0.5, 0.5]
    (layer,) = model.record.layers
    assert [head.name for head in layer.heads] == ["read the subject"]
    assert [group.name for group in layer.units] == ["close"]


@given(facts=st.one_of(bijections(), functions()))
def test_closed_blocks_lie_as_far_below_zero_as_the_lemma_says(facts):
    """Between -2 a and -a, and the asked block is what the entity holds there."""
    for model, largest in (
        (selector(facts), 1),
        (scalar_selector(facts), max(len(Codebook.of(facts)) - 1, 1)),
    ):
        subjects, paths = all_queries(facts)
        tokens = np.stack([subjects, facts.n_entities + paths[:, 0]], axis=1)
        trace = model.trace(torch.from_numpy(tokens))
        embedded = model.slot_state(trace.residual["embedding"], "attributes")[:, 0]
        gathered = model.slot_state(trace.residual["layers.0.mid"], "attributes")[:, 1]
        asked = np.arange(facts.n_relations) == paths
        assert torch.equal(gathered[asked], embedded[asked])
        assert torch.equal(gathered[~asked], embedded[~asked] - 2 * largest)
        assert (gathered[~asked] <= -largest).all()


def closed_by(largest=None, own=0, left_open=()):
    """A wrong lemma: relations close by another number, close their own block too, or leave a
    block open.
    """

    def close(draft, blocks, a):
        number = a if largest is None else largest
        low = (np.eye(len(blocks.columns), dtype=np.int64) - 1) * number
        low -= own * np.eye(len(low), dtype=np.int64)
        for relation, block in left_open:
            low[relation, block] = 0
        draft.relations(blocks, low.repeat(blocks.size // len(low), axis=1))

    return close


@pytest.mark.parametrize(
    ("builder", "file", "wrong"),
    [
        (selector, "theorem_4_1", closed_by(largest=0)),
        (selector, "theorem_4_1", closed_by(own=1)),
        (selector, "theorem_4_1", closed_by(left_open=[(2, 0)])),
        (scalar_selector, "lemmas.digit_blocks", closed_by(largest=1)),
        (scalar_selector, "lemmas.digit_blocks", closed_by(largest=4)),
        (scalar_selector, "lemmas.digit_blocks", closed_by(own=1)),
        (scalar_selector, "lemmas.digit_blocks", closed_by(left_open=[(0, 1)])),
    ],
)
def test_blocks_that_are_not_closed_are_found_by_the_pass_and_by_both_checkers(
    builder, file, wrong, monkeypatch
):
    """The controls. Of ten answers the largest number is 9, so that -5 would close, and -4 not."""
    closing = f"constructions.theorems.{file}.close_other_blocks"
    monkeypatch.setattr(closing, wrong)
    facts = FactTable.random_bijections(10, 3, seed=0)
    model = builder(facts)
    assert check_recall(model, facts, logits="full").wrong > 0
    for checker in ("kernel", "symbolic"):
        assert check_files(files_of(model), checker).verdict in ("FAIL", "UNKNOWN"), checker
    assert check_files(files_of(model), "kernel").verdict == "FAIL"
    monkeypatch.setattr(closing, closed_by(largest=5))
    assert_proven(builder(facts))


@pytest.mark.parametrize("builder", [selector, scalar_selector])
def test_attention_that_copies_the_blocks_once_is_found(builder):
    """The control of the factor 2: without it, half a code is left."""
    facts = FactTable.random_bijections(10, 3, seed=0)
    model = builder(facts)
    with torch.no_grad():
        model.layers[0].attention.value.weight /= 2
    recall = check_recall(model, facts, logits="full")
    assert recall.wrong > 0 or recall.margin < 1
    assert check_files(files_of(model), "kernel").verdict != "PASS"


@pytest.mark.parametrize("builder", [selector, scalar_selector])
def test_no_internal_weight_depends_on_the_facts(builder):
    one, other = (builder(FactTable.random_bijections(20, 3, seed)) for seed in (0, 1))
    for (name, left), (_, right) in zip(
        one.internal_weights(), other.internal_weights(), strict=True
    ):
        assert torch.equal(left, right), name
    assert torch.equal(one.unembedding.weight, other.unembedding.weight)
    assert not torch.equal(one.embedding.weight, other.embedding.weight)


def test_codes_name_answers_not_entities():
    """1,000 entities that answer with 5 of them need 3-bit codes."""
    facts = FactTable(np.random.default_rng(0).integers(0, 5, (4, 1000)))
    assert selector(facts).shape.d_model == 4 * 3 + 1


# ------------------------------------------------------------------ exactness


@pytest.mark.parametrize(
    ("dtype", "largest"),
    [
        (torch.float16, 27),
        (torch.bfloat16, 10),
        (torch.float32, 2365),
        (torch.float64, 54_794_159),
    ],
)
def test_scalar_selector_takes_just_what_its_dtype_holds(dtype, largest):
    """3 (N' - 1)^2 <= 2 / eps, on both sides of the limit (the largest N' itself is built where it
    fits a test).
    """
    exact = 2 / torch.finfo(dtype).eps
    assert 3 * (largest - 1) ** 2 <= exact < 3 * largest**2
    if dtype == torch.float64:
        return
    facts = FactTable.random_bijections(largest, 1)
    assert check_recall(scalar_selector(facts, dtype=dtype), facts, logits="both").margin == 1
    with pytest.raises(DoesNotFit, match=r"sums reach .* exactly up to .*use a wider dtype"):
        scalar_selector(FactTable.random_bijections(largest + 1, 1), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_selector_is_exact_in_half_precision(dtype):
    facts = FactTable.random_bijections(300, 5)
    recall = check_recall(selector(facts, dtype=dtype), facts, logits="both")
    assert (recall.wrong, recall.margin, recall.defect) == (0, 2, None)


def test_attention_selector_refuses_a_dtype_whose_rounding_exceeds_the_margin():
    with pytest.raises(DoesNotFit, match=r"may be off by .*wider dtype"):
        attention_selector(FactTable.random_bijections(300, 5), dtype=torch.bfloat16)


def test_more_than_the_memory_is_refused_beforehand_with_the_number_of_bytes(monkeypatch):
    facts = FactTable.random_bijections(100, 2)
    monkeypatch.setattr("constructions.guards.memory.memory_limit", lambda: 10_000)
    parameters = 2 * 103 * 15 + 4 * 14 * 15
    with pytest.raises(
        DoesNotFit,
        match=rf"\({parameters:,} parameters.* need {4 * parameters:,} bytes, .* has 10,000",
    ):
        selector(facts)


# ------------------------------------------------------------------ the margin in real arithmetic


@given(n_relations=st.integers(1, 200), beta=st.integers(1, 40))
def test_attention_margin_is_a_tight_rational_lower_bound(n_relations, beta):
    with mpmath.workdps(60):
        power = mpmath.exp(beta)
        exact = 2 * (power - (n_relations - 1)) / (power + 1)
        if exact <= 1e-12:
            return
        bound = attention_margin(n_relations, beta)
        assert isinstance(bound, Fraction)
        below = exact - mpmath.mpf(bound.numerator) / bound.denominator
        assert 0 <= below < 1e-12 * n_relations


@pytest.mark.parametrize(("n_relations", "beta"), [(3, 1), (4, 2), (21, 4)])
def test_attention_margin_is_attained_by_the_worst_facts(n_relations, beta):
    """All other relations answer with the code that differs in one bit: the bound is reached."""
    answers = np.zeros((n_relations, 2), dtype=int)
    answers[1:] = 1
    facts = FactTable(answers)
    model = attention_selector(facts, beta=beta, dtype=torch.float64)
    measured = check_recall(model, facts, logits="full").margin
    assert measured == pytest.approx(float(model.margin.real), abs=1e-12)


@given(facts=st.one_of(bijections(), functions()))
def test_attention_selector_keeps_its_margin_in_float64(facts):
    model = attention_selector(facts, dtype=torch.float64)
    assert model.margin.real >= 1
    assert check_recall(model, facts, logits="full").margin > float(model.margin.real) - 1e-9


def test_a_beta_below_the_condition_is_refused_and_would_be_wrong(monkeypatch):
    answers = np.zeros((8, 2), dtype=int)
    answers[1:] = 1
    facts = FactTable(answers)
    with pytest.raises(InputError, match=r"e\^beta > R - 1 is needed; beta = 3"):
        attention_selector(facts, beta=1)  # e < 7
    monkeypatch.setattr(
        "constructions.theorems.theorem_4_1.attention_margin",
        lambda n_relations, beta: Fraction(1),
    )
    assert check_recall(attention_selector(facts, beta=1), facts, logits="full").wrong > 0


@pytest.mark.parametrize("beta", [0, -1, 1.5])
def test_beta_is_a_positive_integer(beta):
    with pytest.raises(InputError, match="beta must be an integer"):
        attention_selector(FactTable([[0]]), beta=beta)


@pytest.mark.parametrize(
    ("beta", "dtype"),
    [
        (65_505, torch.float16),
        (2**63, torch.float32),
        (10**400, torch.float64),
    ],
)
def test_a_beta_that_the_dtype_does_not_hold_is_refused(beta, dtype):
    """In float16 the query weights were infinite: no answer was right, and the margin was stated
    as 1.67.
    """
    with pytest.raises(DoesNotFit, match=r"attention_selector: beta is .*weights in torch"):
        attention_selector(FactTable.random_bijections(6, 2, seed=3), beta=beta, dtype=dtype)


@pytest.mark.parametrize("beta", [2**16, 2**30, 2**62])
def test_a_large_beta_is_built_at_once_and_right(beta):
    """It is an option of saved models too: the power was computed with all its digits, and took
    hours.
    """
    facts = FactTable.random_bijections(6, 2, seed=3)
    model = attention_selector(facts, beta=beta)
    assert 1 < model.margin.in_dtype < model.margin.real < 2
    assert check_recall(model, facts, logits="full").wrong == 0


def test_a_conversion_that_does_not_hold_beta_has_no_margin():
    model = attention_selector(FactTable.random_bijections(6, 2, seed=3), beta=70_000)
    assert model.margin.real > 1
    with pytest.raises(DoesNotFit, match=r"nothing is proven of these weights in torch\.float16"):
        _ = model.half().margin


# ------------------------------------------------------------------ installing facts with other
# answers


def test_a_larger_codebook_reserves_codes():
    facts, other = FactTable([[0, 0, 0, 0]]), FactTable([[3, -1, 2, 1]])
    model = selector(facts, codebook=Codebook.of(facts, other))
    model.install(other)
    assert model.answer(np.arange(4), [0]).tolist() == [3, -1, 2, 1]


def test_an_answer_without_a_code_is_refused():
    with pytest.raises(InputError, match="token 1 is an answer of this table but has no code"):
        selector(FactTable([[0, 1]]), codebook=Codebook.of(FactTable([[0, 0]])))
