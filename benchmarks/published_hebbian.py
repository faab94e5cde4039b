"""Hebbian and gated MLPs beside what their authors publish: the smallest width that holds F facts.

    python benchmarks/published_hebbian.py                       # d = 64, some minutes
    python benchmarks/published_hebbian.py --trained --alphas 0.03125    # gradient descent too
    python benchmarks/published_hebbian.py --seeds 1 --alphas 0.03125 0.0625
    python benchmarks/published_hebbian.py -d 90 --methods ridge data-dependent

The work is that of arXiv 2607.10034, github.com/HazyResearch/hebbian-mlps (src/hebbian/expts/
mlp_capacity/run.py): F = alpha d^2 keys on the unit sphere, which are the values too, and a random
bijection. A width succeeds if all F facts are right (their 100 %; a tie is wrong), in float64.
It is found by bisection to 1 in 64, on the assumption that larger widths succeed; the spread over
seeds shows what that is worth. Theirs: the same search by their code (commit 4144397, seed 42, on
a CPU), since the repository has no results and the paper's figure no table. Their bijection is
drawn by numpy, which they do not seed, so their code has a spread too.

docs/rivals-published.md says what is built, and why numbers differ.
"""

import argparse
import math
import statistics
import sys
import time
from functools import partial

import torch
from torch.nn import functional

from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories import gated, hebbian
from verify.rivals.memories.keyed import Vectors

ALPHAS = (0.03125, 0.0625, 0.125, 0.25, 0.5)
EPOCHS, RATE, LEAST_RATE = 10_000, 1e-3, 1e-6  # of their gradient descent: mlp_gd.py

THEIRS = {
    "raw": {128: 112, 256: 289, 512: 673, 1024: 2497},
    "ridge": {128: 60, 256: 112, 512: 228, 1024: 529, 2048: 1006},
    "data-dependent": {128: 25, 256: 44, 512: 79, 1024: 185, 2048: 404},
    "correlated gates": {128: 345, 256: 588, 512: 1418},
    "gradient descent": {128: 4, 256: 7},
}
"""Smallest widths at d = 64, by F: what their code finds."""


def trained(vectors, width, random):
    """Their gradient descent: all three matrices, Adam, cross-entropy over all answers."""
    d = vectors.keys.shape[1]
    shapes = ((width, d), (width, d), (d, width))
    drawn = [
        (torch.rand(shape, generator=random) * 2 - 1) / math.sqrt(shape[1]) for shape in shapes
    ]
    module = hebbian.Bilinear(*drawn, fitted=True)
    keys, values = vectors.keys.float(), vectors.values.float()
    optimiser = torch.optim.Adam(module.parameters(), RATE)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS, LEAST_RATE)
    for epoch in range(EPOCHS):
        logits = module(keys) @ values.T
        if epoch % 50 == 0 and right(logits.detach(), vectors.answers) == len(keys):
            break
        optimiser.zero_grad()
        functional.cross_entropy(logits, vectors.answers).backward()
        optimiser.step()
        rates.step()
    return module.double()


METHODS = {
    "raw": partial(hebbian.with_random_features, readout=hebbian.raw_readout),
    "ridge": partial(hebbian.with_random_features, readout=hebbian.ridge_readout),
    "data-dependent": hebbian.data_dependent,
    "correlated gates": gated.correlated,
    "gated solve": gated.solved,
    "gradient descent": trained,
}
LARGEST = {"raw": 1024, "correlated gates": 512, "gradient descent": 256}
"""Facts beyond which a method takes minutes."""


def right(logits, answers):
    """How many facts have the answer's logit above all others."""
    own = logits.gather(1, answers[:, None])
    others = logits.scatter(1, answers[:, None], -torch.inf).max(dim=1, keepdim=True).values
    return int((own > others).sum())


def drawn_facts(n_facts, d, random):
    """Keys that are the values too, and a random bijection."""
    both = unit_vectors(n_facts, d, random).double()
    return Vectors(both, both, torch.randperm(n_facts, generator=random))


def holds(method, n_facts, d, width, seed):
    """Whether all facts are right; the memory draws on after the facts, from the same stream."""
    random = torch.Generator().manual_seed(seed)
    vectors = drawn_facts(n_facts, d, random)
    module = METHODS[method](vectors, width, random)
    with torch.no_grad():
        logits = module(vectors.keys) @ vectors.values.T
    return right(logits, vectors.answers) == n_facts


def smallest(method, n_facts, d, seed, guess):
    """The smallest width, to 1 in 64, between powers of two times the guess."""
    unit = gated.n_gates(n_facts, d) if method == "gated solve" else 1
    low, high = 0, max(1, guess // unit)
    while not holds(method, n_facts, d, high * unit, seed):
        low, high = high, 2 * high
    while high - low > max(1, high // 64):
        middle = (low + high) // 2
        if holds(method, n_facts, d, middle * unit, seed):
            high = middle
        else:
            low = middle
    return high * unit


def row(method, n_facts, d, widths):
    """One line: theirs, the median and range of ours, parameters, and what they come to."""
    theirs = THEIRS.get(method, {}).get(n_facts) if d == 64 else None
    width = statistics.median(widths)
    parameters = 3 * width * d
    bits = math.lgamma(n_facts + 1) / math.log(2) / parameters
    print(
        f"{method:<17}{theirs or '-':>8}{width:>8g}{f'{min(widths)} to {max(widths)}':>15}"
        f"{parameters:>11,.0f}{parameters / n_facts / math.log2(n_facts):>10.2f}{bits:>10.2f}",
        flush=True,
    )
    return parameters


def table(d, alpha, methods, seeds):
    """All methods at one number of facts."""
    n_facts = int(alpha * d * d)
    print(f"d = {d}, alpha = {alpha:g}: {n_facts:,} facts")
    print(
        f"{'smallest width':<17}{'theirs':>8}{'ours':>8}{'seeds':>15}{'3 m d':>11}"
        f"{'/F log2 F':>10}{'bits each':>10}"
    )
    found = {}
    for method in methods:
        if n_facts > LARGEST.get(method, n_facts):
            continue
        started = time.perf_counter()
        widths, guess = [], max(1, n_facts // 4)
        for seed in range(seeds):
            guess = smallest(method, n_facts, d, seed, guess)
            widths.append(guess)
        found[method] = row(method, n_facts, d, widths)
        print(f"{method}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    if "data-dependent" in found:
        ours = found["data-dependent"]
        for other in ("correlated gates", "gradient descent"):
            if other in found:
                print(f"{other} / data-dependent: {found[other] / ours:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", type=int, default=64, help="dimension of keys and values")
    parser.add_argument("--alphas", type=float, nargs="+", default=ALPHAS, help="F / d^2")
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ...")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS][:-1])
    parser.add_argument("--trained", action="store_true", help="and gradient descent, slow")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: give at least 1")
    if options.d < 2 or min(options.alphas) * options.d**2 < 2:
        parser.error(f"-d {options.d}: give a dimension and alphas that make two facts at least")
    methods = [*options.methods, *(["gradient descent"] if options.trained else [])]
    for alpha in options.alphas:
        table(options.d, alpha, methods, options.seeds)


if __name__ == "__main__":
    main()
