"""The verifier itself: both decisions, their agreement, and that neither can be fooled by a
planted fault.
"""

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import construction_and_facts, seeds

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    scalar_selector,
    selector,
    superposition,
)
from constructions.model.readout import BankField, NumberField, Readout, SignField
from verify.queries import deciding
from verify.queries.readout import MarginReader
from verify.queries.readout_declared import check_readout
from verify.queries.recall import check_recall

SINGLE_HOP = [name for name, entry in CATALOGUE.items() if not entry.multi_hop]
FACTS = FactTable.random_bijections(37, 5, seed=1)


def model_of(name, seed=1):
    facts = CATALOGUE[name].random_facts(37, 5, seed)
    return CATALOGUE[name].constructor()(facts), facts


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


def flip_one_code_bit(model):
    slot = next(name for name in model.stream.slots if name.startswith("attributes"))
    column = model.stream[slot].columns.ravel()[0]
    row = model.embedding.weight[:, column]
    value = row[5]
    other = row[:37][row[:37] != value][0]
    model.embedding.weight[5, column] = other.item()


def swap_two_answers(model):
    rows = model.unembedding.weight[[0, 1]].clone()
    model.unembedding.weight[[1, 0]] = rows


def nan_in_embedding(model):
    model.embedding.weight[5, 0] = torch.nan


def nan_in_an_unread_logit(model):
    model.unembedding.weight[-1, 0] = torch.nan


def infinite_logit(model):
    model.unembedding.weight[2] *= torch.inf


def wrong_relation(model):
    rows = model.embedding.weight[[37, 38]].clone()
    model.embedding.weight[[38, 37]] = rows


def tie(model):
    model.unembedding.weight[0] = model.unembedding.weight[1]


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
    tokens = torch.tensor([[s, 37 + r] for s in range(37) for r in range(5)])
    with torch.no_grad():
        plain = model.states(tokens)[0][:, -1]
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


# ------------------------------------------------------------------ the readout is checked


def test_a_difference_in_the_last_bit_is_shown_as_one():
    model = CATALOGUE["scalar_selector"].build(FactTable.random_bijections(4, 2, seed=0))
    weight = model.unembedding.weight.data
    row, column = weight.nonzero()[0].tolist()
    weight[row, column] *= 1 + 2**-23
    found, declared = re.search(
        r"has (\S+) in column .* has (\S+)$", check_readout(model)
    ).groups()
    assert float(found) == weight[row, column].item() != float(declared)


def test_the_decoder_check_reads_every_entry():
    for name in SINGLE_HOP:
        model, _ = model_of(name)
        assert check_readout(model) is None
        weight = model.unembedding.weight
        for row in range(weight.shape[0]):
            for column in range(weight.shape[1]):
                with torch.no_grad():
                    kept = weight[row, column].item()
                    weight[row, column] = kept + 1
                    assert f"token {row} " in check_readout(model)
                    weight[row, column] = kept


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: SignField(f.tokens, np.ones_like(f.codes), f.read), "two tokens the same code"),
        (lambda f: SignField(f.tokens, f.codes * 2, f.read), "other than -1 and \\+1"),
        (lambda f: SignField(np.zeros_like(f.tokens), f.codes, f.read), "read before"),
        (lambda f: SignField(f.tokens[:0], f.codes[:0], f.read), "reads no token"),
        (lambda f: SignField(f.tokens, f.codes[:, :-1], f.read), "codes of shape"),
        (lambda f: SignField(f.tokens[:-1], f.codes, f.read), "codes of shape"),
        (lambda f: SignField(f.tokens, f.codes.astype(float), f.read), "codes of shape"),
        (lambda f: SignField(f.tokens, f.codes, f.read, bonus=f.read), "needs a single bonus"),
        (lambda f: SignField(f.tokens + 10**6, f.codes, f.read), "does not exist"),
        (
            lambda f: NumberField(f.tokens, np.arange(37) / 2, f.read[0], f.read[0]),
            "one integer for each token",
        ),
        (
            lambda f: NumberField(f.tokens, np.arange(38), f.read[0], f.read[0]),
            "one integer for each token",
        ),
        (
            lambda f: NumberField(f.tokens, np.arange(37), f.read, f.read[0]),
            "one integer for each token",
        ),
        (lambda f: BankField(f.tokens, f.codes, f.read), "row of forms for each bank"),
        (lambda f: type("Sly", (SignField,), {})(f.tokens, f.codes, f.read), "is a Sly"),
    ],
)
def test_an_unsound_declaration_is_a_defect(damage, message):
    model, facts = model_of("selector")
    (field,) = model.readout.fields
    model.readout = Readout((damage(field),), model.readout.rest)
    with pytest.raises(AssertionError, match=message):
        assert check_recall(model, facts, logits="fast").defect is None, check_recall(
            model, facts, logits="fast"
        ).defect


def test_equal_numbers_are_a_defect():
    model = scalar_selector(FACTS)
    (field,) = model.readout.fields
    model.readout = Readout(
        (NumberField(field.tokens, field.numbers * 0, field.read, field.one),), model.readout.rest
    )
    assert "same code" in check_readout(model)


@given(seed=seeds, scale=st.sampled_from([0.1, 1.0, 3.0]))
def test_margins_are_lower_bounds_for_any_state(seed, scale):
    """Against all logits in float64, for states far from any code: the bound never exceeds the
    true margin.
    """
    generator = torch.Generator().manual_seed(seed)
    split = FactTable.random_disjoint(11, 3, seed=2)
    partial = split.answers.copy()
    partial[1, 4] = -1
    tables = [
        (selector, FACTS),
        (scalar_selector, FACTS),
        (superposition, split),
        (superposition, FactTable(partial)),
    ]
    for build, facts in tables:
        model = build(facts, dtype=torch.float64)
        states = scale * torch.randn(
            200, model.shape.d_model, generator=generator, dtype=torch.float64
        )
        possible = torch.from_numpy(np.unique(facts.answers[facts.answers >= 0]))
        answers = possible[torch.randint(0, len(possible), (200,), generator=generator)]
        logits = model.unembedding(states).detach()
        own = logits.gather(1, answers[:, None])[:, 0]
        logits.scatter_(1, answers[:, None], -torch.inf)
        true = own - logits.amax(1)
        bound = MarginReader(model).margins(states, answers)
        assert bool((bound <= true + 1e-9).all())
        assert not bound.isnan().any()


def test_rounding_is_none_only_for_exact_integers():
    model = selector(FACTS)
    reader, d = MarginReader(model), model.shape.d_model
    ones = torch.ones(2, d)
    assert reader.rounding(ones) is None
    mixed = reader.rounding(torch.stack([ones[0], ones[0] / 3]))
    assert mixed[0] == 0
    assert mixed[1] > 0


def test_rounding_bounds_a_sum_of_d_products():
    model = selector(FACTS)
    reader, d = MarginReader(model), model.shape.d_model
    eps = 2.0**-23
    third = (torch.ones(1, d) / 3).float()
    magnitude = third[0, 0].item() * reader.largest.sum().item()
    least = 2 * magnitude * d * eps / 2
    assert least <= reader.rounding(third).item() <= 1.01 * least + 1e-30
    edge = torch.zeros(2, d)
    column = int(reader.largest.argmax())
    edge[0, column], edge[1, column] = 2.0**24 / 8, 2.0**24
    assert reader.largest[column] == 7
    found = reader.rounding(edge)
    assert found[0] == 0  # 7 * 2^21 is exact
    assert found[1] > 0  # 7 * 2^24 is not


def test_rounding_counts_the_weights_themselves():
    """A weight can exceed every declared form: the constant column adds up m signs."""
    model = selector(FACTS)
    model.write_readout(Readout(model.readout.fields, rest=None))
    largest = MarginReader(model).largest
    assert (largest >= model.unembedding.weight.abs().amax(0)).all()
    assert largest[model.stream["one"].columns] == 6


def test_rounding_is_infinite_where_logits_overflow():
    reader = MarginReader(selector(FACTS))
    huge = torch.full((1, selector(FACTS).shape.d_model), 1e38)
    assert reader.rounding(huge).item() == torch.inf


def test_weights_that_are_no_integers_are_never_exact():
    model = selector(FACTS)
    (field,) = model.readout.fields
    tiny = SignField(
        field.tokens, field.codes, 2.0**-30 * field.read, bonus=model.stream["relation"].sum()
    )
    model.write_readout(Readout((tiny,), -1 * model.stream["one"].form()))
    fast, full = (check_recall(model, FACTS, logits=mode) for mode in ("fast", "full"))
    assert full.wrong + full.unknown == fast.wrong + fast.unknown > 0


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
