"""The matrices of an MLP as they are stored: read some rows, or some columns, at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from verify.reading.maps import let_go
from verify.reading.stored import integers
from verify.symbolic.values import Matrix, Sizes

AT_ONCE = 2**18  # entries that are read together


class Weights:
    """A stored matrix (out, in), whose numbers are whole (Lemma S1).

    Attributes:
        shape: (out, in).
        norm: the largest sum of absolute values of a row.
        terms: the most entries of a row that are not 0.
        writes: bool (out,), the rows that are not 0.
    """

    def __init__(self, stored: np.ndarray, name: str):
        self._stored, self._name = stored, name
        self._whole: Matrix | None = None  # kept where it is small, since each run reads it
        self.shape: tuple[int, int] = stored.shape
        parts = [(part.norm, part.terms, part.writes) for _, part in self.pieces()]
        norms, terms, writes = zip(*parts, strict=True) if parts else ([0], [0], [np.zeros(0)])
        self.norm, self.terms = max(norms), max(terms)
        self.writes: np.ndarray = np.concatenate(writes).astype(bool)

    def pieces(self, rows: int | None = None) -> Iterator[tuple[slice, Matrix]]:
        """So many rows at a time, and where they are; without a number as many as are read
        together.
        """
        n_out, n_in = self.shape
        some = rows or max(1, AT_ONCE // max(1, n_in))
        if n_out <= some and n_out * n_in <= AT_ONCE:
            if n_out:
                self._whole = self._whole or Matrix(integers(self._stored, self._name))
                yield slice(0, n_out), self._whole
            return
        for start in range(0, n_out, some):
            here = slice(start, min(n_out, start + some))
            part = Matrix(integers(self._stored[here], self._name))
            let_go(self._stored[here])
            yield here, part

    def columns(self, which: np.ndarray) -> np.ndarray:
        """Some columns, int64 (out, which)."""
        first = int(which.min(initial=self.shape[1]))
        together = self._stored[:, first : int(which.max(initial=-1)) + 1]
        found = integers(together[:, which - first], self._name).astype(np.int64)
        let_go(self._stored)
        return found

    def sums(self, sizes: np.ndarray) -> np.ndarray:
        """A bound on every partial sum, for each row, of a product with a vector of at most these
        absolute values.
        """
        return np.concatenate([np.zeros(0, int), *(part.sums(sizes) for _, part in self.pieces())])

    def times(self, vectors: np.ndarray) -> np.ndarray:
        """The product with each of some vectors, int64 (vectors, out)."""
        parts = [part.times(vectors) for _, part in self.pieces()]
        return np.concatenate([np.zeros((len(vectors), 0), int), *parts], axis=1)

    def largest(self, sizes: Sizes) -> Sizes:
        """Bounds on the product with a vector of these sizes."""
        parts = [sizes.through(part) for _, part in self.pieces()]
        none = np.zeros(0, np.int64)
        return Sizes(
            *(
                np.concatenate([none, *(getattr(part, name) for part in parts)])
                for name in ("sizes", "scale")
            )
        )
