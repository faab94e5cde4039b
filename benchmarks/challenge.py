"""The public challenge of hand-coded memory: how many random facts (a, b) -> label fit into
`U ReLU(E1[a] + E2[b])`, with 2d tokens, d labels, width d and no gradient descent?

    python benchmarks/challenge.py                      # d = 64, some seconds
    python benchmarks/challenge.py -d 64 128 256        # about an hour
    python benchmarks/challenge.py -d 64 --seeds 5      # other gates: the spread
    python benchmarks/challenge.py -d 128 --facts 57344 --save weights-128.npz
    python benchmarks/challenge.py -d 16 --null         # gates that are equal for all tokens

Printed is the largest number of facts at which all, and at which 90 %, are recalled, found by
bisection in steps of d^2 / 64 and counted again by challenge_evaluator.py, beside the numbers that
the challenge publishes. Only a number that was counted is printed: recall falls with the number of
facts but for chance, and above the number found the next step was tried and failed. For 90 %, the
first 90 % of the facts are put into the equations and the others left out.

What is built, and why it works: challenge_weights.py and docs/challenge.md. Memory: about
`24 d F` bytes for F facts, 1.6 GB at d = 256.
"""

import argparse
import sys
import time
from pathlib import Path

import challenge_evaluator as evaluator
import challenge_weights as ours
import numpy as np

# github.com/LindaLinsefors/Memory-Toy-Models: facts at 100 % and at 90 %
PUBLISHED = {
    "hand-coded, published": {64: (216, 800), 128: (896, 2688), 256: (2304, 9728)},
    "readout trained, published": {64: (2208, 2400), 128: (7680, 8192), 256: (26624, 28160)},
    "all trained, published": {64: (7680, 8320), 128: (25600, 27648), 256: (88064, 93184)},
}
SHARES = (1.0, 0.9)


def told(text):
    print(text, file=sys.stderr, flush=True)


def attempt(d, n_facts, share, seed):
    """Weights for n_facts facts, and their recall."""
    started = time.perf_counter()
    weights = ours.build(d, n_facts, share=share, seed=seed)
    recall = ours.recall(weights, d, n_facts)
    told(
        f"d = {d}, seed {seed}: {n_facts:,} facts, {recall:.4%} recalled, {weights.steps} steps,"
        f" {time.perf_counter() - started:.1f} s"
    )
    return weights, recall


def largest(d, share, seed, low, high):
    """The largest multiple of d^2 / 64 from `low` to `high` that is recalled to this share, and
    the weights; where `low` fails already: 0 and None.
    """
    step = max(1, d * d // 64)
    low, high = low // step, high // step
    weights, recall = attempt(d, low * step, share, seed)
    if recall < share:
        return 0, None
    best = weights
    while low < high:
        middle = (low + high + 1) // 2
        weights, recall = attempt(d, middle * step, share, seed)
        if recall >= share:
            low, best = middle, weights
        else:
            high = middle - 1
    return low * step, best


def save(path, weights, n_facts):
    np.savez(path, e1=weights.e1, e2=weights.e2, u=weights.u, n_facts=n_facts)


def counted_again(weights, n_facts):
    """What the evaluator says: held in float32, held exactly."""
    arrays = weights.e1, weights.e2, weights.u
    return evaluator.held_in_float32(*arrays, n_facts), evaluator.held_exactly(*arrays, n_facts)[0]


def row(name, columns):
    print(f"{name:<34}" + "".join(f"{column:>18}" for column in columns), flush=True)


def table(d, options):
    """Print the rows of one d."""
    print(f"d = {d}: {2 * d} tokens, {d} labels, {5 * d * d:,} weights, {4 * d * d:,} pairs")
    row("facts", [f"{share:.0%}" for share in SHARES])
    for name, numbers in PUBLISHED.items():
        if d in numbers:
            row(name, [f"{n:,}" for n in numbers[d]])
    for seed in range(options.seeds):
        found, counts, started = [], [], time.perf_counter()
        for share in SHARES:
            low, high = options.between or (2 * d * d, 4 * d * d)
            n_facts, weights = largest(d, share, seed, low, high)
            found.append(n_facts)
            counts.append(counted_again(weights, n_facts) if n_facts else (0, 0))
            if n_facts and options.save and seed == 0:
                save(f"{options.save.removesuffix('.npz')}-{d}-{share:.0%}.npz", weights, n_facts)
        seconds = time.perf_counter() - started
        row(f"one linear system, seed {seed}", [f"{n:,}" for n in found])
        row("  counted again, in float32", [f"{rounded:,}" for rounded, _ in counts])
        row("  counted again, exactly", [f"{exact:,}" for _, exact in counts])
        print(f"  {seconds:.0f} s")
    print()


def null(d):
    """Gates that are equal for all tokens hold functions of one token alone."""
    for n_facts in (d * d // 4, d * d):
        weights = ours.build(d, n_facts, same=True)
        print(f"d = {d}, equal gates: {n_facts:,} facts, {ours.recall(weights, d, n_facts):.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", type=int, nargs="+", default=[64], help="widths")
    parser.add_argument("--seeds", type=int, default=1, help="of the gates: 0, 1, ...")
    parser.add_argument("--facts", type=int, help="build for so many facts, without bisection")
    parser.add_argument("--share", type=float, default=1.0, help="with --facts: put in this share")
    parser.add_argument(
        "--between", type=int, nargs=2, metavar=("LOW", "HIGH"), help="where bisection looks"
    )
    parser.add_argument("--save", metavar="FILE", help="store the weights of seed 0 as .npz")
    parser.add_argument("--null", action="store_true", help="gates that are equal for all tokens")
    options = parser.parse_args()
    if options.save and not Path(options.save).resolve().parent.is_dir():
        parser.error(f"--save {options.save}: there is no such folder")
    for d in options.d:
        if options.null:
            null(d)
        elif options.facts:
            weights, _ = attempt(d, options.facts, options.share, 0)
            rounded, exact = counted_again(weights, options.facts)
            print(
                f"d = {d}, {options.facts:,} facts: {rounded:,} held in float32, {exact:,} exactly"
            )
            if options.save:
                save(options.save, weights, options.facts)
        else:
            table(d, options)


if __name__ == "__main__":
    main()
