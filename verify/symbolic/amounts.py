"""What a pass writes that depends on the node at hand alone (Lemma S10): of some nodes at a time,
so that it is never held of all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from verify.symbolic.values import Values, bounded, size_of
from verify.symbolic.weights import Weights

AT_ONCE = 2**19  # numbers of all cases and some nodes


class Amounts:
    """Units that each hold a constant and amounts of nodes, and the matrices that they still go
    through, with ReLU between them.

    Attributes:
        columns: bool (d,), those that may be written.
        sizes: before each matrix and at the end a bound on each coordinate's absolute value; of
            the nodes that `of` has been asked for.
    """

    def __init__(self, units: Values, n_variables: int, matrices: Sequence[Weights] = ()):
        """Unknowns of `key >= n_variables` are nodes, and there are no others."""
        self._const, width = units.const, units.const.shape[1]
        self._matrices, order = matrices, np.argsort(units.key, kind="stable")
        self._node, self._coef = units.key[order] - n_variables, units.coef[order]
        self._case, self._unit = np.divmod(units.at[order], max(1, width))
        widths = [len(matrix.writes) for matrix in matrices]
        self.columns: np.ndarray = np.zeros(width, bool)
        self.columns[self._unit] = True
        self.columns = matrices[-1].writes if matrices else self.columns
        self.sizes = [units.sizes(np.zeros(n_variables, int)), *(np.zeros(n, int) for n in widths)]
        self._start = matrices[0].times(self._const) if matrices else self._const
        self._some = max(1, AT_ONCE // (len(self._const) * max(1, *widths or [width])))

    def of(self, nodes: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Of some of these nodes, in ascending order, at a time: which of them, and what each case
        writes there, int64 (cases, nodes, d).
        """
        for first in range(0, len(nodes), self._some):
            here = slice(first, min(len(nodes), first + self._some))
            yield here, self._through(self._units(nodes[here]))

    def peak(self) -> int:
        """No partial sum is larger, of the nodes that `of` has been asked for."""
        read = zip(self._matrices, self.sizes, strict=False)
        return max((size_of(matrix.sums(sizes)) for matrix, sizes in read), default=0)

    def _units(self, nodes: np.ndarray) -> np.ndarray:
        """The units of each case and node; or what the first matrix makes of them."""
        low, high = np.searchsorted(self._node, [nodes[0], nodes[-1] + 1])
        case, unit, coef = (part[low:high] for part in (self._case, self._unit, self._coef))
        place = np.searchsorted(nodes, self._node[low:high])
        there = nodes[place] == self._node[low:high]
        case, unit, coef, place = (part[there] for part in (case, unit, coef, place))
        found = np.repeat(self._start[:, None], len(nodes), axis=1)
        most = np.bincount(case * len(nodes) + place).max(initial=0)  # added up in one place
        if not self._matrices:
            bounded(size_of(self._start) + int(most) * size_of(coef))
            np.add.at(found, (case, place, unit), coef)
            return found
        columns = self._matrices[0].columns(unit)
        bounded(size_of(self._start) + int(most) * size_of(coef) * size_of(columns))
        added = (columns * coef).T
        if most > 1:
            np.add.at(found, (case, place), added)
        else:
            found[case, place] += added
        return found

    def _through(self, found: np.ndarray) -> np.ndarray:
        """What the other matrices make of it."""
        for i, matrix in enumerate(self._matrices[1:], start=1):
            found = np.maximum(found, 0)
            self._note(i, found)
            rows = matrix.times(found.reshape(-1, found.shape[2]))
            found = rows.reshape(*found.shape[:2], -1)
        self._note(-1, found)
        return found

    def _note(self, i: int, found: np.ndarray) -> None:
        """Values may be so large."""
        largest = np.maximum(found.max(axis=(0, 1)), -found.min(axis=(0, 1)))
        self.sizes[i] = np.maximum(self.sizes[i], largest)
