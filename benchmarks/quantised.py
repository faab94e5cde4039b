"""How many bits trained models of facts need: every tensor in b bits, rounded and fine-tuned.

    python benchmarks/quantised.py                                       # some minutes
    python benchmarks/quantised.py --size 64x4x8 --plot docs/quantised.svg   # needs matplotlib
    python benchmarks/quantised.py --beside                              # the selector beside them

One-layer models (uniform attention, no norm, untied), full batch, each seed with bijections of its
own, trained on after all facts are recalled, which makes margins larger. What is counted, and what
no point may lie below: `verify.learned.recall_by_bits`.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from constructions import FactTable, selector
from constructions.learning.fit import fit
from constructions.learning.one_layer import OneLayerShape
from verify.cli.reports.columns import columns
from verify.cli.reports.recall_by_bits import table
from verify.cli.reports.recall_by_bits_picture import draw
from verify.cli.reports.side_by_side import table as side_by_side_table
from verify.learned.recall_by_bits import SHARES, recall_by_bits
from verify.learned.side_by_side import side_by_side

SIZES = {
    "64x4x8": (64, 4, 8, 32, 1500),
    "64x4x5": (64, 4, 5, 32, 3000),
    "64x16x12": (64, 16, 12, 128, 1500),
    "256x4x8": (256, 4, 8, 32, 2000),
}
"""N, R, d_model, d_mlp and steps, by name."""
SEEDS = range(100, 105)
MOST_BITS = 10


def curves(size, seeds):
    """The recall by bits of a model for each seed."""
    n, r, d_model, d_mlp, steps = SIZES[size]
    facts = [FactTable.random_bijections(n, r, seed) for seed in seeds]
    shape = OneLayerShape(n, r, n, d_model, d_mlp)
    found = fit(shape, facts, steps, seeds, until=None, every=100, device="cpu")
    print(f"{size}: recall after {steps} steps: {', '.join(f'{one:.4f}' for one in found.recall)}")
    bits = range(1, MOST_BITS + 1)
    return [
        recall_by_bits(model, one, bits=bits, tensor_by_tensor=n * r <= 256)
        for model, one in zip(found.models, facts, strict=True)
    ]


def summary(several):
    """The mean recall by b, and of each seed the least b for 99 % and 100 %."""
    queries = several[0].n_queries
    rows = [["b", "bits a fact", "recall, rounded", "recall, fine-tuned"]]
    for b in range(1, MOST_BITS + 1):
        shown = []
        for tuned in (False, True):
            right = [
                one.right / queries
                for curve in several
                for one in curve.points
                if (one.bits, one.tuned) == (b, tuned)
            ]
            shown.append(f"{np.mean(right):.3f} ({min(right):.3f} to {max(right):.3f})")
        total = np.mean([one.total_bits for c in several for one in c.points if one.bits == b])
        rows.append([str(b), f"{total / queries:.2f}", *shown])
    lines = columns(rows)
    for share in SHARES:
        for tuned in (False, True):
            least = [curve.least(Fraction(share), tuned) for curve in several]
            said = ", ".join(
                "-" if one is None else f"b = {one.bits}: {one.total_bits / queries:.2f}"
                for one in least
            )
            way = "fine-tuned" if tuned else "rounded"
            lines.append(f"{float(share):.0%}, {way}, by seed, bits a fact: {said}")
    plan = several[0].cheapest
    lines.append(
        f"limit {several[0].drawn.needed(0) / queries:.2f}; {plan.label}"
        f" {plan.total_bits / queries:.2f}; below the bound:"
        f" {sum(len(curve.below()) for curve in several)} of"
        f" {sum(len(curve.points) for curve in several)} points"
    )
    return lines


def beside(seeds):
    """The trained models of all seeds, of the same facts, beside the selector: a table."""
    n, r, d_model, d_mlp, steps = SIZES["64x4x8"]
    facts = FactTable.random_bijections(n, r, seeds[0])
    shape = OneLayerShape(n, r, n, d_model, d_mlp)
    found = fit(shape, facts, steps, seeds, until=None, every=100, device="cpu")
    return side_by_side_table(side_by_side(found.models, selector(facts), facts))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, action="append", help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="the first seed of the sizes"
    )
    parser.add_argument("--table", action="store_true", help="also the first seed's table")
    parser.add_argument("--beside", action="store_true", help="the selector beside 64x4x8, alone")
    words = parser.parse_args()
    torch.set_num_threads(1)
    if words.beside:
        print(beside(words.seeds))
        return
    drawn = []
    for size in words.size or SIZES:
        several = curves(size, words.seeds)
        print("\n".join(summary(several)), flush=True)
        if words.table:
            print(table(several[0]))
        n, r, d_model, *_ = SIZES[size]
        drawn.append((f"N = {n}, R = {r}, d = {d_model}", several[0]))
    if words.plot is not None:
        draw(drawn, words.plot)


if __name__ == "__main__":
    main()
