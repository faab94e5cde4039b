"""After a pass: columns spell codes as seen from the node that its letters lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from verify.kernel.verdict import Refuted, Undecided, require
from verify.symbolic.amounts import Amounts
from verify.symbolic.layouts import Block, Layout, layout_of
from verify.symbolic.run import Run
from verify.symbolic.values import LARGEST, Values, added_up, size_of


@dataclass(frozen=True)
class _Claimed:
    """A place (a column in a case) and what is claimed to be spelled there.

    Attributes (int64, one entry for each place):
        at: the place, `case * d + column`.
        column: in the new layout.
        word: seen from the node before, among all words of its length: first the letters of the
            case, then the word of the new layout.
    """

    at: np.ndarray
    column: np.ndarray
    word: np.ndarray

    def only(self, chosen: np.ndarray) -> _Claimed:
        """Some of the places."""
        return replace(
            self, at=self.at[chosen], column=self.column[chosen], word=self.word[chosen]
        )


def rebase(
    run: Run, x: Values, amounts: Amounts | None, length: int, blocks: list[Block], layer: int
) -> Values:
    """The stream as seen from the next node, where the columns of `blocks` spell codes
    (Lemma S11). The pass has taken `length` letters, and has added amounts of the node at hand.
    """
    model, books = run.setting.model, run.setting.books
    new, n = layout_of(blocks, books, model.d), len(x.const)
    columns = np.flatnonzero(new.length >= 0)
    unclear = run.stale[columns].any() or any(
        table[:, columns].any() for table in run.free.values()
    )
    require(
        not unclear, f"pass {layer}: columns of which not all is known are claimed to spell a code"
    )
    column, case = np.tile(columns, n), np.repeat(np.arange(n), len(columns))
    word = case * model.n_relations ** new.length[column] + new.word[column]
    claimed = _Claimed(case * model.d + column, column, word)
    x, amounts = _apart(run, x, amounts)
    same = _already_there(run, x, length, claimed, new)
    beside = _Beside.of(run, x, amounts, new.length < 0)
    if amounts is None and (len(beside.at) or not same.all()):
        amounts = Amounts(Values(np.zeros_like(x.const)), model.d)
    for nodes, added in _written(run, x, amounts):
        differs = claimed.only(~same | added[claimed.at].any(axis=1))
        if (new.base[differs.column] != 2).any():
            raise Undecided("a number is claimed where something is written")
        values = _values(run, x, added, np.append(beside.at, differs.at), nodes)
        beside.note(values[: len(beside.at)])
        run.used[x.key[np.isin(x.at, differs.at)]] = True
        _require_codes(run, values[len(beside.at) :], length, differs, new, nodes)
    const, varies = beside.settled(x.const)
    return _seen_from_next(run, Values(const), varies, new, columns, layer)


def _already_there(run: Run, x: Values, length: int, claimed: _Claimed, new: Layout) -> np.ndarray:
    """Which of the places hold just what the layout before says of a column: the word's bit in the
    same form (the first case of Lemma S11).
    """
    old, column, d = run.now, claimed.column, run.setting.model.d
    start, stop = (np.searchsorted(x.at, claimed.at, side) for side in ("left", "right"))
    key, coef = np.append(x.key, d)[start], np.append(x.coef, 0)[start]
    same: np.ndarray = (
        (stop - start == 1) & (key < run.setting.model.d) & (coef == new.scale[column])
    )
    same &= x.const.ravel()[claimed.at] == new.off[column]
    key = np.where(same, key, 0)
    same &= (old.length[key] == length + new.length[column]) & (old.word[key] == claimed.word)
    same &= (old.bit[key] == new.bit[column]) & (old.book[key] == new.book[column])
    run.used[key[same]] = True
    return same


def _seen_from_next(
    run: Run, x: Values, varies: np.ndarray, new: Layout, columns: np.ndarray, layer: int
) -> Values:
    """The values under the new layout; what is not claimed is constant, one row of a table, or
    stale from now on (Lemma S11).
    """
    known = (new.length < 0) & ~run.stale & ~varies
    const = x.const
    # what differs from case to case is one of the rows of a table from now on
    if layer < len(run.setting.model.layers):
        run.free[f"pass {layer}"] = np.where(known, const - const[0], 0)
        const = const[:1]
    run.stale = ~known & (new.length < 0)
    run.now = new
    const = np.where(new.length < 0, const * known, new.off)
    spelled = Values(const[:1], columns, columns, new.scale[columns])
    return spelled.repeated(len(const)).plus(const - const[:1])


@dataclass
class _Beside:
    """Places where no code is claimed, and which depend on the node at hand: those that hold the
    same at every node are constants (Lemma S11).

    Attributes:
        at: the places, `case * d + column`.
        low, high: int64, the least and the largest value of each so far.
        varies: bool (d,), columns that hold something else that is unknown.
    """

    at: np.ndarray
    low: np.ndarray
    high: np.ndarray
    varies: np.ndarray

    @classmethod
    def of(cls, run: Run, x: Values, amounts: Amounts | None, beside: np.ndarray) -> _Beside:
        """In the columns that are `beside` the claimed ones; no value is known yet."""
        d, here = run.setting.model.d, beside[x.at % run.setting.model.d]
        other = here & (x.key < d)
        other &= run.now.length[np.where(other, x.key, 0)] != 0
        varies, depends = np.zeros(d, bool), np.zeros(x.const.shape, bool)
        varies[x.at[other] % d] = True
        depends.ravel()[x.at[here]] = True
        depends |= beside & amounts.columns if amounts else False
        at = np.flatnonzero(depends & ~varies)
        return cls(at, np.full(len(at), LARGEST), np.full(len(at), -LARGEST), varies)

    def note(self, values: np.ndarray) -> None:
        """What the places hold at some nodes, (places, nodes)."""
        self.low = np.minimum(self.low, values.min(axis=1))
        self.high = np.maximum(self.high, values.max(axis=1))

    def settled(self, const: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The constants, and the columns that vary in some case."""
        alike, const = self.low == self.high, const.copy()
        const.ravel()[self.at[alike]] = self.low[alike]
        varies = self.varies.copy()
        varies[self.at[~alike] % len(varies)] = True
        return const, varies


def _apart(run: Run, x: Values, amounts: Amounts | None) -> tuple[Values, Amounts | None]:
    """The stream without its amounts of nodes, and these, unless they are apart already."""
    of_node = x.key >= run.setting.model.d
    if not of_node.any():
        return x, amounts
    terms = x.at[of_node], x.key[of_node], x.coef[of_node]
    mine = Amounts(Values(np.zeros_like(x.const), *terms), run.setting.model.d)
    return x.only(~of_node), mine


def _written(
    run: Run, x: Values, amounts: Amounts | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every node that may be at hand, some at a time, and what is added there at every place:
    int64 (places, nodes). Nothing, where there is nothing to look at.
    """
    if amounts is None:
        return
    books, model = run.setting.books, run.setting.model
    spelled, own = run.now.node()
    every = np.arange(model.n + 1) < model.n + model.some_missing
    nodes = np.flatnonzero(books.numbers[own] >= 0 if spelled else every)
    for some, added in amounts.of(nodes):
        yield nodes[some], added.transpose(0, 2, 1).reshape(-1, len(nodes[some]))
    written = added_up(run.sizes(x), amounts.sizes[-1])
    run.setting.rounding.note(amounts.peak(), size_of(written))


def _values(
    run: Run, x: Values, added: np.ndarray, at: np.ndarray, nodes: np.ndarray
) -> np.ndarray:
    """What some places hold at some nodes, int64 (places, nodes), where bits of the node stand and
    amounts are added.
    """
    place = np.full(x.const.size, -1)
    place[at] = np.arange(len(at))
    bits = (place[x.at] >= 0) & (x.key < run.setting.model.d)
    values: np.ndarray = x.const.ravel()[at][:, None] + added[at]
    spelled = run.setting.books.bits_of(run.now, x.key[bits], nodes)
    np.add.at(values, place[x.at[bits]], x.coef[bits][:, None] * spelled)
    return values


def _require_codes(
    run: Run,
    values: np.ndarray,
    length: int,
    claimed: _Claimed,
    new: Layout,
    nodes: np.ndarray,
) -> None:
    """What these places hold at some nodes spells the codes of the nodes that the words lead to
    from there (the second case of Lemma S11).
    """
    books, model = run.setting.books, run.setting.model
    for inner in np.unique(new.length[claimed.column]):
        some = np.flatnonzero(new.length[claimed.column] == inner)
        column, word = claimed.column[some], claimed.word[some]
        reached = run.setting.words.of(length + int(inner))[word[:, None], nodes]
        number = np.stack(books.numbers)[new.book[column][:, None], reached]
        bit, off, scale = (part[column][:, None] for part in (new.bit, new.off, new.scale))
        wanted = off + scale * ((number >> bit) & 1)
        for i, e in np.argwhere((values[some] != wanted) | (number < 0))[:1]:
            held, code = values[some][i, e], wanted[i, e]
            raise Refuted(
                f"pass: after word {word[i]} from {model.name(nodes[e])} column {column[i]} holds"
                f" {held}, the code of {model.name(reached[i, e])} has {code}"
            )
