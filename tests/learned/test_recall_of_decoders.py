"""Recall of decoders that know every fact, and of some that do not."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from decoders_to_measure import BIJECTIONS, GEOMETRIC, MEMORIES, PARTIAL, N, R, edited, measured

from constructions import FactTable, chain_of_thought, selector
from constructions.guards.errors import InputError
from verify.learned.adapters import of, of_module, scrambled
from verify.learned.claimed import answers_of, claimed_by
from verify.learned.recall import derangement, recall, right


@pytest.mark.parametrize("name", [*GEOMETRIC, *MEMORIES])
def test_recall_of_a_construction_is_exactly_one(name):
    found = recall(*measured((GEOMETRIC | MEMORIES)[name]()))
    assert found.value == 1
    assert isinstance(found.value, Fraction)
    assert found.null < Fraction(1, 4)
    assert found.control < Fraction(1, 4)


def test_each_lost_fact_is_counted():
    """One token's row of the unembedding is zero: the facts with that answer are lost, and no
    others.
    """
    broken = edited(selector(BIJECTIONS), "unembedding.weight", lambda u: u[7].zero_())
    assert recall(of(broken), answers_of(BIJECTIONS)).value == Fraction(N * R - R, N * R)


def test_what_is_not_a_number_is_no_answer():
    """A row of NaN in the unembedding makes every largest logit NaN, and equals no fact."""
    broken = edited(selector(BIJECTIONS), "unembedding.weight", lambda u: u[7].fill_(torch.nan))
    assert recall(of(broken), answers_of(BIJECTIONS)).value == 0
    lost = edited(selector(BIJECTIONS), "embedding.weight", lambda e: e[7].fill_(torch.nan))
    assert recall(of(lost), answers_of(BIJECTIONS)).value == Fraction(N - 1, N)


def test_what_is_not_asked_is_not_right_where_nothing_is_answered():
    """Both are -1, "none"."""
    answers = np.array([[3, -1, -1]])
    assert right(np.full((1, 3), -1), answers) == (0, 1)
    assert right(answers, answers) == (1, 1)


def test_two_largest_logits_are_no_answer():
    """With an unembedding of zeros all logits tie, and `argmax` would say entity 0."""
    broken = edited(selector(BIJECTIONS), "unembedding.weight", lambda u: u.zero_())
    assert recall(of(broken), answers_of(BIJECTIONS)).value == 0


def test_only_what_is_asked_counts():
    stored = answers_of(PARTIAL)
    assert (stored == -1).any()
    found = recall(of(selector(PARTIAL)), stored)
    assert found.value == 1
    with pytest.raises(InputError, match="answers must be integers"):
        recall(of(selector(PARTIAL)), stored[:2])
    with pytest.raises(InputError, match="the columns of the logits"):
        recall(of(selector(PARTIAL)), stored + 100)


def test_a_decoder_that_does_not_read_the_subject_keeps_its_recall_when_rows_are_exchanged():
    """All subjects have one answer for each relation: recall is 1, and so is the control."""
    constant = FactTable(np.repeat([[5], [9]], 16, axis=1))
    found = recall(*measured(selector(constant)))
    assert found.value == found.control == 1
    assert found.null is None  # shuffled among subjects, the facts are the same


def test_any_module_is_a_decoder_by_a_function_of_tokens():
    """The states and tokens of a construction, given as of a foreign module."""
    model = selector(BIJECTIONS)
    foreign = of_module(
        model,
        lambda module, tokens: module.states(tokens)[0][:, -1],
        table="embedding.weight",
        subjects=np.arange(N),
        prompts=N + np.arange(R)[:, None],
        unembedding=model.unembedding.weight,
    )
    assert recall(foreign, claimed_by(model)) == recall(of(model), claimed_by(model))
    with pytest.raises(InputError, match="nobody has said how the heads"):
        foreign.attention(np.arange(2), np.arange(2))


def test_rows_are_exchanged_without_a_change_of_the_module():
    model = selector(BIJECTIONS)
    before = model.embedding.weight.clone()
    others = of(model).with_rows(of(model).rows()[::-1])
    assert recall(others, answers_of(BIJECTIONS)[:, ::-1]).value == 1
    assert torch.equal(model.embedding.weight, before)
    assert model.margin.real == 2


def test_a_chain_of_thought_is_refused():
    with pytest.raises(InputError, match="chain of thought"):
        of(chain_of_thought(BIJECTIONS, max_hops=2))


def test_a_scrambled_decoder_knows_nothing():
    model = selector(BIJECTIONS)
    assert recall(scrambled(of(model)), claimed_by(model)).value < Fraction(1, 10)
    assert recall(of(model), claimed_by(model)).value == 1


def test_a_derangement_leaves_nothing_in_its_place():
    for n in (2, 3, 17):
        moved = derangement(n, np.random.default_rng(n))
        assert sorted(moved) == list(range(n))
        assert not (moved == np.arange(n)).any()
