"""Proofs that decoders answer right: trained ones, built ones, and wrong ones."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from small_trained import FACTS, Exact, copied, drawn, trained

from constructions import (
    FactTable,
    InputError,
    OneLayerShape,
    StandardDecoder,
    StandardShape,
    chain_of_thought,
    fit,
    key_value,
    seed_into,
    selector,
    standard,
)
from verify.learned import proven
from verify.learned.proven import prove_recall


def with_answer(facts, relation, subject, answer):
    """The table with another answer in one place."""
    answers = facts.answers.copy()
    answers[relation, subject] = answer
    return FactTable(answers)


def test_every_fact_of_a_trained_model_is_proven():
    counted = []
    proof = prove_recall(trained(), FACTS, progress=counted.append)
    assert proof.verdict == "PASS"
    assert proof.dtype == "float32"
    for claim in (proof.real, proof.in_dtype):
        assert (claim.proven, claim.refuted, claim.undecided) == (256, 0, 0)
        assert "PASS: all 256 queries" in claim.in_words()
    assert 0 < proof.in_dtype.margin <= proof.real.margin
    assert counted[-1] == 512


def test_the_margin_is_the_least_one():
    model, exact = trained(), Exact(trained())
    leads = []
    for subject in range(0, 64, 7):
        for relation in range(4):
            logits = exact.logits(subject, relation)
            own = logits.pop(FACTS.answers[relation, subject])
            leads.append(own - max(logits))
    assert Fraction(prove_recall(model, FACTS).real.margin) <= min(leads)


@pytest.mark.parametrize(("relation", "subject"), [(0, 0), (2, 31), (3, 63)])
def test_one_wrong_fact_is_refused_with_its_query(relation, subject):
    right = int(FACTS.answers[relation, subject])
    facts = with_answer(FACTS, relation, subject, (right + 1) % 64)
    proof = prove_recall(trained(), facts)
    for claim in (proof.real, proof.in_dtype):
        assert claim.verdict == "FAIL"
        assert (claim.proven, claim.refuted) == (255, 1)
        wrong = claim.first_wrong
        assert (wrong.subject, wrong.path, wrong.wins) == (subject, (relation,), right)
        assert wrong.own[1] < wrong.other[0]
        assert f"e{subject} r{relation}: e{right} is not below" in claim.in_words()


def flipped(model, name, place, bit=30):
    """A copy with one bit of one weight flipped: 30 is the highest of the exponent."""
    other = copied(model)
    with torch.no_grad():
        bits = dict(other.named_parameters())[name].view(torch.int32).view(-1)
        bits[place] ^= 1 << bit
    return other


@pytest.mark.parametrize("name", ["entities", "relations", "answers", "weights.0", "biases.1"])
def test_a_flipped_weight_is_refused(name):
    other = flipped(trained(), name, 3)
    assert bool(dict(other.named_parameters())[name].isfinite().all())
    assert prove_recall(other, FACTS).verdict == "FAIL"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["entities", "answers", "weights.1", "biases.0"])
def test_numbers_that_are_not_finite_are_never_proven(name, bad):
    other = copied(trained())
    with torch.no_grad():
        dict(other.named_parameters())[name].view(-1)[-1] = bad
    proof = prove_recall(other, FACTS)
    for claim in (proof.real, proof.in_dtype):
        assert claim.verdict == "UNKNOWN"
        assert claim.proven == 0
        assert f"{name} holds a number that is not finite" in claim.in_words()


def test_what_is_not_asked_does_not_count():
    answers = FACTS.answers.copy()
    answers[:, 32:] = -1
    assert prove_recall(trained(), FactTable(answers)).real.queries == 128
    nothing = prove_recall(trained(), FactTable(np.full((4, 64), -1)))
    assert nothing.verdict == "UNKNOWN"
    assert nothing.real.undecided == 1
    assert nothing.real.in_words() == "UNKNOWN: no query is claimed"


def test_a_table_of_other_sizes_is_refused():
    with pytest.raises(InputError, match="the table has 63 entities"):
        prove_recall(trained(), FactTable.random_bijections(63, 4))


def test_queries_that_a_decoder_cannot_read_are_refused():
    small = StandardDecoder(StandardShape(9, 8, 1, 1, 8, 8, 2))
    with pytest.raises(InputError, match="10 tokens and 2 positions are needed"):
        prove_recall(small, FactTable.random_bijections(8, 2))
    with pytest.raises(InputError, match="9 tokens and 3 positions are needed"):
        prove_recall(small, FactTable.random_bijections(7, 2), hops=2)
    with pytest.raises(InputError, match="a one-layer model answers one hop"):
        prove_recall(trained(), FACTS, hops=2)
    with pytest.raises(InputError, match="hops"):
        prove_recall(small, FactTable.random_bijections(7, 2), hops=0)


def test_an_answer_without_a_logit_is_refused():
    shape = OneLayerShape(5, 2, 3, 4, 4)
    with pytest.raises(InputError, match="entity 4 is an answer"):
        prove_recall(drawn(shape, 0), FactTable.random_bijections(5, 2))


def test_a_module_that_is_not_its_weights_is_refused():
    other = copied(trained())
    other.register_forward_hook(lambda module, tokens, logits: -logits)
    with pytest.raises(InputError, match="a forward hook"):
        prove_recall(other, FACTS)
    with pytest.raises(InputError), torch.autocast("cpu"):
        prove_recall(trained(), FACTS)


# -------------------------------------------------------------------- near ties


def truly_right(model, facts):
    """How many facts the exact logits decide right, strictly."""
    exact, right = Exact(model), 0
    for relation, subject in np.argwhere(facts.answers >= 0):
        logits = exact.logits(subject, relation)
        own = logits.pop(facts.answers[relation, subject])
        right += own > max(logits)
    return right


@pytest.mark.parametrize("seed", range(8))
def test_ties_of_small_integers_are_decided_exactly(seed):
    """Weights in -1..1: of many queries several logits are largest together."""
    facts = FactTable.random_functions(6, 3, seed)
    model = drawn(OneLayerShape(6, 3, 6, 2, 3, n_hidden_layers=1 + seed % 3), seed, grid=1)
    proof = prove_recall(model, facts)
    assert proof.real.proven == truly_right(model, facts)
    assert proof.real.proven + proof.real.refuted == 18
    assert proof.in_dtype.proven <= proof.real.proven


def best_answers(model):
    """The table that the model's exact logits answer, and how near the nearest other is."""
    n, r = model.shape.n_entities, model.shape.n_relations
    exact = Exact(model)
    logits = [[exact.logits(s, p) for s in range(n)] for p in range(r)]
    answers = [[max(range(n), key=row.__getitem__) for row in rows] for rows in logits]
    return FactTable(answers)


@pytest.mark.parametrize("seed", range(6))
def test_logits_that_differ_in_the_last_bit_are_decided(seed):
    """Answer 1 is answer 0, but for one bit of one entry: real arithmetic tells them apart."""
    model = drawn(OneLayerShape(5, 2, 5, 4, 8), seed, torch.float64)
    with torch.no_grad():
        model.answers[1] = model.answers[0]
        model.answers[1, 2] = np.nextafter(model.answers[0, 2].item(), np.inf)
    proof = prove_recall(model, best_answers(model))
    assert proof.real.verdict == "PASS"
    assert (proof.real.exactly > 0) == (proof.in_dtype.proven < 10)


def test_a_module_that_is_right_by_a_last_bit_is_not_refuted():
    """Logits 1 and 1 + 2^-52, computed without rounding."""
    model = drawn(OneLayerShape(2, 1, 2, 1, 1), 0, torch.float64, grid=0)
    with torch.no_grad():
        model.entities.fill_(1)
        model.answers[:, 0] = torch.tensor([1 + 2.0**-52, 1.0], dtype=torch.float64)
    proof = prove_recall(model, FactTable(np.array([[0, 0]])))
    assert proof.real.verdict == "PASS"
    assert proof.in_dtype.verdict == "UNKNOWN"
    swapped = prove_recall(model, FactTable(np.array([[1, 1]])))
    assert swapped.real.verdict == swapped.in_dtype.verdict == "FAIL"
    assert "as the module computes it" in swapped.in_dtype.in_words()


def test_two_equal_logits_are_wrong():
    model = copied(trained())
    answer = int(FACTS.answers[0, 0])
    with torch.no_grad():
        model.answers[(answer + 1) % 64] = model.answers[answer]
    proof = prove_recall(model, FACTS)
    for claim in (proof.real, proof.in_dtype):
        assert claim.verdict == "FAIL"
        assert claim.refuted == 8  # those of which one or the other is the answer


def test_what_may_overflow_is_proven_in_real_arithmetic_alone():
    """Logits near 2^126: their bounds leave float32, and nothing is known there."""
    model = copied(trained())
    with torch.no_grad():
        model.answers.mul_(2.0**122)
    proof = prove_recall(model, FACTS)
    assert proof.real.verdict == "PASS"
    assert proof.in_dtype.verdict != "PASS"
    assert proof.in_dtype.undecided > 0


def test_what_intervals_do_not_decide_is_unknown(monkeypatch):
    """Two answers that a sum tells apart by less than float64 rounds, without exact numbers."""
    model = drawn(OneLayerShape(5, 2, 5, 4, 8), 1, torch.float64)
    with torch.no_grad():
        model.answers.mul_(0.01)
        model.answers[0] = torch.tensor([1.0, 1.0, 1.0, 1.0])
        model.answers[1] = model.answers[0]
        model.answers[1, 2] = 1 + 2.0**-52
    facts = best_answers(model)
    assert prove_recall(model, facts).real.verdict == "PASS"
    monkeypatch.setattr(proven, "MOST_EXACT", 0)
    claim = prove_recall(model, facts).real
    assert claim.verdict == "UNKNOWN"
    assert "are undecided" in claim.in_words()
    assert 0 < claim.undecided <= 1


# -------------------------------------------------------------------- other decoders


@pytest.mark.parametrize("build", [selector, key_value, chain_of_thought])
def test_constructions_are_proven_and_edits_that_matter_refused(build):
    facts = FactTable.random_bijections(7, 2, seed=1)
    options = (
        {} if build is selector else {"max_hops": 2} if build is chain_of_thought else {"hops": 2}
    )
    model = build(facts, **options)
    proof = prove_recall(model, facts)
    assert proof.verdict == "PASS", proof.in_words()
    assert proof.real.queries == model.n_all_queries()
    with torch.no_grad():
        rows = model.embedding.weight
        rows[[0, 1]] = rows[[1, 0]]
    assert prove_recall(model, facts).verdict == "FAIL"


@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
def test_a_seeded_decoder_is_proven(norm):
    facts = FactTable.random_bijections(6, 2, seed=2)
    model = standard(selector(facts), norm=norm)
    proof = prove_recall(model, facts)
    assert proof.real.verdict == "PASS", proof.in_words()
    assert proof.real.queries == 12


@pytest.mark.parametrize(("norm", "hops"), [(None, 1), ("rmsnorm", 1), ("layernorm", 2)])
def test_a_trained_decoder_is_proven(norm, hops, monkeypatch):
    """Of two blocks boxes decide little in float32; slopes decide the rest."""
    facts = FactTable.random_bijections(8, 2, seed=3)
    shape = StandardShape(8 + 2 + 1, 16, hops, 2, 8, 32, hops + 1, norm)
    found = fit(shape, facts.dataset(hops), 250, 0, until=None, initial_scale=0.2)
    assert found.recall.tolist() == [1.0]
    model = found.models[0]
    assert isinstance(model, StandardDecoder)
    proof = prove_recall(model, facts, hops=hops)
    assert proof.verdict == "PASS", proof.in_words()
    assert proof.real.queries == 8 * 2**hops
    wrong = with_answer(facts, 1, 3, (int(facts.answers[1, 3]) + 1) % 8)
    assert prove_recall(model, wrong, hops=hops).real.verdict == "FAIL"
    if hops == 2:
        nothing = lambda follower, tokens, *others: torch.full((len(tokens),), torch.nan)  # noqa: E731
        monkeypatch.setattr(proven, "leads_by_slopes", nothing)
        assert prove_recall(model, facts, hops=hops).in_dtype.undecided > 0.5


def test_a_construction_in_a_trained_decoder_is_asked_what_it_claims():
    facts = FactTable.random_functions(6, 2, seed=4, missing=0.3)
    model = seed_into(StandardDecoder(StandardShape(9, 40, 1, 2, 20, 40, 2)), selector(facts))
    assert prove_recall(model, facts).real.queries == 12
