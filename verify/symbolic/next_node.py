"""After a pass: columns spell codes as seen from the node that its letters lead to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from verify.kernel.verdict import Refuted, Undecided, require
from verify.symbolic.layouts import Block, Layout, layout_of
from verify.symbolic.run import Run
from verify.symbolic.values import Values


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


def rebase(run: Run, x: Values, length: int, blocks: list[Block], layer: int) -> Values:
    """The stream as seen from the next node, where the columns of `blocks` spell codes
    (Lemma S11). The pass has taken `length` letters.
    """
    model, books = run.setting.model, run.setting.books
    new, n = layout_of(blocks, books, model.d), len(x.const)
    x, columns = _settled(run, x, new.length < 0), np.flatnonzero(new.length >= 0)
    unclear = run.stale[columns].any() or any(
        table[:, columns].any() for table in run.free.values()
    )
    require(
        not unclear, f"pass {layer}: columns of which not all is known are claimed to spell a code"
    )
    column, case = np.tile(columns, n), np.repeat(np.arange(n), len(columns))
    word = case * model.n_relations ** new.length[column] + new.word[column]
    claimed = _Claimed(case * model.d + column, column, word)
    same = _already_there(run, x, length, claimed, new)
    if not same.all():
        _require_same_at_every_node(run, x, length, claimed.only(~same), new)
    return _seen_from_next(run, x, new, columns, layer)


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


def _seen_from_next(run: Run, x: Values, new: Layout, columns: np.ndarray, layer: int) -> Values:
    """The values under the new layout; what is not claimed is constant, one row of a table, or
    stale from now on (Lemma S11).
    """
    known = (new.length < 0) & ~run.stale
    known[x.at % run.setting.model.d] = False
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


def _settled(run: Run, x: Values, where: np.ndarray) -> Values:
    """The same values; in some columns amounts that are alike at every node are constants
    (Lemma S11).
    """
    d, books = run.setting.model.d, run.setting.books
    variable = where[x.at % d] & (x.key < d)
    variable &= run.now.length[np.where(variable, x.key, 0)] == 0
    which, node, bit = books.node_bits(run.now, x.key[variable])
    added = x.at[variable][which], d + node, x.coef[variable][which] * bit
    x = x.only(~variable).plus(0, *added)
    of_node, const = x.key >= d, x.const.copy()
    at, first, count = np.unique(x.at[of_node], return_index=True, return_counts=True)
    if not len(at):
        return x
    low, high = (bound.reduceat(x.coef[of_node], first) for bound in (np.minimum, np.maximum))
    nodes = np.count_nonzero(books.numbers[run.now.node()[1]] >= 0)
    alike = where[at % d] & (count == nodes) & (low == high)
    const.ravel()[at[alike]] += low[alike]
    kept = ~(of_node & np.isin(x.at, at[alike]))
    return Values(const, x.at[kept], x.key[kept], x.coef[kept])


def _require_same_at_every_node(
    run: Run, x: Values, length: int, claimed: _Claimed, new: Layout
) -> None:
    """The values at these places spell the codes of the nodes that the words lead to, from every
    node at hand (the second case of Lemma S11).
    """
    books, model = run.setting.books, run.setting.model
    nodes, value = _at_every_node(run, x, claimed, new)
    for inner in np.unique(new.length[claimed.column]):
        some = np.flatnonzero(new.length[claimed.column] == inner)
        column, word = claimed.column[some], claimed.word[some]
        reached = run.setting.words.of(length + int(inner))[word][:, nodes]
        number = np.stack(books.numbers)[new.book[column][:, None], reached]
        bit, off, scale = (part[column][:, None] for part in (new.bit, new.off, new.scale))
        wanted = off + scale * ((number >> bit) & 1)
        for i, e in np.argwhere((value[some] != wanted) | (number < 0))[:1]:
            raise Refuted(
                f"pass: after word {word[i]} from {model.name(nodes[e])} column {column[i]} holds"
                f" {value[some][i, e]}, the code of {model.name(reached[i, e])} has {wanted[i, e]}"
            )


def _at_every_node(
    run: Run, x: Values, claimed: _Claimed, new: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Every node that may be at hand, and what each place holds there, int64 (places, nodes)
    (Lemma S11).
    """
    books, model = run.setting.books, run.setting.model
    spelled, own = run.now.node()
    every = np.arange(model.n + 1) < model.n + model.some_missing
    there = books.numbers[own] >= 0 if spelled else every
    nodes, place = np.flatnonzero(there), np.cumsum(there) - 1
    if (new.base[claimed.column] != 2).any():
        raise Undecided("a number is claimed where something is written")
    at = claimed.at
    mine = np.minimum(np.searchsorted(at, x.at), len(at) - 1)
    row, bits = np.where(at[mine] == x.at, mine, -1), x.key < model.d
    value = np.repeat(x.const.ravel()[at][:, None], len(nodes), axis=1)
    chosen = (row >= 0) & bits
    run.used[x.key[chosen]] = True
    which, node, bit = books.node_bits(run.now, x.key[chosen])
    np.add.at(value, (row[chosen][which], place[node]), x.coef[chosen][which] * bit)
    chosen = (row >= 0) & ~bits
    np.add.at(value, (row[chosen], place[x.key[chosen] - model.d]), x.coef[chosen])
    return nodes, value
