"""Count the facts that stored weights hold, apart from whatever made them.

    python benchmarks/challenge_evaluator.py weights.npz
    python benchmarks/challenge_evaluator.py weights.npz --facts 7680

The file (.npz) holds `e1` and `e2` (2d, d) and `u` (d, d) in float32, and `n_facts`. A fact
(a, b) -> label is held if logit `label` of `u ReLU(e1[a] + e2[b])` is larger than every other:
a tie or a NaN is wrong. This is counted

* in float32, as the challenge does;
* exactly: what the same weights say without rounding, in float64 with a bound on its error, and
  in rational numbers where the bound does not decide.

Facts are those of the challenge (github.com/LindaLinsefors/Memory-Toy-Models): all pairs of 2d
tokens, shuffled by `torch.randperm` on the CPU with seed 42; the i-th has label i mod d. (There
they are sorted by label afterwards, which changes no fact.) This file shares no code with
challenge_weights.py.
"""

import argparse
from fractions import Fraction

import numpy as np
import torch


def facts_of(d, n):
    """The first n facts: an int64 array (n, 3) of first token, second token, label."""
    every = torch.cartesian_prod(torch.arange(2 * d), torch.arange(2 * d))
    shuffled = every[torch.randperm(len(every), generator=torch.Generator().manual_seed(42))[:n]]
    labels = torch.arange(n) % d
    by_label = torch.argsort(labels, stable=True)
    return torch.cat([shuffled[by_label], labels[by_label, None]], 1).numpy()


def checked(e1, e2, u):
    """d, after a look at shapes and dtypes."""
    d = len(u)
    for name, given, shape in (("e1", e1, (2 * d, d)), ("e2", e2, (2 * d, d)), ("u", u, (d, d))):
        if given.shape != shape or given.dtype != np.float32:
            raise ValueError(f"{name} is {given.dtype} {given.shape}; expected float32 {shape}")
    return d


def larger_than_all_others(logits, labels):
    """For each row whether `logits[label]` is strictly the largest; NaN never is."""
    at = np.arange(len(labels))
    own = logits[at, labels]
    rest = logits.copy()
    rest[at, labels] = -np.inf
    return (own > rest.max(1)) & ~np.isnan(logits).any(1)


def held_in_float32(e1, e2, u, n):
    """How many of the first n facts these weights hold, all steps in float32."""
    d, right = checked(e1, e2, u), 0
    facts = facts_of(d, n)
    for start in range(0, n, 4096):
        a, b, label = facts[start : start + 4096].T
        with np.errstate(all="ignore"):
            logits = np.maximum(e1[a] + e2[b], np.float32(0)) @ u.T
        right += int(larger_than_all_others(logits, label).sum())
    return right


def held_exactly(e1, e2, u, n):
    """How many facts the weights hold without any rounding, and how many needed fractions."""
    d, right, undecided = checked(e1, e2, u), 0, []
    if not all(np.isfinite(part).all() for part in (e1, e2, u)):
        raise ValueError("weights that are not finite have no exact logits")
    facts = facts_of(d, n)
    w1, w2, wu = (part.astype(np.float64) for part in (e1, e2, u))
    # d + 2 roundings, each of relative size 2^-53, with room for second-order terms
    relative = 1.01 * (d + 2) * 2.0**-53
    for start in range(0, n, 4096):
        a, b, label = facts[start : start + 4096].T
        hidden = np.maximum(w1[a] + w2[b], 0)
        logits = hidden @ wu.T
        error = relative * (hidden @ np.abs(wu).T)
        at = np.arange(len(label))
        own, own_error = logits[at, label], error[at, label]
        below, above = logits + error, logits - error
        below[at, label] = above[at, label] = -np.inf
        surely = own - own_error > below.max(1)
        surely_not = own + own_error < above.max(1)
        right += int(surely.sum())
        undecided += [*facts[start : start + 4096][~surely & ~surely_not]]
    right += sum(held_as_fractions(e1, e2, u, *fact) for fact in undecided)
    return right, len(undecided)


def held_as_fractions(e1, e2, u, a, b, label):
    """Whether one fact is held, in rational numbers."""
    hidden = [
        max(Fraction(float(x)) + Fraction(float(y)), Fraction(0))
        for x, y in zip(e1[a], e2[b], strict=True)
    ]
    logits = [sum(Fraction(float(w)) * h for w, h in zip(row, hidden, strict=True)) for row in u]
    return all(logits[label] > logit for i, logit in enumerate(logits) if i != label)


def read(path):
    """The arrays of a file, and how many facts it says it holds."""
    try:
        stored = np.load(path)
    except (EOFError, ValueError):  # as of a text; numpy would have it loaded unsafely
        raise ValueError("it is no .npz file") from None
    with stored:
        return stored["e1"], stored["e2"], stored["u"], int(stored["n_facts"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", metavar="FILE.npz")
    parser.add_argument("--facts", type=int, help="how many, instead of what the file says")
    options = parser.parse_args()
    for path in options.weights:
        try:
            e1, e2, u, stored = read(path)
            d = checked(e1, e2, u)
        except (OSError, ValueError, KeyError) as wrong:
            parser.error(f"{path}: not the weights of a challenge: {wrong}")
        n = stored if options.facts is None else options.facts
        if not 1 <= n <= 4 * d * d:
            parser.error(f"{path}: {n} facts; there are {4 * d * d}")
        rounded, (exact, fractions) = held_in_float32(e1, e2, u, n), held_exactly(e1, e2, u, n)
        print(
            f"{path}: d = {d}, {n:,} facts; float32: {rounded:,} held, {rounded / n:.4%}; ", end=""
        )
        print(f"exactly: {exact:,}, {exact / n:.4%} ({fractions} decided in fractions)")


if __name__ == "__main__":
    main()
