"""What the heads of a layer add to the stream of the deciding position."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from verify.kernel.verdict import Undecided, require
from verify.symbolic.reading import Head
from verify.symbolic.rounding import leak
from verify.symbolic.run import Run, at_positions, token_sums
from verify.symbolic.unmet import Unmet
from verify.symbolic.values import Matrix, Values, added_up, product, size_of


@dataclass(frozen=True)
class Cases:
    """All choices of the letters at hand in a pass.

    Attributes:
        letters: their places in the path, which are positions.
        choices: int64 (R^letters, letters).
    """

    letters: list[int]
    choices: np.ndarray


@dataclass
class _Layer:
    """The heads of a layer, side by side: none sees what the others add.

    Attributes:
        before, moved: the stream, and the columns that layers before have written.
        cases: of the letters at hand.
        x: the stream with what the heads so far have added.
        together: int64 (d,), a bound on every partial sum of that.
        parts: numbers are multiples of its reciprocal.
        error: what leaks add to the error.
        later: what letters that are not at hand add, by position: int64 (choices, d).
    """

    before: Values
    moved: np.ndarray
    cases: Cases
    x: Values
    together: np.ndarray
    parts: int = 1
    error: Fraction = Fraction(0)
    later: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, part: Values) -> None:
        """Add what a head adds."""
        self.x = self.x.plus(part.const, part.at, part.key, part.coef)

    def add_later(self, position: int, rows: np.ndarray) -> None:
        """Add what each choice of a letter that is not at hand adds."""
        before = [self.later[position]] if position in self.later else []
        self.later[position] = added_up(rows, *before)


def attend(run: Run, x: Values, heads: list[Head], cases: Cases, where: str) -> Values:
    """Every head adds what it reads: of one position, or of all in equal parts."""
    layer = _Layer(x, run.moved.copy(), cases, x, run.sizes(x))
    for h, head in enumerate(heads):
        what = f"{where}, head {h}"
        query, key, value, output = head
        elsewhere = not ((key.reads | value.reads) & layer.moved).any()
        require(elsewhere, f"{what} reads elsewhere what a layer has written", Unmet)  # Lemma S3
        largest = token_sums(run, value)
        added = product(np.ones((1, len(largest)), np.int64), largest)[0]
        layer.together = added_up(layer.together, output.sums(added))
        run.setting.rounding.note(size_of(added))
        if len(query.dense):
            _select(run, layer, head, largest, what)
        else:
            _average(run, layer, value, output, what)
        run.moved |= output.writes
    for position, rows in layer.later.items():
        before = [run.free[position]] if position in run.free else []
        run.free[position] = added_up(rows, *before)
    run.setting.rounding.note(layer.parts * size_of(layer.together))
    run.error += layer.error
    return layer.x


def _average(run: Run, layer: _Layer, value: Matrix, output: Matrix, what: str) -> None:
    """A head without queries weighs all positions alike (Lemma S6)."""
    count, total = run.tokens.here + 1, Values(np.zeros_like(layer.x.const))
    layer.parts = count
    for position in range(count):
        part, rows = _value(run, layer.cases, value, output, position, what)
        total = total.plus(part.const, part.at, part.key, part.coef)
        if rows is not None:
            raise Undecided(f"{what} mixes letters that are not at hand")
    if count not in (1, 2, 4) or (total.const % count).any() or (total.coef % count).any():
        raise Undecided(f"{what}: the average of {count} positions is not whole, or is rounded")
    layer.add(Values(total.const // count, total.at, total.key, total.coef // count))


def _select(run: Run, layer: _Layer, head: Head, largest: np.ndarray, what: str) -> None:
    """In each case a head reads the position with the largest score (Lemmas S4 and S5), and others
    leak into it (Lemma S16).
    """
    query, key, value, output = head
    best, gap = _best(run, layer, query, key, what)
    read = np.sort(largest.max(axis=1, initial=0))
    apart = int(read[-1]) + int(read[-2])  # of two different positions, at most
    layer.error += leak(gap, run.tokens.here) * apart * output.norm
    for position in np.unique(best).tolist():
        part, rows = _value(run, layer.cases, value, output, position, what)
        chosen = best == position
        if rows is not None:
            always = f"{what} reads letter {position}, which is not at hand, in some cases only"
            require(chosen.all(), always, Unmet)
            layer.add_later(position, rows)
        kept = chosen[part.at // run.setting.model.d]
        const = part.const * chosen[:, None]
        layer.add(Values(const, part.at[kept], part.key[kept], part.coef[kept]))


def _best(
    run: Run, layer: _Layer, query: Matrix, key: Matrix, what: str
) -> tuple[np.ndarray, int]:
    """The position with the largest score in each case, and by how much it is larger than all
    others in real arithmetic (Lemmas S4 and S16).
    """
    asked = run.read(layer.before, query, what)
    require(not len(asked.at), f"{what}: its query depends on the facts", Unmet)
    keys = _keys(run, key, what)
    scores = product(asked.const, keys.T)
    ordered = np.sort(scores, axis=1)
    gap = int((ordered[:, -1] - ordered[:, -2]).min())
    require(gap > 0, f"{what}: two positions have the same score", Unmet)
    # Queries, and so scores, are multiples of a power of two, which takes no bits of a float.
    sums, held = query.sums(run.sizes(layer.before)), token_sums(run, key).max(axis=0)
    scored, rounding = int(product(sums, held)), run.setting.rounding
    rounding.note(size_of(sums) // query.grain, size_of(held), scored // query.grain)
    rounding.note_scores(scored, gap)
    if (query.reads & layer.moved).any():
        shaken = 2 * run.error * query.norm * int(np.abs(keys).sum(axis=1).max())
        if shaken > 1:
            raise Undecided(f"{what}: earlier leaks may move its scores by more than 1")
        gap -= 1
    return scores.argmax(axis=1), gap


def _keys(run: Run, key: Matrix, what: str) -> np.ndarray:
    """The key of each position, whatever token it holds, (positions, out) (Lemma S4)."""
    found, subject = [], run.setting.subject
    for i, rows in enumerate(run.tokens.kinds):
        if rows is None:
            constant = not key.reads[subject.columns].any()
            require(constant, f"{what}: a key depends on the facts", Unmet)
            rows = subject.row[None]
        keys = product(rows, key.dense.T)
        position = int(np.argmax(run.tokens.kind == i))
        alike = (keys == keys[0]).all()
        require(alike, f"{what}: the key of position {position} depends on its letter", Unmet)
        found.append(keys[0])
    keys_of: np.ndarray = at_positions(run, key) + np.stack(found)[run.tokens.kind]
    return keys_of


def _value(
    run: Run, cases: Cases, value: Matrix, output: Matrix, position: int, what: str
) -> tuple[Values, np.ndarray | None]:
    """What a head adds that reads a position (Lemma S5); and for a letter that is not at hand what
    each choice adds to that.
    """
    subject, rows, n = run.setting.subject, run.tokens.rows[position], len(cases.choices)
    fixed = Values(run.setting.model.positions[position][None])
    if rows is None:
        columns = np.flatnonzero(value.reads & (subject.layout.length >= 0))
        if len(columns) and (position != run.at_hand or run.now is not subject.layout):
            raise Undecided(f"{what} reads an entity that is not at hand")
        fixed = fixed.plus(subject.row, columns, columns, subject.layout.scale[columns])
        return fixed.through(value).through(output).repeated(n), None
    always = fixed.through(value).through(output).repeated(n)
    added = product(product(rows, value.dense.T), output.dense.T)
    if position in cases.letters:
        return always.plus(added[cases.choices[:, cases.letters.index(position)]]), None
    return (always, added) if len(rows) > 1 else (always.plus(added), None)
