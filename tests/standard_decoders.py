"""Constructions as standard decoders, in every form, and whether they answer as they did."""

import itertools

import torch
from strategies import all_queries

from constructions import (
    CATALOGUE,
)
from verify.queries.recall import check_recall

FORMS = [
    {"norm": norm, "placement": placement, "tied": tied}
    for norm, placement, tied in itertools.product(
        (None, "rmsnorm", "layernorm"), ("pre", "post"), (False, True)
    )
    if norm or placement == "pre"
]
LAYERNORM = [form for form in FORMS if form["norm"] == "layernorm"]
EXACT = [form for form in FORMS if form not in LAYERNORM]
DTYPES = [torch.float32, torch.float64]


def named(form):
    return "-".join([str(form["norm"]), form["placement"], "tied" if form["tied"] else "untied"])


def built(name, facts=None, hops=2, dtype=torch.float32):
    entry = CATALOGUE[name]
    facts = facts or entry.random_facts(7, 3, 1)
    hops = hops if entry.multi_hop else 1
    return entry.build(facts, hops, dtype=dtype), facts, hops


def last_logits(model, facts, hops):
    """After each query; of a chain of thought, those of its first written token."""
    subjects, paths = all_queries(facts, hops)
    columns = [torch.from_numpy(subjects)[:, None], facts.n_entities + torch.from_numpy(paths)]
    tokens = model.prompt(subjects, paths) if model.hops_per_token else torch.cat(columns, 1)
    with torch.no_grad():
        return model(tokens)[:, -1]


def recalls_all(model, facts, hops):
    recall = check_recall(model, facts, hops, logits="full")
    assert recall.defect is None
    answers = facts.answer(*all_queries(facts, hops))
    assert recall.queries == ((answers != -1).sum() if model.stored_only else answers.size) > 0
    assert recall.wrong == 0, recall.counterexamples


def has_the_logits_of(other, model, facts, hops):
    """To the last bit, unless a bound is stated; it must leave the margin."""
    difference = (
        (last_logits(other, facts, hops) - last_logits(model, facts, hops)).abs().max().item()
    )
    assert difference <= other.logit_error * (2 if model.margin.rounds else 1)
    assert 2 * other.logit_error < model.margin.real
