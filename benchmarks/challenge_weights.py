"""Weights for the challenge, from one system of linear equations: `U ReLU(E1[a] + E2[b])` of width
d that holds random facts (a, b) -> label over 2d tokens and d labels.

1. *Gates.* The first d - 2 hidden units form groups of about g units, half of them with sign plus,
   half with minus. In a group every first token holds the levels 0, ..., g - 1 in an order of its
   own, every second token one level q of 0, ..., g; a unit is open where its level is below q. So
   which units are open depends on both tokens. But `sum of (q - level - 1/2) over open units` is
   q^2 / 2, whatever the order: a gap G times these gates adds nothing that depends on both tokens.
2. *Facts.* x[a] and y[b] are added to the gates. While no gate turns, the signed sum of the open
   units is linear in all x and y together: about 4 d^2 unknowns, and one equation for each fact,
   "the signed sum is the number of the label". Conjugate gradients find the least solution.
3. *Gap.* G is chosen just large enough that no x + y turns a gate at any fact.
4. *Readout.* Unit d - 2 is always open and carries what depends on one token alone; unit d - 1 is
   the constant 1. The logits are lines in the sum s, and line u is the highest where s is within
   1/2 of label u. With slopes u this is the parabola `u s - u^2 / 2`; slopes that grow
   geometrically (sinh) lose less to rounding.

docs/challenge.md says why, and how many facts that can hold.
"""

from typing import NamedTuple

import numpy as np
import torch

GROWTH = 0.55  # how fast the slopes of the readout grow; 0: a parabola
ENDS = 0.2  # how often a second token opens none or all of a group, against any other level
TOLERANCE = 0.05  # of the signed sum; an error of 1/2 would be the next label
STEPS = 1000  # of conjugate gradients, at most


class Weights(NamedTuple):
    """E1 and E2 (2d, d), U (d, d), float32; gap G, largest |x| or |y|, steps of the solver."""

    e1: np.ndarray
    e2: np.ndarray
    u: np.ndarray
    gap: float
    largest: float
    steps: int


class Gates(NamedTuple):
    """Levels of first tokens (2d, d - 2), negative, and of second tokens (2d, d - 2): a unit is
    open where their sum is positive. Signs of the units and their groups (d - 2,); the signed sum
    of q^2 / 2 of each second token (2d,).
    """

    first: np.ndarray
    second: np.ndarray
    sign: np.ndarray
    group: np.ndarray
    base: np.ndarray


def challenge_facts(d, n_facts):
    """First tokens, second tokens, labels (n_facts,), as the challenge draws them: with torch."""
    generator = torch.Generator().manual_seed(42)
    pairs = torch.randperm(4 * d * d, generator=generator).numpy()[:n_facts]
    return pairs // (2 * d), pairs % (2 * d), np.arange(n_facts) % d


def best_group(d):
    """The g that loses least of the unknowns is the root of 2d (2 d^2 / g are lost to sums over a
    group, d g to what x and y both say). It is less where d is small, so that there are six groups
    and the levels of second tokens differ, and where d is large, for rounding: units grow with g.
    """
    return min((2 * d) ** 0.5, (d - 2) / 6, 12)


def group_sizes(d, g):
    """Sizes near g of an even number of groups, d - 2 units together."""
    n = max(2, 2 * round((d - 2) / g / 2))
    return [(d - 2) // n + (i < (d - 2) % n) for i in range(n)]


def draw_gates(d, g, seed, same=False):
    """Gates in groups of about g; `same`: all tokens get those of token 0, as a null."""
    rng, n = np.random.default_rng(seed), 2 * d
    sizes = group_sizes(d, g)
    sign = np.where(np.arange(len(sizes)) % 2 == 0, 1.0, -1.0)
    first = np.concatenate([-0.5 - np.argsort(rng.random((n, size)), 1) for size in sizes], 1)
    levels = draw_levels(sizes, sign, n, rng)
    if same:
        first[:], levels[:] = first[0], levels[0]
    # units of plus and minus groups alternate, so that partial sums stay small
    order = np.argsort(np.concatenate([np.arange(size) for size in sizes]), kind="stable")
    return Gates(
        first[:, order],
        np.repeat(levels, sizes, 1)[:, order].astype(float),
        np.repeat(sign, sizes)[order],
        np.repeat(np.arange(len(sizes)), sizes)[order],
        (levels**2 / 2) @ sign,
    )


def independent_at_most(d, gates, g):
    """How many of the equations for all 4 d^2 pairs can be independent (proof: docs/challenge.md);
    it is their rank where no level is rare.
    """
    levels, n, count = gates.second.astype(int), 2 * d, 4 * d - 1
    for group, size in enumerate(group_sizes(d, g)):
        q = levels[:, gates.group == group][:, 0]
        inside, closed = np.count_nonzero((q > 0) & (q < size)), np.count_nonzero(q == 0)
        count += n * size + inside * size + (n - inside - closed)
        count -= size * (size - 1) + 1 + (n - closed)
    return count


def draw_levels(sizes, sign, n, rng):
    """Levels of n second tokens in each group (n, groups): 0, ..., size equally often, but none
    and all of the group (0, size) less often. No two tokens have equal levels throughout:
    x could not tell them apart.
    """
    for _ in range(100):
        ends = [max(ENDS, 1 / size) for size in sizes]
        shares = [
            np.cumsum(np.r_[end, np.ones(size - 1), end])
            for end, size in zip(ends, sizes, strict=True)
        ]
        at = (np.arange(n) + 0.5) / n
        levels = np.stack([rng.permutation(np.searchsorted(s, at * s[-1])) for s in shares], 1)
        balance(levels, sign, rng)
        if len(np.unique(levels, axis=0)) == n:
            return levels
    raise ValueError(f"{n} tokens, groups of {sizes}: no distinct levels found; give a smaller g")


def balance(levels, sign, rng, rounds=2000):
    """Exchange levels between pairs of tokens, in place, until the signed sum of q^2 / 2, which
    the gap multiplies, is for no token larger than that of one group.
    """
    n, groups = levels.shape
    total, enough = (levels**2 / 2) @ sign, levels.max() ** 2 / 4
    for _ in range(rounds):
        if np.abs(total).max() <= enough:
            return
        one, other = rng.permutation(n).reshape(2, -1)
        group = rng.integers(groups, size=n // 2)
        change = sign[group] * (levels[other, group] ** 2 - levels[one, group] ** 2) / 2
        better = change * (total[one] - total[other] + change) < 0
        better &= np.maximum(np.abs(total[one]), np.abs(total[other])) > enough
        one, other, group, change = one[better], other[better], group[better], change[better]
        levels[one, group], levels[other, group] = levels[other, group], levels[one, group]
        total[one] += change
        total[other] -= change


class Blocks:
    """The equations' matrix for one side, token by token: rows of a token's facts, in coordinates
    in which they are orthonormal (almost: `RIDGE` keeps blocks of low rank invertible).
    """

    RIDGE = 1e-4

    def __init__(self, tokens, n_tokens, rows):
        """`tokens` (n_facts,), `rows` (n_facts, d - 1) float32."""
        self.n_facts, width = rows.shape
        counts = np.bincount(tokens, minlength=n_tokens)
        order, ends = np.argsort(tokens, kind="stable"), np.cumsum(counts)
        place = np.arange(self.n_facts) - (ends - counts)[tokens[order]]
        # the facts of each token; n_facts where it has fewer than others
        self.facts = np.full((n_tokens, counts.max()), self.n_facts)
        self.facts[tokens[order], place] = order
        self.rows = np.concatenate([rows, np.zeros((1, width), rows.dtype)])[self.facts]
        self.change = np.empty((n_tokens, width, width))
        for token, block in enumerate(self.rows):
            exact = block.astype(float)
            gram = exact.T @ exact
            gram[np.diag_indices(width)] += self.RIDGE * (1 + np.trace(gram)) / width
            self.change[token] = np.linalg.inv(np.linalg.cholesky(gram)).T
            self.rows[token] = exact @ self.change[token]

    def times(self, x):
        """Sums of the facts (n_facts,) for coordinates x (n_tokens, d - 1)."""
        sums = np.empty(self.n_facts + 1, np.float32)
        sums[self.facts] = (self.rows @ x[:, :, None])[:, :, 0]
        return sums[:-1]

    def transposed(self, sums):
        """The transpose: from (n_facts,) to (n_tokens, d - 1)."""
        padded = np.append(sums, np.float32(0))[self.facts]
        return (self.rows.transpose(0, 2, 1) @ padded[:, :, None])[:, :, 0]

    def values(self, x):
        """Coordinates x as values of the hidden units, float64."""
        return (self.change @ x[:, :, None].astype(float))[:, :, 0]


def solve(blocks, targets):
    """Least x for which both blocks together sum to the targets (n_facts,), and the steps taken.

    Conjugate gradients on the normal equations; where there is no solution, an approximation.
    """
    rest = targets.astype(np.float32)
    gradient = [block.transposed(rest) for block in blocks]
    found = [np.zeros_like(part) for part in gradient]
    direction, size = gradient, sum(float((part**2).sum()) for part in gradient)
    first = size
    steps = 0
    while steps < STEPS:
        steps += 1
        image = sum(block.times(part) for block, part in zip(blocks, direction, strict=True))
        length = np.float32(size / max(float(image @ image), 1e-30))
        found = [x + length * part for x, part in zip(found, direction, strict=True)]
        rest -= length * image
        if np.abs(rest).max() < TOLERANCE or size < 1e-10 * first:
            break
        gradient = [block.transposed(rest) for block in blocks]
        size, before = sum(float((part**2).sum()) for part in gradient), size
        direction = [
            part + np.float32(size / max(before, 1e-30)) * old
            for part, old in zip(gradient, direction, strict=True)
        ]
    return found, steps


def slopes_and_offsets(d, growth=GROWTH):
    """Lines (d,), (d,): line u is the highest for sums within 1/2 of `u - (d - 1) / 2`."""
    numbers = np.arange(d) - (d - 1) / 2
    slopes = np.sinh(growth * numbers) / growth if growth else numbers
    falls = -np.diff(slopes) * (numbers[1:] - 0.5)  # neighbours meet half-way
    # added up from the middle outwards, where they are small
    below, above = falls[: d // 2], falls[d // 2 :]
    offsets = np.concatenate([-np.cumsum(below[::-1])[::-1], [0], np.cumsum(above)])
    return slopes, offsets


def build(d, n_facts, *, share=1.0, seed=0, g=None, growth=GROWTH, same=False):
    """Weights that hold the first `share` of the challenge's first n_facts facts.

    d even and at least 16; n_facts at most 4 d^2. Where these are more facts than the equations
    can hold, most of them are wrong: `recall` says.
    """
    if d < 16 or d % 2 or not 1 <= n_facts <= 4 * d * d:
        raise ValueError(f"d = {d}, {n_facts} facts: give an even d >= 16 and 1 to 4 d^2 facts")
    a, b, labels = (
        column[: int(np.ceil(share * n_facts))] for column in challenge_facts(d, n_facts)
    )
    gates = draw_gates(d, best_group(d) if g is None else g, seed, same)
    rows = np.ones((len(a), d - 1), np.float32)
    # half of every unit is left to unit d - 2: the equations are better conditioned
    np.subtract(gates.first[a] + gates.second[b] > 0, 0.5, out=rows[:, :-1])
    rows[:, :-1] *= gates.sign
    blocks = [Blocks(a, 2 * d, rows), Blocks(b, 2 * d, rows)]
    found, steps = solve(blocks, labels - (d - 1) / 2)
    x, y = (block.values(part) for block, part in zip(blocks, found, strict=True))
    del blocks, rows
    gap = least_gap(gates, x[:, :-1], y[:, :-1], a, b)
    alone = [part[:, -1] - part[:, :-1] @ gates.sign / 2 for part in (x, y)]
    alone[1] -= gap * gates.base
    constant = 1 - (alone[0][a] + alone[1][b]).min()
    slopes, offsets = slopes_and_offsets(d, growth)
    ones = np.ones((2 * d, 1))
    e1 = [gap * gates.first + x[:, :-1], alone[0][:, None] + constant, ones]
    e2 = [gap * gates.second + y[:, :-1], alone[1][:, None], 0 * ones]
    u = [slopes[:, None] * gates.sign, slopes[:, None], (offsets - slopes * constant)[:, None]]
    return Weights(
        *(np.concatenate(parts, 1).astype(np.float32) for parts in (e1, e2, u)),
        gap,
        float(max(np.abs(x[:, :-1]).max(), np.abs(y[:, :-1]).max())),
        steps,
    )


def least_gap(gates, x, y, a, b):
    """The least G > 0 for which no gate turns at any fact, and a thousandth more."""
    gap = 0.0
    for some in np.array_split(np.arange(len(a)), 1 + len(a) // 8192):
        levels = gates.first[a[some]] + gates.second[b[some]]
        gap = max(gap, float((-(x[a[some]] + y[b[some]]) / levels).max()))
    return 1.001 * gap + 1e-6


def recall(weights, d, n_facts):
    """The share of the first n_facts facts whose label has the largest float32 logit."""
    a, b, labels = challenge_facts(d, n_facts)
    right = 0
    for some in np.array_split(np.arange(n_facts), 1 + n_facts // 8192):
        hidden = np.maximum(weights.e1[a[some]] + weights.e2[b[some]], 0)
        right += int(((hidden @ weights.u.T).argmax(1) == labels[some]).sum())
    return right / n_facts
