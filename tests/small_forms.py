"""Small constructions in other forms, and whether they answer as they did."""

import itertools

import numpy as np
import torch

from constructions import (
    CATALOGUE,
    construction,
)
from constructions.forms.widening import widen
from verify.queries.recall import check_recall

NAMES = list(CATALOGUE)


def built(name, n=4, n_relations=2, dtype=torch.float64, seed=0, partial=False):
    entry = construction(name)
    facts = (
        entry.random_partial_facts(n, n_relations, seed, 0.25)
        if partial
        else entry.random_facts(n, n_relations, seed)
    )
    return entry.build(facts, 2 if entry.multi_hop else 1, dtype=dtype)


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def wider(model, noise=0.0, seed=0, more=3):
    shape = model.shape
    sizes = (shape.d_model + more, shape.d_mlp + more, shape.n_heads + 1, len(shape.layers) + 1)
    return widen(model, *sizes, noise=noise, seed=seed)


def wrong(model, source):
    """Answers among all claimed queries of all lengths that are wrong, or that rounding may turn."""
    shortest = 1 if source.construction == "chain_of_thought" else source.hops
    found = [
        check_recall(model, source.facts, k, logits="full")
        for k in range(shortest, source.hops + 1)
    ]
    assert sum(recall.queries for recall in found) == source.n_all_queries()
    return sum(recall.wrong + recall.unknown for recall in found)


@torch.no_grad()
def final_logits(model, source):
    """The logits where the model answers, for all paths; for a chain of thought where it writes
    its first token.
    """
    n, r, k = source.facts.n_entities, source.facts.n_relations, source.hops
    queries = np.array(list(itertools.product(range(n), *[range(r)] * k)))
    if source.construction == "chain_of_thought":
        return model(source.prompt(queries[:, 0], queries[:, 1:]))[:, -1]
    queries[:, 1:] += n
    return model(torch.from_numpy(queries))[:, -1]


def examples(source):
    """All claimed queries of all lengths, one batch for each."""
    shortest = 1 if source.hops_per_token else source.hops
    for hops in range(shortest, source.hops + 1):
        numbers = np.arange(source.n_queries(hops))
        yield source.training_examples(*source.queries(numbers, hops))
