"""The logits of a final state: the right token's is above all others, by how much."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from verify.kernel.verdict import Refuted, Undecided, require
from verify.reading.stored import integers
from verify.symbolic.layouts import MOST_BITS
from verify.symbolic.reading import AT_ONCE
from verify.symbolic.run import Run
from verify.symbolic.unmet import Unmet
from verify.symbolic.values import LARGEST, bounded, size_of

MOST_KINDS = 64  # ways in which rows of the unembedding may differ beside their codes


@dataclass(frozen=True)
class Final:
    """The final state of a case: `const`, and `coef` times an unknown in some columns.

    Attributes:
        const: int64 (d,).
        column, key, coef: int64, one entry for each unknown: where it stands, which it is.
        answer: bool, whether it is a part of the answer.
        nodes: the nodes that it may be.
        target: the token that is right for each.
    """

    const: np.ndarray
    column: np.ndarray
    key: np.ndarray
    coef: np.ndarray
    answer: np.ndarray
    nodes: np.ndarray
    target: np.ndarray

    @property
    def fixed(self) -> np.ndarray:
        """The columns that hold a constant."""
        return np.flatnonzero(self.const)

    @property
    def columns(self) -> np.ndarray:
        """All columns that are read: first the fixed ones, then those of unknowns."""
        return np.concatenate([self.fixed, self.column])


@dataclass(frozen=True)
class _Logits:
    """Twice the logit of every token: with a bit `(1 + y) / 2` they are `base + <g, y>`, up to
    `aside` for what else varies (Lemma S12).

    Attributes (int64, one entry or row for each token):
        base, aside: see above.
        g: (d_vocab, bits).
    """

    base: np.ndarray
    aside: np.ndarray
    g: np.ndarray

    @property
    def reach(self) -> np.ndarray:
        """At most so large in any state."""
        most: np.ndarray = self.base + np.abs(self.g).sum(axis=1) + self.aside
        return most

    def of(self, tokens: np.ndarray, number: np.ndarray) -> np.ndarray:
        """At least so large, of tokens in the states of these numbers."""
        least: np.ndarray = self.base[tokens] - self.aside[tokens]
        some = AT_ONCE // 64
        for start in range(0, len(tokens), some):
            here = slice(start, start + some)
            y = 2 * ((number[here, None] >> np.arange(self.g.shape[1])) & 1) - 1
            least[here] += (self.g[tokens[here]] * y).sum(axis=1)
        return least


@dataclass
class _Margin:
    """The least margins so far, doubled: for each node in the limit, and over all nodes in real
    arithmetic.
    """

    limit: np.ndarray
    real: Fraction

    def note_real(self, real: Fraction) -> None:
        """The margin is no larger than this."""
        self.real = min(self.real, real)


def separate(run: Run, final: Final, beside: int) -> tuple[Fraction, Fraction]:
    """Of a final state that spells any of the nodes, the target has the largest logit; by how
    much, in the limit and in real arithmetic.

    Letters that are not at hand add at most `beside` to the sums of a logit (Lemma S17).
    """
    books, now, answer = run.setting.books, run.now, final.answer
    book = int(now.book[final.key[answer]][0]) if answer.any() else 0
    bits = (books.bits[book] or 0) if answer.any() else 0
    of_numbers = answer.any() and books.base[book] != 2
    constant, most, aside, g = _scored(run, final, beside, None if of_numbers else bits)
    number = books.numbers[book][final.nodes]
    if of_numbers:
        if not answer.all():
            raise Undecided("decoder: numbers beside other codes")
        held = number[:, None].repeat(len(final.key), axis=1)
        least = _nearest(constant, g, now.digit(final.key, held) if bits else held, final.target)
        return _beside_leaks(least, least - 2 * run.error * _norm(run, run.moved))
    return _apart(run, final, number, _Logits(2 * constant + most, aside, g))


def _scored(run: Run, final: Final, beside: int, bits: int | None) -> list[np.ndarray]:
    """What every row of the unembedding makes of a final state, some rows at a time: int64
    (d_vocab,) of what is constant, of the most that unknowns add, of the most of those aside; and
    g (d_vocab, bits), or without bits the coefficient of each unknown.
    """
    model, now, fixed, answer = run.setting.model, run.now, final.fixed, final.answer
    top, known = now.top[final.key], final.const[final.fixed]
    # of each column: of what it holds, and of the coefficient of an unknown that is 0
    sizes = np.concatenate([known, final.coef.astype(object) * np.maximum(top, 1)])
    some, found = max(1, AT_ONCE // max(1, len(final.columns))), []
    for start in range(0, model.n_vocab, some):
        held = model.rows("unembedding", (slice(start, start + some), final.columns))
        bounded(4 * int(np.abs(held).max(axis=0, initial=0) @ np.abs(sizes)))
        sure, varied = held[:, : len(fixed)], held[:, len(fixed) :] * final.coef
        largest = np.abs(sure) @ np.abs(known) + np.abs(varied) @ top
        run.setting.rounding.note(size_of(largest) + beside)
        g = varied if bits is None else np.zeros((len(held), bits), np.int64)
        if bits is not None:
            np.add.at(g.T, now.bit[final.key[answer]], varied[:, answer].T)
        aside = np.abs(varied[:, ~answer]) @ top[~answer]
        found.append((sure @ known, varied @ top, aside, g))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _apart(
    run: Run, final: Final, number: np.ndarray, logits: _Logits
) -> tuple[Fraction, Fraction]:
    """The least margins where bits, or nothing, spell the answer (Lemmas S12 and S14)."""
    target, most = final.target, 2**MOST_BITS
    own, reach, kind_of = logits.of(target, number), logits.reach, _kinds(logits)
    margin = _Margin(np.full(len(final.nodes), most), Fraction(most))
    total = 4 * run.error * _norm(run, run.moved)  # Lemma S16
    # What is of no kind may reach its largest logit in any state.
    rest = np.flatnonzero(kind_of < 0)
    for token in rest[np.argsort(reach[rest])[-2:]]:
        apart = np.where(target == token, margin.limit, own - reach[token])
        margin.limit = np.minimum(margin.limit, apart)
        margin.note_real(int(apart.min()) - total)
    lost = _lost(run, final, logits.g.shape[1])
    for kind in np.unique(kind_of[kind_of >= 0]):
        tokens = np.flatnonzero(kind_of == kind)
        _of_kind(margin, tokens, logits, number, target, own, total, lost)
    for i in np.flatnonzero(margin.limit <= 0)[:1]:
        names, node = run.setting.model.names, run.setting.model.name(final.nodes[i])
        raise Refuted(
            f"decoder: where the state spells {node}, the logit of {names[target[i]]} is not above"
            f" all others: the difference is {margin.limit[i]} / 2"
        )
    return _beside_leaks(Fraction(int(margin.limit.min()), 2), margin.real / 2)


def _beside_leaks(limit: Fraction, real: Fraction) -> tuple[Fraction, Fraction]:
    """Both margins, of which that in real arithmetic must be positive (Lemma S16)."""
    if real <= 0:
        raise Undecided(f"decoder: the margin is {limit}, and leaks may take all of it")
    return limit, real


def _kinds(logits: _Logits) -> np.ndarray:
    """Tokens with one base, one size of all entries of g and one aside are of one kind, int64
    (d_vocab,); -1 of no kind (Lemma S12).
    """
    size = np.abs(logits.g).min(axis=1, initial=LARGEST)
    coded = (size > 0) & (size == np.abs(logits.g).max(axis=1, initial=0))
    described = np.stack([logits.base, size, logits.aside])[:, coded]
    kind = np.zeros(np.count_nonzero(coded), int)
    if (described != described[:, :1]).any():
        kind = np.unique(described, axis=1, return_inverse=True)[1].ravel()
    kind_of = np.full(len(coded), -1)
    kind_of[coded] = np.where(kind < MOST_KINDS, kind, -1)
    return kind_of


def _lost(run: Run, final: Final, bits: int) -> tuple[Fraction, Fraction] | None:
    """What leaks take of the difference of two codes in one bit: a factor of twice its size, and
    what stands beside the code; None where bits share columns (Lemma S16).
    """
    answer = final.answer
    if not answer.any() or np.count_nonzero(answer) != bits:
        return None
    elsewhere = ~np.isin(np.arange(run.setting.model.d), final.column[answer])
    beside = 4 * run.error * _norm(run, run.moved & elsewhere)
    return 2 * run.error / int(np.abs(final.coef[answer]).min()), beside


def _of_kind(
    margin: _Margin,
    tokens: np.ndarray,
    logits: _Logits,
    number: np.ndarray,
    target: np.ndarray,
    own: np.ndarray,
    total: Fraction,
    lost: tuple[Fraction, Fraction] | None,
) -> None:
    """Tokens of one kind have sign codes: two different ones are 2 size apart at least
    (Lemma S12).
    """
    code = ((logits.g[tokens] > 0) << np.arange(logits.g.shape[1])).sum(axis=1)
    order = np.argsort(code)
    tokens, code = tokens[order], code[order]
    require((np.diff(code) > 0).all(), "decoder: two tokens have the same code", Unmet)
    at = np.minimum(np.searchsorted(code, number), len(code) - 1)
    owner = np.where(code[at] == number, tokens[at], -1)
    first = tokens[0]
    most, size = int(logits.reach[first]), np.abs(logits.g[first]).min(initial=LARGEST)
    step = 2 * int(size)
    apart = own - np.where((owner >= 0) & (owner != target), most, most - step)
    if len(tokens) == 1:
        apart = np.where(target == first, margin.limit, apart)
    margin.limit, mine = np.minimum(margin.limit, apart), owner == target
    if len(tokens) > 1 and mine.any():
        # Where each bit has a column of its own, two codes may differ in a single one.
        taken = total if lost is None else step * lost[0] + lost[1]
        margin.note_real(int(apart[mine].min()) - taken)
    if not mine.all():
        margin.note_real(int(apart[~mine].min()) - total)


def _nearest(
    base: np.ndarray, slope: np.ndarray, held: np.ndarray, target: np.ndarray
) -> Fraction:
    """The least margin in the limit where columns hold a number, or digits, v: of
    tokens with `2 <n, v> - |n|^2` that of the nearest n has the largest logit (Lemma S13).

    Args:
        base, slope: int64 (d_vocab,) and (d_vocab, columns): the logits are `base + <slope, v>`.
        held: int64 (nodes, columns), the v of each node.
        target: int64 (nodes,), the token that is right for it.
    """
    n, width = slope // 2, slope.shape[1]
    largest = max(size_of(n), size_of(held)) * max(2 * size_of(slope), size_of(held))
    bounded(largest * width + size_of(base))
    field = (slope == 2 * n).all(axis=1) & (base == -(n * n).sum(axis=1))
    fits = field[target].all() and (n[target] == held).all()
    require(fits, "decoder: an answer's row is not 2 n v - n^2 for its number n", Unmet)
    known = np.unique(n[field], axis=0)
    different = len(known) == np.count_nonzero(field)
    require(different, "decoder: two tokens have the same number", Unmet)
    margin = 1 if len(known) > 1 else LARGEST
    if width == 1:
        padded, number = np.concatenate([[-(2**30)], known[:, 0], [2**31]]), held[:, 0]
        at = np.searchsorted(known[:, 0], number) + 1
        margin = int(np.minimum(number - padded[at - 1], padded[at + 1] - number).min()) ** 2
    others = np.unique(np.column_stack([base, slope])[~field], axis=0)
    if len(others) > MOST_KINDS:
        raise Undecided("decoder: too many kinds of rows beside the numbers")
    for b, *c in others:
        apart = (held * held).sum(axis=1) - b - held @ np.array(c, dtype=np.int64)
        margin = min(margin, int(apart.min()))
    require(margin > 0, f"decoder: the smallest margin is {margin}")
    return Fraction(margin)


def _norm(run: Run, columns: np.ndarray) -> int:
    """The largest sum of absolute values of a row of the unembedding in these columns; 0 if there
    are no leaks (Lemma S16).
    """

    def look(_: slice, held: np.ndarray) -> int:
        rows = integers(held[:, columns], "unembedding.weight").astype(np.int64)
        return int(np.abs(rows).sum(axis=1).max())

    model = run.setting.model
    return max(model.over("unembedding", model.n_vocab if run.error else 0, look), default=0)
