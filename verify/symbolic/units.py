"""What the units of an MLP compute, each from the few values that its input can have."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from verify.kernel.verdict import Undecided
from verify.symbolic.amounts import Amounts
from verify.symbolic.run import Run
from verify.symbolic.values import Values, few, size_of
from verify.symbolic.weights import Weights

AT_ONCE = 2**18  # terms of some units
MOST_AMOUNTS = 2**17
"""For every node and every bit of a unit that several nodes share. Of more the kernel, which
multiplies matrices, is the faster one.
"""
Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


def mlp(run: Run, x: Values, matrices: list[Weights]) -> tuple[Values, Amounts | None]:
    """The stream and what the MLP adds to it; apart what it adds to the stream where that depends
    on the node alone.
    """
    hidden, sizes, amounts = x.plus(run.first_choices()), run.sizes(x), None
    for i, matrix in enumerate(matrices):
        run.setting.rounding.note(size_of(matrix.sums(sizes)))
        if i and len(hidden.key) and (hidden.key >= run.setting.model.d).all():
            amounts = Amounts(hidden, run.setting.model.d, matrices[i:])
            break
        hidden = _through(run, hidden, matrices, i)
        sizes = hidden.sizes(run.now.top)
    # ReLU is 1-Lipschitz: Lemma S16
    run.error *= 1 + math.prod(matrix.norm for matrix in matrices)
    run.moved |= matrices[-1].writes
    if amounts is None:
        x = x.plus(hidden.const, hidden.at, hidden.key, hidden.coef)
    run.setting.rounding.note(size_of(run.sizes(x)))
    return x, amounts


def _through(run: Run, x: Values, matrices: list[Weights], i: int) -> Values:
    """Matrix i times these values, and the positive parts of that but for the last matrix. Some
    rows at a time: each unit is what it is, whatever the others are.
    """
    matrix, (n_out, n_in) = matrices[i], matrices[i].shape
    few(len(x.const) * n_out)
    run.shared = 0
    const, terms = np.zeros((len(x.const), n_out), np.int64), []
    for rows, part in matrix.pieces(max(1, AT_ONCE // max(1, len(x.at), n_in))):
        if not i:
            run.require_known(part, "the MLP")
        found = x.through(part)
        found = relu(run, found) if i + 1 < len(matrices) else found
        const[:, rows] = found.const
        case, unit = np.divmod(found.at, found.const.shape[1])
        terms.append((case * n_out + rows.start + unit, found.key, found.coef))
    return Values(const).plus(0, *(np.concatenate(parts) for parts in zip(*terms, strict=True)))


def relu(run: Run, x: Values) -> Values:
    """The positive parts (Lemmas S7 to S10)."""
    variable = x.key < run.setting.model.d
    n_variables, n_nodes = (
        np.bincount(x.at[kind], minlength=x.const.size) for kind in (variable, ~variable)
    )
    mixed = variable & (n_nodes[x.at] > 0)
    mixed |= _of_many_nodes(run, x, variable & (n_variables[x.at] > 1), n_variables)
    # bits of the node beside amounts that depend on it, or that several nodes share: written as
    # such amounts (Lemma S10)
    if mixed.any():
        which, node, bit = run.setting.books.node_bits(run.now, x.key[mixed])
        amounts = run.setting.model.d + node, x.coef[mixed][which] * bit
        return relu(run, x.only(~mixed).plus(0, x.at[mixed][which], *amounts))
    run.used[x.key[variable]] = True
    x.sizes(run.now.top)  # refuses what could overflow below
    low = x.const.ravel()
    base = np.maximum(low, 0)
    new = [_of_one(run, x, low, base, variable & (n_variables[x.at] == 1))]
    many = variable & (n_variables[x.at] > 1)
    if many.any():
        new.append(_of_several(run, x, base, many, n_variables))
    at = x.at[~variable]  # amounts that depend on the node: a value for each (Lemma S10)
    new.append((at, x.key[~variable], np.maximum(low[at] + x.coef[~variable], 0) - base[at]))
    terms = (np.concatenate(parts) for parts in zip(*new, strict=True))
    return Values(base.reshape(x.const.shape)).plus(0, *terms)


def _of_one(run: Run, x: Values, low: np.ndarray, base: np.ndarray, one: np.ndarray) -> Terms:
    """Units of one bit, or of one number on which the sign does not depend: known from both ends
    of its range (Lemmas S7 and S8).
    """
    at, key = x.at[one], x.key[one]
    top = run.now.top[key]
    high = low[at] + x.coef[one] * top
    bends = (np.minimum(low[at], high) < 0) & (np.maximum(low[at], high) > 0)
    if ((top > 1) & bends).any():
        raise Undecided("a unit bends within the range of a number")
    return at, key, (np.maximum(high, 0) - base[at]) // top


def _of_many_nodes(run: Run, x: Values, many: np.ndarray, n_variables: np.ndarray) -> np.ndarray:
    """Which terms belong to units of several bits, all of them the node's, that are above 0 for
    more than a single code (Lemma S10).
    """
    if not many.any():
        return many
    unit = _units(run, x, many, n_variables)
    chosen = np.zeros(x.const.size, dtype=bool)
    chosen[unit.at] = (unit.most > 0) & unit.own & ~unit.sharp
    found: np.ndarray = many & chosen[x.at]
    nodes = len(run.setting.books.numbers[run.now.node()[1]])
    run.shared += int(np.count_nonzero(found)) * nodes
    if run.shared > MOST_AMOUNTS:
        raise Undecided(
            f"units that several nodes share take {run.shared} amounts; this checker writes"
            f" {MOST_AMOUNTS}"
        )
    return found


@dataclass(frozen=True)
class _Units:
    """Units of several unknowns: where they are, the first term of each, their largest input,
    whether all unknowns are bits of the node at hand, and whether these are its whole code, of
    which each wrong bit costs all that is above 0.
    """

    at: np.ndarray
    first: np.ndarray
    most: np.ndarray
    own: np.ndarray
    sharp: np.ndarray


def _units(run: Run, x: Values, many: np.ndarray, n_variables: np.ndarray) -> _Units:
    """The units that terms belong to, each of several unknowns."""
    now, key, coef = run.now, x.key[many], x.coef[many]
    at, first = np.unique(x.at[many], return_index=True)
    reach = np.maximum(coef, 0) * now.top[key]
    most = x.const.ravel()[at] + np.add.reduceat(reach, first)
    bits, book = now.node()
    of_node = (now.length[key] == 0) & (now.book[key] == book) & (now.base[key] == 2)
    own = np.logical_and.reduceat(of_node, first)
    least = np.minimum.reduceat(np.abs(coef), first)
    sharp = own & (n_variables[at] == bits) & (most <= least)
    return _Units(at, first, most, own, sharp)


def _of_several(
    run: Run,
    x: Values,
    base: np.ndarray,
    many: np.ndarray,
    n_variables: np.ndarray,
) -> Terms:
    """Units of several bits: never above 0, or above 0 for a single code of the node (Lemma S9).
    Their constants in `base` become 0.
    """
    now, books = run.now, run.setting.books
    key, coef, unit = x.key[many], x.coef[many], _units(run, x, many, n_variables)
    if ((unit.most > 0) & ~unit.sharp).any():
        raise Undecided("a unit depends on several bits, and not on a single code of the node")
    number = np.add.reduceat((coef > 0) * (1 << now.bit[key]), unit.first)
    node = books.node_of(number, now.node()[1])
    base[unit.at], fires = 0, (unit.most > 0) & (node >= 0)
    return unit.at[fires], run.setting.model.d + node[fires], unit.most[fires]
