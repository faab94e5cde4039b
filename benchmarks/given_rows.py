"""Rows for given random embeddings: how many dimensions are enough, and what they cost.

    python benchmarks/given_rows.py [--seeds 5] [--bits 6]

Prints the table of docs/given-rows.md, in about a quarter of a minute; with the directions of the
first layer rounded to so many bits, each on a grid of its own, if that is asked for.
"""

from __future__ import annotations

import argparse
import math

import torch

from bounds.theorem_4_2 import information_limit
from verify.rivals.memories.given_rows import MEMORIES
from verify.rivals.work import Work

FIRST_SEED = 100
"""Reported seeds are 100, 101, ...; 0, 1, ... were for choosing."""
(ROWS,) = MEMORIES


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bits", type=int, help="of a number of a direction, 2 or more")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    print(
        "    N   R               d   wrong facts, by seed   least gaps  numbers / bit of the limit"
    )
    for n, r in ((256, 4), (256, 16), (1024, 4), (1024, 16)):
        for factor in (2, 3, 4):
            d = r + factor * math.ceil(math.log2(n))
            print(line(n, r, factor, d, seeds, options.bits), flush=True)


@torch.no_grad()
def line(n: int, r: int, factor: int, d: int, seeds: range, bits: int | None) -> str:
    """One row: N, R, d, how many facts are wrong, the least gaps of subjects and relations over
    all seeds, and the numbers inside for each bit that the facts have.
    """
    wrong, of_subjects, of_relations = [], [], []
    for seed in seeds:
        work = Work(n, r, seed=seed)
        built = ROWS.build(work, d)
        if bits is not None:
            step = built.module.directions.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
            built.module.directions = (built.module.directions / step).round() * step
        tokens, answers = (torch.from_numpy(part) for part in work.facts.dataset())
        logits = built.module(tokens)
        own = logits.gather(1, answers)[:, 0]
        others = logits.scatter(1, answers, -torch.inf).amax(1)
        wrong.append(int((~(own > others)).sum()))
        of_subjects.append(built.module.gaps.subjects.min().item())
        of_relations.append(built.module.gaps.relations.min().item())
    inside = built.n_numbers(with_embeddings=False)
    limit = float(information_limit(n, r).lower)
    size = f"R + {factor} log2 N = {d:2}"
    by_seed = " ".join(f"{count:3}" for count in wrong)
    gaps = f"{min(of_subjects):5.2f} {min(of_relations):5.2f}"
    cost = f"{inside:7,} / {limit:7,.0f} = {inside / limit:.2f}"
    return f"{n:5} {r:3}  {size}   {by_seed:<20}  {gaps}  {cost}"


if __name__ == "__main__":
    main()
