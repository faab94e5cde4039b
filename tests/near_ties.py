"""Models on the edge: edited so that the smallest margin, asked in one batch, is positive by what
rounding makes of it.

`python tests/near_ties.py 384 [SEED]` makes so many, lets the pass over all queries judge each,
and asks each in many shapes of the batch, one by one among them.
"""

import copy
import json
import sys
from collections import Counter

import numpy as np
import torch

from constructions import CATALOGUE, change_basis, standard, widen
from constructions.model.transformer import Transformer
from verify.queries.recall import check_recall

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
FORMS = {
    "itself": lambda model: model,
    "wide": lambda model: widen(model, 2 * model.shape.d_model),
    "basis": lambda model: change_basis(
        model, torch.linalg.qr(torch.randn(2 * (model.shape.d_model,)).double()).Q, by=None
    ),
    "standard": standard,
    "rmsnorm": lambda model: standard(model, norm="rmsnorm", proven=False),
    "layernorm": lambda model: standard(model, norm="layernorm", placement="post", proven=False),
}
STEPS = 36


def sequences(model, facts):
    """All claimed queries of the longest paths as whole token sequences (Q, L), and the answers (Q, A)."""
    asked = model.hops, model.stored_only
    numbers = np.arange(facts.n_claimed_queries(*asked))
    return model.training_examples(*facts.claimed_queries(numbers, *asked))


@torch.no_grad()
def margins(model, tokens, said, rows=None):
    """Of each query the smallest margin over what it is to say, asked by `model(tokens)` so many
    at once; float64 (Q,).
    """
    found = []
    for some, wanted in zip(
        tokens.split(rows or len(tokens)), said.split(rows or len(tokens)), strict=True
    ):
        logits = model(some)[:, -wanted.shape[1] :].double()
        own = logits.gather(-1, wanted[..., None])[..., 0]
        found.append((own - logits.scatter(-1, wanted[..., None], -torch.inf).amax(-1)).amin(-1))
    return torch.cat(found)


@torch.no_grad()
def near_tie(rng, name=None, form=None, dtype=None, largest=24, most=2000, edge=False):
    """A model, its facts, and how it was made: between a right one and one with noise, just where
    answers are lost.

    Between them the smallest margin of one batch is brought to 0 by bisection; what is returned is
    the last with a margin that is positive, or the first that is not; or, as often, one that is
    further from there by a factor of up to 1/10. With `edge` it is always the last that is
    positive.
    """
    name = name or rng.choice(list(CATALOGUE))
    form = form or rng.choice(["itself", "itself", "itself", *FORMS])
    dtype = dtype or DTYPES[rng.choice(len(DTYPES), p=[0.8, 0.1, 0.05, 0.05])]
    if form in ("rmsnorm", "layernorm") and dtype.itemsize < 4:
        dtype = torch.float32
    entry, seed = CATALOGUE[name], int(rng.integers(2**31))
    torch.manual_seed(seed)
    r, hops = int(rng.integers(2, 4)), int(rng.integers(1, 3)) if entry.multi_hop else 1
    # by default it takes longer paths, too
    longest = 2 * hops if name == "chain_of_thought" else hops
    n = min(int(rng.integers(3, largest)), max(3, most // r**longest))
    facts = entry.random_facts(n, r, seed)
    try:
        model = FORMS[form](entry.build(facts, hops, dtype=dtype))
    except ValueError:  # this dtype is too narrow for it
        return near_tie(rng, name, "itself", torch.float32, largest, most, edge)
    tokens, said = sequences(model, facts)
    only = [None, "unembedding", "embedding", "layers", "mlp"][rng.integers(5)]
    right = {key: weight.clone() for key, weight in model.named_parameters()}
    noise = {
        key: torch.randn(weight.shape).to(weight) * (only is None or only in key)
        for key, weight in right.items()
    }

    def at(t):
        for key, weight in model.named_parameters():
            weight.copy_(right[key] + t * noise[key])
        return margins(model, tokens, said).amin().item()

    good, bad = 0.0, 2.0**-6
    while bad < 2**8 and at(bad) > 0:
        bad *= 2
    for _ in range(STEPS):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if at(middle) > 0 else (good, middle)
    beside = 10.0 ** -rng.uniform(1, 7) if rng.random() < 1 / 2 else 0.0
    if edge:
        at(good)
        return (
            model,
            facts,
            f"{name} {form} {dtype} N={n} R={r} k={model.hops} noise on {only} seed {seed}",
        )
    at(bad * (1 + beside) if rng.random() < 1 / 3 else good * (1 - beside))
    how = (
        f"{name} {form} {dtype} N={n} R={r} k={model.hops} noise on {only} seed {seed} beside the"
        f" edge by {beside:.2g}"
    )
    return model, facts, how


def shapes(model, facts, rng):
    """The margins (Q,) of the longest paths in batches of several shapes, one by one among them:
    (name, margins).
    """
    tokens, said = sequences(model, facts)
    order = torch.from_numpy(rng.permutation(len(tokens)))
    yield "whole", margins(model, tokens, said)
    for rows in (1, 2, 3, 5, 16, 33):
        yield f"{rows} rows", margins(model, tokens, said, rows)
    yield "another order", margins(model, tokens[order], said[order])[torch.argsort(order)]
    yield "token by token", margins_of_states(model, tokens, said)
    if isinstance(model, Transformer):
        for place in range(3):
            yield (
                f"columns permuted, {place}",
                margins(permuted(model, rng), tokens, said, (None, 1, 7)[place]),
            )


@torch.no_grad()
def permuted(model, rng):
    """The same sums in another order: a copy of a transformer in which the coordinates of the
    stream are permuted.
    """
    other, order = copy.deepcopy(model), torch.from_numpy(rng.permutation(model.shape.d_model))
    for name, weight in other.named_parameters():
        if name == "unembedding.weight" or other.reads_stream(name):
            weight.copy_(weight[:, order].clone())
        elif other.writes_stream(name):
            weight.copy_(weight[order].clone())
    return other


@torch.no_grad()
def margins_of_states(model, tokens, said):
    """By a cache, token by token."""
    cache, logits = None, []
    for token in tokens.split(1, -1):
        states, cache = model.states(token, cache)
        logits.append(model.unembedding(states[:, -1]).double())
    logits = torch.stack(logits[-said.shape[1] :], 1)
    own = logits.gather(-1, said[..., None])[..., 0]
    return (own - logits.scatter(-1, said[..., None], -torch.inf).amax(-1)).amin(-1)


def judged(count, seed):
    """How often each verdict was given, and how often what it says is not so in another shape."""
    tally = Counter(models=count)
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        model, facts, _ = near_tie(rng)
        found = {shape: ~(of_it > 0) for shape, of_it in shapes(model, facts, rng)}
        wrong = torch.stack(list(found.values()))
        recall = check_recall(model, facts, model.hops, "full")
        tally[recall.verdict] += 1
        tally["right in one batch"] += not found["whole"].any()
        tally["right in one batch, wrong in another shape"] += bool(
            not found["whole"].any() and wrong.any()
        )
        tally["PASS, wrong in another shape"] += bool(recall.verdict == "PASS" and wrong.any())
        tally["FAIL, right in some shape"] += bool(
            recall.verdict == "FAIL" and not wrong.any(1).all()
        )
    return dict(sorted(tally.items()))


if __name__ == "__main__":
    entropy = int(sys.argv[2]) if len(sys.argv) > 2 else np.random.SeedSequence().entropy % 2**32
    print(json.dumps({"seed": entropy, **judged(int(sys.argv[1]), entropy)}, indent=1))
