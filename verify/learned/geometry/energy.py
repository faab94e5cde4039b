"""How much of an embedding lies in the leading eigenvectors of the graph: the spectral bias.

With X (n, d) the centred embedding (each column has the mean 0) and Q (n, k) an orthonormal basis
of the centred leading eigenvectors (`laplacian.leading`), the *energy* is

    |Q^T X|^2 / |X|^2            (sums of squares)

It is 1 just if X = Q C for some C, as of an embedding made of these eigenvectors, and 0 if X is
orthogonal to them. By chance it is `k / (n - 1)`, exactly: the mean over all orders of the nodes
(a random order takes a centred vector to each direction of the centred space alike) and, for
independent Gaussian entries, the mean over embeddings.

*Energy at the far end* is the same of the trailing eigenvectors, those in which neighbours differ
most. A memory with a matrix between embedding and unembedding can use both ends of the spectrum,
since a negative factor is as good as a positive one; Node2Vec, whose logits are inner products of
one table, can use the leading end alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.graphs import Graph
from verify.learned.geometry.laplacian import leading
from verify.learned.measure import Measure

NAME = "energy"
FAR = "energy at the far end"


def energy(
    table: NDArray[np.floating], graph: Graph, basis: NDArray[np.float64], name: str = NAME
) -> Measure:
    """The share of an embedding (n, d) in some eigenvectors; its null is that of nodes in random
    order.

    Args:
        table: a row for each node.
        graph: whose edges were memorised.
        basis: `laplacian.leading(graph)`, or `trailing(graph)`, computed once for many
            embeddings.
        name: of the measure.
    """
    centred = table - table.mean(axis=0, dtype=np.float64)
    whole = float((centred**2).sum())
    if not np.isfinite(whole) or whole == 0:
        return Measure.without(name, "the rows are all alike, or not finite")
    k = basis.shape[1]
    return Measure(name, float(((basis.T @ centred) ** 2).sum()) / whole, k / (graph.n_nodes - 1))


def in_the_plane(table: NDArray[np.floating], graph: Graph) -> NDArray[np.float64]:
    """Coordinates (n, 2) of the rows of an embedding in the plane of the two leading eigenvectors.

    Eigenvector q_j reads from the centred embedding X the direction `c_j = X^T q_j`, and the inner
    products of the rows with it are `X X^T q_j`. Of that, `|X|^2 / (n - 1) q_j` is what a random
    embedding of the same size shows in the mean, since `X X^T` is then near a multiple of the
    identity (in many dimensions it would draw any graph perfectly); it is taken off. An embedding
    made of eigenvectors shows the graph as these draw it, a random one shows nothing.
    """
    centred = table - table.mean(axis=0, dtype=np.float64)
    plane = leading(graph)[:, :2]
    by_chance = (centred**2).sum() / (graph.n_nodes - 1)
    found: NDArray[np.float64] = centred @ (centred.T @ plane) - by_chance * plane
    return found
