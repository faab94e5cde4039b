"""The leading eigenvectors of a graph: those in which neighbours differ least.

The random-walk Laplacian of a graph with adjacency A and degrees D is `L = I - D^-1 A`. Its
eigenvectors are those of `D^-1 A` in reverse order, `v = D^-1/2 w` for an orthonormal eigenvector
w of the symmetric matrix `D^-1/2 A D^-1/2`. The constant vector has the eigenvalue 0. *Leading*
are the eigenvectors of the smallest eigenvalues after it: two, and all whose eigenvalue equals
that of the second, so that the space they span does not hang on an arbitrary choice. A path-star
of p paths has p - 1 of them (one function along each path, its sum over the paths 0), a cycle and
a square grid 2. *Trailing* are those of the largest eigenvalues, by the same rule.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.graphs import Graph

TIED = 1e-9
"""Eigenvalues that differ by less are equal."""


def spectrum(graph: Graph) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The eigenvalues (n,) of the random-walk Laplacian in rising order, the first 0, and its
    eigenvectors (n, n), one a column, each of length 1.
    """
    scale = graph.degrees**-0.5
    first = graph.degrees**0.5 / np.sqrt(graph.degrees.sum())
    walk = scale[:, None] * graph.adjacency * scale
    # shifted to 2, so that it comes first even where other components have the eigenvalue 1 too
    values, vectors = np.linalg.eigh(walk + np.outer(first, first))
    values, vectors = values[::-1], scale[:, None] * vectors[:, ::-1]
    return 1 - np.append(1, values[1:]), vectors / np.linalg.norm(vectors, axis=0)


def leading(graph: Graph) -> NDArray[np.float64]:
    """An orthonormal basis (n, k) of what the leading eigenvectors span after they are centred:
    every column sums to 0. The first two columns are the plane that figures show.
    """
    values, vectors = spectrum(graph)
    return _centred(vectors[:, 1:][:, values[1:] <= values[min(2, len(values) - 1)] + TIED])


def trailing(graph: Graph) -> NDArray[np.float64]:
    """The same of the trailing eigenvectors."""
    values, vectors = spectrum(graph)
    return _centred(vectors[:, 1:][:, values[1:] >= values[max(1, len(values) - 2)] - TIED])


def _centred(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthonormal basis of the columns after they are centred."""
    basis, _ = np.linalg.qr(vectors - vectors.mean(axis=0))
    return basis
