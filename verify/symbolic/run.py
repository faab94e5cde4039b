"""The state of a proof at one deciding position: what is known of the stream there, and of the
tokens before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from verify.kernel.verdict import Undecided, require
from verify.symbolic.layouts import Block, Books, Layout, Words
from verify.symbolic.reading import Model
from verify.symbolic.rounding import Rounding
from verify.symbolic.subject import Subject
from verify.symbolic.unmet import Unmet
from verify.symbolic.values import Matrix, Values, added_up, product, size_of


@dataclass(frozen=True)
class Setting:
    """What is the same at all deciding positions.

    Attributes:
        model, books, words, subject: what is stored, and what is known of it.
        per_token: of a chain of thought: so many hops for each written token; else 0.
        rounding: where large sums are noted.
        placed: matrices times the rows of `positions`, kept (see `at_positions`).
    """

    model: Model
    books: Books
    words: Words
    subject: Subject
    per_token: int
    rounding: Rounding
    placed: dict[tuple[int, bool], np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Tokens:
    """Which tokens may stand at every position up to the deciding one.

    Attributes:
        here: the deciding position.
        rows: for each position the rows of the embedding that its token may have; None is an
            entity, whose row varies.
        kinds: the different ones among them.
        kind: int64 (here + 1,), which of them each position has.
    """

    here: int
    rows: list[np.ndarray | None]
    kinds: list[np.ndarray | None]
    kind: np.ndarray


@dataclass
class Run:
    """One deciding position, between two steps of the proof.

    Attributes:
        setting, tokens: what stays as it is.
        at_hand: the position of the node at hand, whose entity's embedding is known.
        now: the layout, as seen from the node at hand.
        free: what a letter that is not at hand adds, a row for each choice: int64 (choices, d).
        used: bool (d,), the columns of `now` that something has read.
        moved: bool (d,), the columns that a layer has written.
        stale: bool (d,), the columns of which nothing is known.
        error: how far the stream may be from its limit, in any column (Lemma S16).
        shared: how many amounts the units of a layer that several nodes share have taken.
    """

    setting: Setting
    tokens: Tokens
    at_hand: int
    now: Layout
    free: dict[int | str, np.ndarray]
    used: np.ndarray
    moved: np.ndarray
    stale: np.ndarray
    error: Fraction = Fraction(0)
    shared: int = 0

    def read(self, x: Values, matrix: Matrix, what: str) -> Values:
        """The matrix times the stream, if it may read that."""
        self.require_known(matrix, what)
        return x.plus(self.first_choices()).through(matrix)

    def require_known(self, matrix: Matrix, what: str) -> None:
        """A matrix that reads the stream may not read what is not known, nor tell letters apart
        that are not at hand (the invariant; Lemmas S4 and S7 to S10 rely on it).
        """
        reads = matrix.reads
        known = not reads[self.stale].any()
        require(known, f"{what} reads a column of which nothing is known", Unmet)
        for letter, table in self.free.items():
            apart = product((table - table[0])[:, reads], matrix.dense[:, reads].T)
            alike = not apart.any()
            require(alike, f"{what} tells letters apart that are not at hand ({letter})", Unmet)

    def first_choices(self) -> np.ndarray:
        """What the stream holds beside what is followed, if every letter that is not at hand is
        the first one.
        """
        zero = np.zeros(self.setting.model.d, np.int64)
        return added_up(zero, *(table[0] for table in self.free.values()))

    def sizes(self, x: Values) -> np.ndarray:
        """A bound on the absolute value of each column of the stream."""
        tables = (np.abs(table).max(axis=0) for table in self.free.values())
        return added_up(x.sizes(self.now.top), *tables)

    def require_used(self, blocks: list[Block]) -> None:
        """Every claimed block is read by something; else more is claimed than is understood."""
        for block in blocks:
            if not self.used[block.columns].any():
                raise Undecided(f"{block} is claimed, but nothing reads it")


def begin(setting: Setting, step: int, left: int) -> tuple[Run, Values]:
    """The deciding position of a step, before the first layer, and its stream.

    A chain's step has `per_token` letters unless the path ends before; PAD follows. Every other
    model has one step.
    """
    model, subject = setting.model, setting.subject
    tokens = _tokens(setting, step, left)
    own, none = tokens.rows[tokens.here], np.zeros(model.d, bool)
    x = Values(model.positions[tokens.here][None])
    if own is None:
        columns = subject.columns
        x = x.plus(subject.row, columns, columns, subject.layout.scale[columns])
    run = Run(
        setting,
        tokens,
        at_hand=0 if own is not None else tokens.here,
        now=subject.layout,
        free={} if own is None else {tokens.here: own},
        used=none,
        moved=none.copy(),
        stale=none.copy(),
    )
    embedded = np.abs(model.positions[: tokens.here + 1]) + kind_sizes(run)[tokens.kind]
    setting.rounding.note(size_of(embedded))
    return run, x


def _tokens(setting: Setting, step: int, left: int) -> Tokens:
    """Which tokens may stand where: an entity, letters, PAD after the path, and the tokens that
    were written.
    """
    model, per_token = setting.model, setting.per_token
    here, first = model.hops + step - 1, (step - 1) * per_token + 1
    end, pad = first + left, model.specials[1:2]
    rows: list[np.ndarray | None] = [None]
    either = np.concatenate([model.letters, pad])
    for position in range(1, here + 1):
        known = model.letters if position < end else pad if left < per_token else either
        if not left and first - per_token < position < first:
            known = either  # the path may have ended within the step before
        known = known if model.chain else model.letters
        rows.append(known if position <= model.hops else None)
    kinds = {id(row): row for row in rows}
    numbered = {row: i for i, row in enumerate(kinds)}
    kind = np.array([numbered[id(row)] for row in rows])
    return Tokens(here, rows, list(kinds.values()), kind)


def kind_sizes(run: Run) -> np.ndarray:
    """The largest absolute value of each coordinate of the embedding of a token of each kind,
    (kinds, d).
    """
    return np.stack(
        [
            run.setting.subject.sizes if rows is None else np.abs(rows).max(axis=0)
            for rows in run.tokens.kinds
        ]
    )


def token_sums(run: Run, matrix: Matrix) -> np.ndarray:
    """A bound on every partial sum of the matrix times the embedded token at each position,
    (positions, out).
    """
    beside = at_positions(run, matrix, sizes=True)
    sums: np.ndarray = beside + product(kind_sizes(run), matrix.absolute.T)[run.tokens.kind]
    return sums


def at_positions(run: Run, matrix: Matrix, sizes: bool = False) -> np.ndarray:
    """The matrix times each row of `positions` up to the deciding one; or the absolute values of
    both.
    """
    placed, positions = run.setting.placed, run.setting.model.positions
    if (id(matrix), sizes) not in placed:
        rows = np.abs(positions) if sizes else positions
        weights = matrix.absolute if sizes else matrix.dense
        placed[id(matrix), sizes] = product(rows, weights.T)
    return placed[id(matrix), sizes][: run.tokens.here + 1]
