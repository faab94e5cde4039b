"""Every construction as a standard decoder: the same answers, and the same logits up to what is stated."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import all_queries, bijections, disjoint, functions

from constructions import CATALOGUE, FactTable, InputError, needed_shape, selector, standard
from constructions.answering import Writing
from constructions.errors import DoesNotFit
from constructions.identity_norms import four_squares
from verify.recall import check_recall

FORMS = [
    {"norm": norm, "placement": placement, "tied": tied}
    for norm, placement, tied in itertools.product((None, "rmsnorm", "layernorm"), ("pre", "post"), (False, True))
    if norm or placement == "pre"
]
EXACT = [form for form in FORMS if form["norm"] != "layernorm"]


def built(name, facts=None, hops=2, dtype=torch.float32):
    entry = CATALOGUE[name]
    if facts is None:
        facts = entry.random_facts(7, 3, 1)
    hops = hops if entry.multi_hop else 1
    return entry.build(facts, hops, dtype=dtype), facts, hops


def prompts(model, facts, hops):
    subjects, paths = all_queries(facts, hops)
    if isinstance(model, Writing):
        return model.prompt(subjects, paths)
    return torch.from_numpy(model.vocabulary.n_entities * (paths.cumsum(1) >= 0) + paths), subjects


def last_logits(model, facts, hops):
    """Of all queries; of a chain of thought, its first written token."""
    subjects, paths = all_queries(facts, hops)
    if isinstance(model, Writing):
        tokens = model.prompt(subjects, paths)
    else:
        columns = [torch.from_numpy(subjects)[:, None], facts.n_entities + torch.from_numpy(paths)]
        tokens = torch.cat(columns, 1)
    with torch.no_grad():
        return model(tokens)[:, -1]


def recalls_all(model, facts, hops):
    recall = check_recall(model, facts, hops, logits="full")
    assert recall.defect is None
    assert recall.queries == facts.n_entities * facts.n_relations**hops
    assert recall.wrong == 0, recall.counterexamples
    return recall.margin


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("form", EXACT, ids=lambda form: "-".join(str(v) for v in form.values()))
@pytest.mark.parametrize("name", CATALOGUE)
def test_the_same_logits_without_norms_and_with_rmsnorm(name, form, dtype):
    model, facts, hops = built(name, dtype=dtype)
    other = standard(model, **form)
    recalls_all(other, facts, hops)
    difference = (last_logits(other, facts, hops) - last_logits(model, facts, hops)).abs().max().item()
    if model.margin.rounds:
        assert difference <= 2 * other.logit_error < 1e-2
    else:
        assert difference == other.logit_error == 0
