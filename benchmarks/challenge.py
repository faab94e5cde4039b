"""The public challenge of hand-coded memory: how many random facts (a, b) -> label fit into
`U ReLU(E1[a] + E2[b])`, with 2d tokens, d labels, width d, and no gradient descent?

    python benchmarks/challenge.py                          # d = 64, some seconds
    python benchmarks/challenge.py -d 64 128 --seeds 3      # other gates: the spread
    python benchmarks/challenge.py -d 256                   # a minute each attempt
    python benchmarks/challenge.py -d 256 --facts 235520 --save weights-256.npz
    python benchmarks/challenge.py -d 64 --null             # gates that are equal for all tokens
    python benchmarks/challenge.py -d 64 --alternating 100  # least squares in turn instead

Printed is the largest number of facts of which all, and of which 90 %, are recalled in float32,
beside the numbers that the challenge publishes. It is found by bisection in steps of d^2 / 64, up
to the number of equations that can be independent; what is printed was built, and counted again by
challenge_evaluator.py, which shares no code with the builder. For 90 %, the first 90 % of the
facts are put into the equations and the others are left out.

What is built and why it works: challenge_weights.py and docs/challenge.md. Memory for F facts:
about `24 d F` bytes, 1.5 GB at d = 256.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import challenge_evaluator as evaluator
import challenge_weights as ours
import numpy as np

from verify.rivals.memories import alternating

# github.com/LindaLinsefors/Memory-Toy-Models: facts at 100 % and at 90 %
PUBLISHED = {
    "hand-coded, published": {64: (216, 800), 128: (896, 2688), 256: (2304, 9728)},
    "readout trained, published": {64: (2208, 2400), 128: (7680, 8192), 256: (26624, 28160)},
    "all trained, published": {64: (7680, 8320), 128: (25600, 27648), 256: (88064, 93184)},
}
SHARES = (1.0, 0.9)


def progress(text):
    print(text, file=sys.stderr, flush=True)


def attempt(d, n_facts, share, seed, growth=ours.GROWTH):
    """Weights for n_facts facts, and their recall."""
    started = time.perf_counter()
    weights = ours.build(d, n_facts, share=share, seed=seed, growth=growth)
    recall = ours.recall(weights, d, n_facts)
    progress(
        f"d = {d}, seed {seed}: {n_facts:,} facts, {recall:.3%} recalled,"
        f" {round(n_facts * (1 - recall)):,} wrong, {weights.steps} steps,"
        f" {time.perf_counter() - started:.1f} s"
    )
    return weights, recall


def largest(d, share, seed, low):
    """The largest multiple of d^2 / 64 that was recalled to this share, and its weights; 0 and
    None if `low` facts are too many.
    """
    step = max(1, d * d // 64)
    g = ours.best_group(d)
    most = ours.independent_at_most(d, ours.draw_gates(d, g, seed), g)
    low, high = low // step, min(4 * d * d, int(most / share)) // step
    for n in (high, low):
        best, recall = attempt(d, n * step, share, seed)
        if recall >= share:
            break
    else:
        return 0, None
    low = n
    while low + 1 < high:
        middle = (low + high) // 2
        weights, recall = attempt(d, middle * step, share, seed)
        if recall >= share:
            low, best = middle, weights
        else:
            high = middle
    return low * step, best


def save(path, weights, n_facts):
    np.savez(path, e1=weights.e1, e2=weights.e2, u=weights.u, n_facts=n_facts)


def counted_again(weights, n_facts):
    """What the evaluator says: held in float32, held exactly."""
    if not n_facts:
        return 0, 0
    arrays = weights.e1, weights.e2, weights.u
    return evaluator.held_in_float32(*arrays, n_facts), evaluator.held_exactly(*arrays, n_facts)[0]


def row(name, columns):
    print(f"{name:<36}" + "".join(f"{column:>12}" for column in columns), flush=True)


def table(d, seeds, low, path):
    """Print the rows of one d; `path` of the weights of seed 0, or None."""
    print(f"d = {d}: {2 * d} tokens, {d} labels, {5 * d * d:,} weights, {4 * d * d:,} pairs")
    row("facts recalled", [f"{share:.0%}" for share in SHARES])
    for name, numbers in PUBLISHED.items():
        if d in numbers:
            row(name, [f"{n:,}" for n in numbers[d]])
    for seed in range(seeds):
        started = time.perf_counter()
        found = [largest(d, share, seed, math.ceil(low * d * d)) for share in SHARES]
        counts = [counted_again(weights, n_facts) for n_facts, weights in found]
        row(f"one linear system, seed {seed}", [f"{n_facts:,}" for n_facts, _ in found])
        row("  right, counted again in float32", [f"{rounded:,}" for rounded, _ in counts])
        row("  right, counted again exactly", [f"{exact:,}" for _, exact in counts])
        print(f"  {time.perf_counter() - started:.0f} s", flush=True)
        if path and not seed:
            for share, (n_facts, weights) in zip(SHARES, found, strict=True):
                if weights is not None:
                    save(f"{path.removesuffix('.npz')}-{d}-{share:.0%}.npz", weights, n_facts)


def one(d, n_facts, share, growth, path):
    """Build once, and print what the evaluator counts."""
    started = time.perf_counter()
    weights, _ = attempt(d, n_facts, share, 0, growth)
    seconds = time.perf_counter() - started
    rounded, exact = counted_again(weights, n_facts)
    print(
        f"d = {d}, {n_facts:,} facts: {rounded:,} held in float32 ({rounded / n_facts:.2%}),"
        f" {exact:,} exactly; {seconds:.0f} s"
    )
    if path:
        save(path, weights, n_facts)


def null(d):
    """Gates that are equal for all tokens hold functions of one token alone."""
    for n_facts in (d * d // 4, d * d):
        weights = ours.build(d, n_facts, same=True)
        print(f"d = {d}, equal gates: {n_facts:,} facts, {ours.recall(weights, d, n_facts):.2%}")


def in_turn(d, n_facts, rounds):
    """Least squares in turn: what is recalled after half of the rounds and after all."""
    started = time.perf_counter()
    sizes = alternating.Sizes(first=2 * d, second=2 * d, answers=d, hidden=d)
    found = alternating.alternate(ours.challenge_facts(d, n_facts), sizes, rounds, seed=0)
    for done, weights in enumerate(found, 1):
        if done in (rounds // 2, rounds):
            rounded = evaluator.held_in_float32(*weights, n_facts)
            print(
                f"d = {d}, least squares in turn: {n_facts:,} facts, {rounded / n_facts:.2%} after"
                f" {done} rounds, {time.perf_counter() - started:.0f} s",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-d", type=int, nargs="+", default=[64], help="widths, even, at least 16")
    parser.add_argument("--seeds", type=int, default=1, help="of the gates: 0, 1, ...")
    parser.add_argument(
        "--low", type=float, default=2.25, help="bisection begins at LOW d^2 facts"
    )
    parser.add_argument("--facts", type=int, help="one attempt with so many facts, no bisection")
    parser.add_argument("--share", type=float, default=1.0, help="with --facts: put in this share")
    parser.add_argument(
        "--growth", type=float, default=ours.GROWTH, help="with --facts: of slopes; 0: a parabola"
    )
    parser.add_argument(
        "--save",
        metavar="FILE",
        help="store seed 0's weights: FILE-D-100%%.npz and FILE-D-90%%.npz; with --facts FILE.npz",
    )
    parser.add_argument("--null", action="store_true", help="gates that are equal for all tokens")
    parser.add_argument(
        "--alternating", type=int, metavar="ROUNDS", help="least squares in turn over U, E1, E2"
    )
    options = parser.parse_args()
    if refused := bad_input(options):
        parser.error(refused)
    try:
        run(options)
    except KeyboardInterrupt:
        progress("interrupted: each row above was built and counted again")
        sys.exit(130)


def bad_input(options):
    """What is wrong with the options, or None."""
    save, facts = options.save, options.facts
    if save and not Path(save).resolve().parent.is_dir():
        return f"--save {save}: there is no such folder"
    if save and facts is not None and len(options.d) > 1:
        return f"--save {save}: one file takes the weights of one d; got -d {options.d}"
    if any(d < 16 or d % 2 for d in options.d):
        return f"-d {options.d}: give even numbers from 16"
    pairs = 4 * min(options.d) ** 2
    if facts is not None and not 1 <= facts <= pairs:
        return f"--facts {facts}: there are 1 to {pairs} pairs at d = {min(options.d)}"
    if options.seeds < 1:
        return f"--seeds {options.seeds}: give at least 1"
    if options.alternating is not None and options.alternating < 1:
        return f"--alternating {options.alternating}: give at least 1 round"
    if not 1 / 64 <= options.low <= 4:
        return f"--low {options.low:g}: give 1/64, which is one step, to 4; there are 4 d^2 pairs"
    if not 0 < options.share <= 1:
        return f"--share {options.share:g}: give more than 0 and at most 1"
    if not 0 <= options.growth <= 1:
        return f"--growth {options.growth:g}: give 0 to 1"
    return None


def run(options):
    """What the options ask for, one d after the other."""
    for d in options.d:
        if options.null:
            null(d)
        elif options.alternating:
            in_turn(d, options.facts or d * d // 2, options.alternating)
        elif options.facts:
            one(d, options.facts, options.share, options.growth, options.save)
        else:
            table(d, options.seeds, options.low, options.save)


if __name__ == "__main__":
    main()
