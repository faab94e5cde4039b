"""Theorem F.1: superposition."""

import numpy as np
import pytest
import torch
from hypothesis import given
from strategies import disjoint

from constructions import Codebook, FactTable, InputError, superposition
from verify.queries.recall import check_recall


@given(facts=disjoint())
def test_superposition_has_no_mlp_no_query_no_key_and_the_stated_dimension(facts):
    model = superposition(facts)
    bits = [max(1, int(np.ceil(np.log2(len(np.unique(answers)))))) for answers in facts.answers]
    assert model.shape.d_model == sum(bits) + facts.n_relations
    assert model.shape.d_mlp == 0
    assert model.layers[0].mlp is None
    assert model.layers[0].attention.query.weight.numel() == 0
    assert model.layers[0].attention.key.weight.numel() == 0


@given(facts=disjoint())
def test_superposition_keeps_a_margin_of_two(facts):
    recall = check_recall(superposition(facts), facts, logits="both")
    assert recall.margin >= 2
    assert (recall.wrong, recall.defect) == (0, None)


def test_the_setting_of_the_paper_subjects_apart_from_attributes():
    """50 subjects, 3 relations with 8, 3 and 1 attributes that are never subjects: d = (4 + 2 + 1)
    + 3.

    One more code in each set stands for *unknown*, since attributes have no facts.
    """
    rng = np.random.default_rng(0)
    answers = np.full((3, 62), -1)
    for r, (start, size) in enumerate([(50, 8), (58, 3), (61, 1)]):
        answers[r, :50] = start + rng.integers(0, size, 50)
        answers[r, :size] = start + np.arange(size)
    facts = FactTable(answers)
    model = superposition(facts)
    assert model.shape.d_model == 4 + 2 + 1 + 3
    recall = check_recall(model, facts, logits="both")
    assert (recall.queries, recall.wrong, recall.margin, recall.defect) == (62 * 3, 0, 2, None)


def test_equal_sizes_give_R_m_plus_R():
    answers = np.array([[0, 1, 2, 3] * 4, [4, 5, 6, 7] * 4, [8, 9, 10, 11] * 4])
    model = superposition(FactTable(answers))
    assert model.shape.d_model == 3 * 2 + 3


def test_the_embedding_of_a_subject_is_the_superposition_of_its_attributes():
    """Each attribute contributes one fixed vector; the subject's embedding is their
    sum, exactly.
    """
    facts = FactTable.random_disjoint(40, 3, seed=1)
    model = superposition(facts)
    subjects = model.embedding.weight[:40].detach()
    indicator = torch.zeros(40, 3 * 40)
    for r in range(3):
        indicator[torch.arange(40), r * 40 + torch.from_numpy(facts.answers[r].copy())] = 1
    solution = torch.linalg.lstsq(indicator.double(), subjects.double(), driver="gelsd").solution
    torch.testing.assert_close(indicator.double() @ solution, subjects.double())


def test_a_bonus_that_is_too_small_lets_another_set_win():
    facts = FactTable.random_disjoint(40, 3, seed=1)
    model = superposition(facts)
    with torch.no_grad():
        columns = torch.from_numpy(model.stream["relation"].columns)
        model.unembedding.weight[:40, columns] /= 100
    assert check_recall(model, facts, logits="full").wrong > 0


def test_shared_answers_are_refused_with_two_offending_facts():
    with pytest.raises(InputError, match=r"e0 r0 -> e1 and e0 r1 -> e1; use selector"):
        superposition(FactTable([[1, 0], [1, -1]]))


def test_codebooks_that_overlap_or_are_too_few_are_refused():
    facts, other = FactTable([[0] * 4, [1] * 4]), FactTable([[1] * 4, [0] * 4])
    books = [Codebook.of(facts, other, relation=r) for r in range(2)]
    with pytest.raises(InputError, match="disjoint; two of them name entity 0"):
        superposition(facts, codebooks=books)
    with pytest.raises(InputError, match="2 codebooks are needed"):
        superposition(facts, codebooks=books[:1])
    with pytest.raises(InputError, match="same sizes"):
        Codebook.of(facts, FactTable([[0]]))
