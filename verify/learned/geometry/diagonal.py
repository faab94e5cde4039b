"""What is left of a linear memory when its matrix acts on each direction of the embedding alone.

A linear memory has an embedding E (tokens, d) and a matrix W (d, d), and scores pairs of tokens by
`E W E^T`. With `E = U S V^T` (singular values), W is replaced by its part that is diagonal in the
directions of E, `W' = V diag(V^T W V) V^T`, so that

    E W' E^T = U S diag(V^T W V) S U^T

has E's own singular vectors as eigenvectors. The measure is the share of nodes whose largest logit
of E W' E^T is a neighbour's. Where edges are held in E, little is lost; where W looks up pairs of
random embeddings, nearly all is.

This is `edge_top1_accuracy_skewed` of the notebooks of Noroozizadeh et al. (github
Shahriarnz14/Geometric_Memory, `tiny_graphs_notebooks/analysis/analysis_spectral.py`, functions
`compute_skewed_low_rank_logits` and `_top1_edge_accuracy`), the published .118, .188, .133 of
frozen against .824, .563, 1.0 of trained embeddings. It is no edge recall: their frozen memories
recall all edges by their own logits. As there, all tokens are candidates, the own node too.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from verify.learned.geometry.graphs import Graph
from verify.learned.measure import Measure

NAME = "diagonal top-1"


def diagonal_top1(
    table: NDArray[np.floating], matrix: NDArray[np.floating], graph: Graph
) -> Measure:
    """The share of nodes whose largest logit of E W' E^T, of all tokens', is a neighbour's; its
    null is that of a random order of the tokens.

    Args:
        table: E (tokens, d), of which the first n are nodes.
        matrix: W (d, d).
        graph: whose edges were memorised.
    """
    if not (np.isfinite(table).all() and np.isfinite(matrix).all()):
        return Measure.without(NAME, "weights are not finite")
    _, _, directions = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    kept = np.diag(directions @ matrix @ directions.T)
    seen = table @ directions.T
    return top1(((seen * kept) @ seen.T)[: graph.n_nodes], graph)


def top1(logits: NDArray[np.floating], graph: Graph) -> Measure:
    """The share of nodes whose largest logit, strictly, of (n, tokens) is a neighbour's."""
    n, tokens = graph.n_nodes, logits.shape[1]
    neighbours = np.zeros((n, tokens), dtype=bool)
    neighbours[:, :n] = graph.adjacency
    best = np.where(neighbours, logits, -np.inf).max(axis=1)
    others = np.where(neighbours, -np.inf, logits).max(axis=1)
    null = Fraction(int(graph.degrees.sum()), n * tokens)
    return Measure(NAME, Fraction(int((best > others).sum()), n), null)
