"""Rows of subjects as sums of one vector for each attribute, by least squares.

    E[s] ~ b + sum_r M_r v[f_r(s)]

v_t is a vector for each answer t, M_r a matrix for each relation. Two choices of v:

* "attribute": v_t is the t-th unit vector, so that `M_r v_t = A_r[t]` is a vector of its own for
  each attribute of each relation: `1 + sum_r (n_r - 1)` numbers a coordinate for n_r attributes.
* "unembedding": v_t is the row of t in the unembedding: at most `1 + R q` numbers a coordinate for
  an unembedding of rank q.

**What may be fitted.** Let the n subjects give the features `X (n, 1 + R q)` of rank p, the
constant among them. The fitted rows are the projection of the rows onto the p-dimensional image of
X, whatever the rows are. With p = n it is the identity: random rows have R^2 = 1, and the fit says
nothing. Rows of pure noise have in-sample R^2 near (p - 1) / (n - 1), and held out near
`-p / (n - p)`. So a fit is refused where p is more than two thirds of the subjects that it is made
of: from there on the noise of the coefficients is more than twice that of the rows. In one world
(N subjects, R bijections onto N answers) each attribute occurs once, p = N, and "attribute" is
vacuous; "unembedding" is then the one to use. In c worlds of K, each attribute occurs c times.

A prediction for another subject is *determined* if its features lie in the span of those that were
fitted; else the data do not say what it is.

**Solution.** The least squares solution of least norm in the coefficients, b not counted; with a
ridge, that of `|residual|^2 + ridge |coefficients|^2`. The default is no ridge, which would make
exact superpositions inexact; noise is what the refusal and the held-out subjects are for.
R^2 adds up all coordinates, so that no change of basis of the stream changes it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from verify.learned.decoder import Decoder, Floats, Ints

MOST_COEFFICIENTS = 2 / 3
"""Of the subjects that are fitted, as many may be the rank of their features."""
PARAMETRISATIONS = ("attribute", "unembedding")
_ROUNDING = 1e-5
"""Singular values below this share of the largest are rounding: also of float32 weights."""


@dataclass(frozen=True)
class Fit:
    """A fitted sum.

    Attributes:
        vectors: v, (A, q).
        bias: b, (d,).
        matrices: M_r, (R, q, d).
        span: orthonormal rows (p - 1, R q) that span the centred features.
        centre: their mean (R q,).
    """

    vectors: Floats
    bias: Floats
    matrices: Floats
    span: Floats
    centre: Floats

    @property
    def rank(self) -> int:
        """p: numbers for each coordinate, the constant among them."""
        return 1 + len(self.span)

    def component(self, relation: int, answers: Ints) -> Floats:
        """What a relation adds for answers (n,): (n, d); 0 for a missing one."""
        part: Floats = _vectors_of(self.vectors, answers) @ self.matrices[relation]
        return part

    def rows(self, answers: Ints) -> Floats:
        """The sum for subjects with answers (R, n): (n, d)."""
        q = self.vectors.shape[1]
        flat = self.matrices.reshape(-1, len(self.bias))
        summed: Floats = self.bias + features(self.vectors, answers) @ flat if q else self.bias
        return np.broadcast_to(summed, (answers.shape[1], len(self.bias)))

    def determines(self, answers: Ints) -> np.ndarray:
        """Whether the fitted subjects say what the sum is for answers (R, n): bool (n,)."""
        apart = features(self.vectors, answers) - self.centre
        left = apart - apart @ self.span.T @ self.span
        allowed = 1e-6 * (1 + np.square(apart).sum(axis=1))
        determined: np.ndarray = np.square(left).sum(axis=1) <= allowed
        return determined


def attribute_vectors(decoder: Decoder, answers: Ints, by: str) -> Floats:
    """v (A, q): unit vectors of the answers that occur; or what the unembedding's rows of these
    differ by, in orthonormal coordinates.
    """
    used = np.unique(answers[answers != MISSING])
    if by == "attribute":
        require_memory(8 * decoder.n_answers * len(used), "unit vectors of all attributes")
        vectors = np.zeros((decoder.n_answers, len(used)))
        vectors[used, np.arange(len(used))] = 1
        return vectors
    read = decoder.unembedding()
    centred = read - read[used].mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred[used], full_matrices=False)
    kept = sizes > _ROUNDING * max(sizes[0], np.finfo(float).tiny)
    oriented: Floats = centred @ (axes[kept].T / sizes[kept])
    return oriented


def features(vectors: Floats, answers: Ints) -> Floats:
    """The vectors of all answers of subjects (R, n), side by side: (n, R q)."""
    n_relations, n = answers.shape
    q = vectors.shape[1]
    require_memory(2 * 8 * n * n_relations * q, f"the features of {n:,} subjects")
    return _vectors_of(vectors, answers.T).reshape(n, n_relations * q)


def fitted(vectors: Floats, answers: Ints, rows: Floats, ridge: float = 0.0) -> Fit:
    """The least squares fit of rows (n, d) by the answers (R, n); see the module."""
    x = features(vectors, answers)
    centre, mean = x.mean(axis=0), rows.mean(axis=0)
    x -= centre
    sizes, span = _principal(x)
    weights = 1 / (np.square(sizes) + ridge)
    flat = span.T @ (weights[:, None] * (span @ (x.T @ (rows - mean))))
    matrices = flat.reshape(len(answers), vectors.shape[1], rows.shape[1])
    return Fit(vectors, mean - centre @ flat, matrices, span, centre)


def _principal(x: Floats) -> tuple[Floats, Floats]:
    """The singular values (k,) of x (n, p) that are not rounding, and their orthonormal directions
    (k, p): by the products of whichever is less, rows or columns.
    """
    few = len(x) < x.shape[1]
    squares, axes = np.linalg.eigh(x @ x.T if few else x.T @ x)
    kept = squares > _ROUNDING**2 * max(squares.max(initial=0), np.finfo(float).tiny)
    sizes, axes = np.sqrt(squares[kept]), axes[:, kept]
    return sizes, ((axes / sizes).T @ x if few else axes.T)


def require_ridge(ridge: float) -> None:
    """Raise InputError unless this is a ridge."""
    if not 0 <= ridge < np.inf:
        raise InputError(f"ridge must be a finite number of at least 0; got {ridge}")


def rank_of(vectors: Floats, answers: Ints) -> int:
    """p of these subjects."""
    return fitted(vectors, answers, np.zeros((answers.shape[1], 0))).rank


def _vectors_of(vectors: Floats, answers: Ints) -> Floats:
    """v of answers (...): (..., q); 0 for a missing one."""
    found: Floats = np.where((answers == MISSING)[..., None], 0, vectors[answers])
    return found
