"""Every query is decided, by two decisions that agree; each catches each fault."""

import numpy as np
import pytest
import torch
from damaged_models import (
    SINGLE_HOP,
    flip_one_code_bit,
    infinite_logit,
    model_of,
    nan_in_an_unread_logit,
    nan_in_embedding,
    swap_two_answers,
    tie,
    wrong_relation,
)
from hypothesis import given
from hypothesis import strategies as st
from strategies import construction_and_facts, seeds

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    selector,
)
from verify.queries import deciding
from verify.queries.readout import MarginReader
from verify.queries.recall import check_recall


@given(case=construction_and_facts(), rows=st.integers(1, 40))
def test_fast_and_full_find_the_same(case, rows):
    name, facts = case
    model = CATALOGUE[name].constructor()(facts)
    fast, full, both = (
        check_recall(model, facts, logits=mode, batch_rows=rows)
        for mode in ("fast", "full", "both")
    )
    for recall in (fast, full, both):
        assert (recall.queries, recall.wrong, recall.defect) == (facts.answers.size, 0, None)
    if not model.margin.rounds and name != "superposition":
        assert fast.margin == full.margin == both.margin
    else:
        assert 0 < fast.margin <= full.margin


@given(name=st.sampled_from(SINGLE_HOP), seed=seeds, scale=st.sampled_from([1.0, 4.0, 16.0]))
def test_fast_agrees_with_full_on_damaged_states(name, seed, scale):
    """Random damage to the embedding, large and small: whatever full logits call wrong, fast calls
    wrong.
    """
    model, facts = model_of(name)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(model.embedding.weight.shape, generator=generator)
    chosen = torch.rand(model.embedding.weight.shape, generator=generator) < 0.05
    with torch.no_grad():
        model.embedding.weight += scale * noise * chosen
    fast, full = (check_recall(model, facts, logits=mode) for mode in ("fast", "full"))
    assert fast.wrong == full.wrong
    assert fast.margin <= full.margin + 1e-3
    assert check_recall(model, facts, logits="both").defect is None


def test_damage_of_that_kind_does_make_answers_wrong():
    model, facts = model_of("selector")
    with torch.no_grad():
        model.embedding.weight[3, :7] += 4
    assert (
        check_recall(model, facts, logits="fast").wrong
        == check_recall(model, facts, logits="full").wrong
        > 0
    )


FAULTS = [
    flip_one_code_bit,
    swap_two_answers,
    nan_in_embedding,
    nan_in_an_unread_logit,
    infinite_logit,
    wrong_relation,
    tie,
]


@pytest.mark.parametrize("mode", ["fast", "full", "both", "auto"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SINGLE_HOP)
def test_each_decision_catches_each_planted_fault(name, fault, mode):
    model, facts = model_of(name)
    sound = check_recall(model, facts, logits=mode)
    assert (sound.wrong, sound.defect) == (0, None)
    with torch.no_grad():
        fault(model)
    recall = check_recall(model, facts, logits=mode)
    assert recall.wrong > 0 or recall.defect is not None


def test_counterexamples_are_named():
    facts = FactTable.from_triples(
        [("Ann", "mother", "Beth"), ("Beth", "mother", "Carla"), ("Carla", "mother", "Ann")]
    )
    model = selector(facts)
    with torch.no_grad():
        swap_two_answers(model)
    recall = check_recall(model, facts, logits="full")
    assert "Carla mother: expected Ann, the model says Beth" in recall.counterexamples
    assert "Ann mother: expected Beth, the model says Ann" in recall.counterexamples


def test_a_tie_is_wrong_and_reported():
    model, facts = model_of("selector")
    with torch.no_grad():
        tie(model)
    recall = check_recall(model, facts, logits="full")
    assert recall.margin == 0
    assert recall.wrong == 2 * facts.n_relations
    assert any("another token has the same logit" in text for text in recall.counterexamples)


def test_a_wrong_oracle_is_noticed():
    model, facts = model_of("selector")
    other = facts.answers.copy()
    other[2, [3, 4]] = other[2, [4, 3]]
    assert check_recall(model, FactTable(other)).wrong == 2


def test_facts_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"model has \(37, 5\).*facts \(38, 5\)"):
        check_recall(model_of("selector")[0], FactTable.random_bijections(38, 5))


@pytest.mark.parametrize("name", SINGLE_HOP)
def test_the_streamed_forward_pass_is_the_plain_one(name):
    """The states that are decided on equal those of a plain forward pass of every
    whole sequence.
    """
    model, facts = model_of(name)
    seen = []

    class Spy(MarginReader):
        def margins(self, states, answers):
            seen.append(states.clone())
            return super().margins(states, answers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("verify.queries.deciding.MarginReader", Spy)
        check_recall(model, facts, logits="fast", batch_rows=50)
    subjects, paths = model.queries(np.arange(model.n_queries(1)), 1)
    with torch.no_grad():
        plain = model.states(model.prompt(subjects, paths))[0][:, -1]
    torch.testing.assert_close(torch.cat(seen), plain, rtol=1e-6, atol=1e-6)
    if not model.margin.rounds:
        assert torch.equal(torch.cat(seen), plain)


def test_progress_reaches_the_number_of_queries():
    model, facts = model_of("selector")
    done = []
    check_recall(model, facts, batch_rows=20, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 37 * 5


def test_memory_cap_bounds_the_batch(monkeypatch):
    model, facts = model_of("selector")
    largest = []
    decide = deciding.full_margins

    def spy(model, states, answers, rows):
        largest.append(len(states))
        return decide(model, states, answers, rows)

    monkeypatch.setattr(deciding, "full_margins", spy)
    check_recall(model, facts, logits="full", memory_cap=100_000)
    assert max(largest) * model.shape.d_model * 4 < 100_000
    assert sum(largest) == 37 * 5


def overflowing(model):
    model.embedding.weight[:37] *= 2.5e38


def with_bias(model):
    model.unembedding.bias = torch.nn.Parameter(torch.zeros(len(model.vocabulary)))
    model.unembedding.bias[0] = 100


def with_hook_on_the_unembedding(model):
    model.unembedding.register_forward_hook(lambda module, x, y: -y)


def with_hook_on_the_model(model):
    model.register_forward_hook(lambda module, x, y: -y)


def with_another_unembedding(model):
    weight = model.unembedding.weight
    model.unembedding = torch.nn.Sequential(model.unembedding, torch.nn.Tanh())
    model.unembedding.weight = weight


@pytest.mark.parametrize("mode", ["fast", "full", "both"])
@pytest.mark.parametrize(
    "fault",
    [
        overflowing,
        with_bias,
        with_hook_on_the_unembedding,
        with_hook_on_the_model,
        with_another_unembedding,
    ],
)
@pytest.mark.parametrize("name", ["selector", "attention_selector"])
def test_what_stands_beside_the_weights_is_noticed(name, fault, mode):
    model, facts = model_of(name)
    with torch.no_grad():
        fault(model)
    recall = check_recall(model, facts, logits=mode)
    assert recall.verdict != "PASS"
    assert recall.wrong > 0 or recall.unknown > 0 or recall.reason is not None


def test_a_disagreement_of_the_two_decisions_is_a_defect(monkeypatch):
    model, facts = model_of("selector")
    with torch.no_grad():
        flip_one_code_bit(model)
    monkeypatch.setattr(
        MarginReader, "margins", lambda self, states, answers: torch.ones(len(answers)).double()
    )
    # the planted reader believes everything
    assert check_recall(model, facts, logits="fast").wrong == 0
    assert "differ" in check_recall(model, facts, logits="both").defect


def test_a_nan_margin_is_not_forgotten():
    model, facts = model_of("selector")
    with torch.no_grad():
        model.embedding.weight[5, 0] = torch.nan
    margin = check_recall(model, facts, logits="full", batch_rows=1).margin
    assert margin != margin


def test_a_recall_of_nothing_is_refused():
    model, facts = model_of("selector")
    with pytest.raises(InputError, match="says nothing"):
        check_recall(model, facts, subjects=np.array([], dtype=int))
    assert check_recall(model, facts, subjects=np.array([3, 5])).queries == 10
