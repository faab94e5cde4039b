"""Constructions are trainable as they stand: gradients flow, and fine-tuning on the facts loses
none of them.
"""

import numpy as np
import pytest
import torch
from larger_decoders import larger
from standard_decoders import last_logits, named
from strategies import all_queries
from tiers import few

from constructions import (
    CATALOGUE,
    StandardDecoder,
    StandardShape,
    needed_shape,
    seed_into,
    standard,
)
from verify.queries.recall import check_recall

STEPS, RATE = 100, 1e-4
FORMS = {
    "original": lambda model: model,
    "standard": lambda model: standard(model, norm="rmsnorm"),
}


def built(name):
    entry = CATALOGUE[name]
    facts, hops = entry.random_facts(5, 2, 3), 2 if entry.multi_hop else 1
    return entry.build(facts, hops), facts, hops


def examples(model, facts, hops):
    """All queries of this length, see `Answering.training_examples`."""
    return model.training_examples(*all_queries(facts, hops))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("per_token", [1, 2, 3])
def test_training_examples_are_what_a_chain_of_thought_says(per_token, form):
    facts = CATALOGUE["chain_of_thought"].random_partial_facts(5, 2, 3, 0.25)
    model = FORMS[form](
        CATALOGUE["chain_of_thought"].build(facts, 3, {"hops_per_token": per_token})
    )
    for hops in (1, 2, 3):
        subjects, paths = all_queries(facts, hops)
        sequences, said = model.training_examples(subjects, paths)
        assert said.shape == (len(subjects), -(-hops // per_token) + 1)
        written = model.generate(model.prompt(subjects, paths)).tokens
        assert np.array_equal(written[:, : said.shape[1]], said)
        assert torch.equal(sequences, torch.cat([model.prompt(subjects, paths), said[:, :-1]], 1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_training_examples_are_what_the_model_says(name, form):
    model, facts, hops = built(name)
    sequences, said = examples(FORMS[form](model), facts, hops)
    claimed = facts.answer(*all_queries(facts, hops)) != -1 if model.stored_only else slice(None)
    assert torch.equal(model(sequences)[:, -said.shape[1] :].argmax(-1)[claimed], said[claimed])
    one = model.training_examples(
        np.array(3), np.zeros(hops, dtype=np.int64)
    )  # (Q,) may be any shape
    first = model.training_examples(np.array([3]), np.zeros((1, hops), dtype=np.int64))
    assert all(torch.equal(a, b[0]) for a, b in zip(one, first, strict=True))


def loss_of(model, sequences, said):
    logits = model(sequences)[:, -said.shape[1] :]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), said.flatten())


def fine_tuned(model, facts, hops):
    """How many queries are wrong after some steps of AdamW."""
    tokens_and_said = examples(model, facts, hops)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    before = loss_of(model, *tokens_and_said).item()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, *tokens_and_said)
        loss.backward()
        optimizer.step()
    return check_recall(model, facts, hops, logits="full").wrong, before, loss.item()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_gradients_flow(name, form):
    """Finite everywhere; not all zero in every matrix, but in queries and keys of heads that
    select exactly.
    """
    model, facts, hops = built(name)
    selects = not model.margin.rounds
    model = FORMS[form](model)
    loss_of(model, *examples(model, facts, hops)).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        silent = any(part in parameter_name for part in (".query.", ".key.")) and selects
        if parameter.dim() == 2 and parameter.any() and not silent:
            assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "chain_of_thought"))
def test_fine_tuning_on_the_facts_loses_none(name, form):
    model, facts, hops = built(name)
    wrong, before, after = fine_tuned(FORMS[form](model), facts, hops)
    assert wrong == 0
    assert after < before


def test_training_with_post_norm_needs_the_slack_to_stay_unread():
    wrong = {}
    for kept in (True, False):
        model, facts, hops = built("selector")
        model = standard(model, norm="rmsnorm", placement="post")
        if kept:
            model.keep_slack_unread()
        wrong[kept] = fine_tuned(model, facts, hops)[0]
    assert wrong[True] == 0 < wrong[False]


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    "form",
    [
        {"norm": norm, "placement": "pre", "tied": tied}
        for norm in (None, "rmsnorm")
        for tied in (False, True)
    ],
    ids=named,
)
@pytest.mark.parametrize("name", ["precomputed", "hybrid_shared", "chain_of_thought"])
def test_a_construction_that_is_held_keeps_its_logits_to_the_last_bit(name, form, held):
    """Trained on random sequences of further tokens and its own, at a rate that would spoil it."""
    model, facts, hops = built(name)
    seeded = seed_into(larger(needed_shape(model, **form), torch.float32), model)
    before = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    if held:
        seeded.hold_construction()
    tokens = torch.randint(
        seeded.shape.d_vocab, (32, 4), generator=torch.Generator().manual_seed(0)
    )
    weights = {name: weight.detach().clone() for name, weight in seeded.named_parameters()}
    optimizer = torch.optim.AdamW(seeded.parameters(), 1e-2, weight_decay=0)
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            seeded(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
        )
        loss.backward()
        optimizer.step()
    after = last_logits(seeded, facts, hops)[:, : len(model.vocabulary)]
    assert torch.equal(before, after) == held
    for name, weight in seeded.named_parameters():
        own = seeded.construction_entries()[name]
        assert not held or torch.equal(weight[own], weights[name][own])
        if (
            weight.dim() == 2
            and name != "positions.weight"
            and not own.all()
            and not form["norm"]
            and not form["tied"]
        ):
            assert not torch.equal(weight[~own], weights[name][~own]), name


@pytest.mark.long
def test_further_tokens_may_overtake_the_answers_of_a_held_construction():
    """docs/seeding.md: what is held is what the construction's own tokens say, and no more."""
    entry = CATALOGUE["chain_of_thought"]
    facts = entry.random_facts(16, 4, 0)
    model = entry.build(facts, 1)
    n_own = len(model.vocabulary)
    torch.manual_seed(0)
    seeded = seed_into(
        StandardDecoder(StandardShape(n_own + 20, 128, 2, 4, 32, 64, 16, norm="rmsnorm")), model
    )
    before = last_logits(seeded, facts, 1)[:, :n_own]
    seeded.hold_construction()
    a, b = torch.arange(400) // 20, torch.arange(400) % 20
    tokens, sums = n_own + torch.stack([a, b], 1), n_own + (a + b) % 20
    optimizer = torch.optim.AdamW(seeded.parameters(), 1e-3, weight_decay=0)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(seeded(tokens)[:, -1], sums).backward()
        optimizer.step()
    after = last_logits(seeded, facts, 1)
    assert torch.equal(after[:, :n_own], before)
    overtaken = after[:, n_own:].amax(-1) > after[:, :n_own].amax(-1)
    assert overtaken.sum() > len(overtaken) / 2
