"""Gated MLP whose gates and readout are drawn at random, and whose up-projection is solved for.

    value(x) = D (sigma(G x) * (A x))          G, A (m, d), D (d, m)
    logit_u  = <v_u, value(x)>

The m = c g hidden units are c blocks of the same g gates. Block b sums its units into code
coordinate b, and D = P^T takes c codes back to d dimensions:

    code_b(x) = sum over the g units of the block of sigma(<G_j, x>) <A_bj, x>

is linear in the g d entries of A_b. So c right-hand sides of one system of F equations,
`code(k_i) = y(answer of fact i)`, give A; the least solution is taken.

Claim: if sigma is analytic and no polynomial, then for almost all G and keys the system has full
rank when `g d >= F`, and every key has its code exactly. Here sigma(t) = t / (1 + e^-t), SiLU;
with ReLU a key at which all g gates are closed has no code, a share 2^-g of them. Fact i is
answered iff `<P v_u, y(answer)>` is largest at the answer. y(u) is the direction of largest
margin: of all unit vectors y the one where the least of `<P v_u - P v_w, y>` over w is largest,
which is the point nearest to 0 in the hull of the differences. The margin is positive iff P v_u is
a vertex of the hull of all P v_w, for which c = O(log N) random projections of unit vectors
suffice. Stored are the `m d = c g d`, about c F, entries of A.

Source: Dugan, Garcia, Junkins, Liu, Zinsley, Eyuboglu, Rudra, Re, arXiv 2512.00207, whose gates
are random, whose codes are directions of largest margin under a random projection that the readout
undoes, and whose up-projection is the solution of the linear system. Their code is not public.
Departures: one set of gates serves all blocks, with g = F // d + 1 (up to one block of d unknowns
more than there are equations, for the condition of the system); directions are those of the
*projected* values (theirs are projected afterwards), which needs smaller c. Their keys are vectors
of their own (`pair`); `sum` is ours.

`correlated` is another memory of this shape, with no system solved: the neural tangent kernel MLP
that arXiv 2607.10034 compares with (github.com/HazyResearch/hebbian-mlps, src/hebbian/mlp_core/
constructions/ntk.py; it is the MLP memory of arXiv 2412.06538 and not that of 2512.00207).

Memory: `16 F^2 + 8 m F` bytes. Time: a Cholesky factorisation of F equations, F^3 / 3 steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from verify.rivals.given_embeddings import Keys
from verify.rivals.memories.keyed import Vectors, built, half_filled
from verify.rivals.memories.refusals import of_noise
from verify.rivals.memory import Memory
from verify.rivals.work import Work

STEPS = 100
RIDGE = 1e-10
"""Of the mean diagonal: what is added to it, so that a singular system has a solution."""


Activation = Callable[[Tensor], Tensor]


class Gated(nn.Module):
    """x (Q, d) to `D (sigma(G x) * (A x))` (Q, d_out).

    Attributes:
        sigma: of the gates, entry by entry.
        gates, down: G (m, d) and D (d_out, m), buffers: they are drawn at random.
        up: A (m, d), a parameter.
        n_distinct: G repeats its first so many rows, which are computed once; all m by default.
    """

    gates: Tensor
    down: Tensor

    def __init__(
        self,
        sigma: Activation,
        gates: Tensor,
        up: Tensor,
        down: Tensor,
        n_distinct: int | None = None,
    ):
        super().__init__()
        self.sigma = sigma
        self.n_distinct = len(gates) if n_distinct is None else n_distinct
        self.register_buffer("gates", gates)
        self.register_buffer("down", down)
        self.up = nn.Parameter(up)

    def forward(self, x: Tensor) -> Tensor:
        """Values (Q, d_out)."""
        opened = self.sigma(x @ self.gates[: self.n_distinct].T)
        pushed = (x @ self.up.T).reshape(*x.shape[:-1], -1, self.n_distinct)
        hidden: Tensor = (pushed * opened[..., None, :]).flatten(-2)
        return hidden @ self.down.T


def n_gates(n_facts: int, d: int) -> int:
    """g: the least number of gates with more unknowns g d than facts."""
    return n_facts // d + 1


def solved(vectors: Vectors, width: int, random: torch.Generator) -> Gated:
    """The memory with as many code coordinates as the width has room for, at least one."""
    n_facts, d = vectors.keys.shape
    g = n_gates(n_facts, d)
    gates = torch.randn(g, d, generator=random, dtype=torch.float64)
    n_codes = min(max(1, width // g), vectors.values.shape[1])
    projection = projected(n_codes, vectors.values.shape[1], random)
    codes = directions(vectors.values @ projection.T)[vectors.answers]
    up = up_projection(vectors.keys, gates, codes)
    return Gated(
        silu,
        gates.repeat(n_codes, 1),
        up.reshape(n_codes * g, d),
        projection.T.repeat_interleave(g, 1),
        n_distinct=g,
    )


def projected(n_codes: int, d: int, random: torch.Generator) -> Tensor:
    """P (c, d): Gaussian, or the identity where nothing is compressed."""
    if n_codes == d:
        return torch.eye(d, dtype=torch.float64)
    drawn = torch.randn(n_codes, d, generator=random, dtype=torch.float64)
    return drawn.div(math.sqrt(n_codes))


def up_projection(keys: Tensor, gates: Tensor, codes: Tensor) -> Tensor:
    """A (c, g, d), the least one that gives each key (F, d) its code (F, c) with gates (g, d).

    The Gram matrix of the equations is `(S S^T) * (K K^T)`, S = silu(K G^T).
    """
    opened = silu(keys @ gates.T)
    gram = (opened @ opened.T) * (keys @ keys.T)
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    multipliers = torch.cholesky_solve(codes, torch.linalg.cholesky(gram))
    by_unit: Tensor = multipliers.T[:, None] * opened.T  # (c, g, F)
    return by_unit @ keys


def directions(points: Tensor) -> Tensor:
    """Of each of these points (N, c) the unit direction (N, c) of largest margin to the others.

    The point nearest to 0 in the hull of its differences to the others, by the method of Gilbert
    (1966): go to the worst difference as far as that comes nearer to 0.
    """
    nearest = points - points.mean(dim=0)
    for _ in range(STEPS):
        along = nearest @ points.T
        towards = points - points[along.fill_diagonal_(-torch.inf).argmax(dim=1)] - nearest
        length = (towards**2).sum(1).clamp_min(torch.finfo(points.dtype).tiny)
        step = (-(nearest * towards).sum(1) / length).clamp(0, 1)
        nearest = nearest + step[:, None] * towards
    lengths: Tensor = nearest.norm(dim=1, keepdim=True)
    return nearest / lengths.clamp_min(torch.finfo(points.dtype).tiny)  # a single point has none


def correlated(vectors: Vectors, width: int, random: torch.Generator) -> Gated:
    """D's columns random unit vectors, G Gaussian, and

    A_r = sum over facts of <G_r, k_i> <D_r, v of the answer> k_i / m.
    """
    keys, targets = vectors.keys, vectors.values[vectors.answers]
    gates = torch.randn(width, keys.shape[1], generator=random, dtype=torch.float64)
    down = torch.randn(targets.shape[1], width, generator=random, dtype=torch.float64)
    down = down / down.norm(dim=0)
    up = ((keys @ gates.T) * (targets @ down)).T @ keys / width
    return Gated(torch.relu, gates, up, down)


def _compressed(keys: Keys) -> Memory:
    """d is fixed, the number of codes is what the width has room for."""
    return Memory(
        name=f"gated solve, {keys} keys",
        source="arXiv 2512.00207",
        size="width",
        embeddings="given",
        lacks=of_noise,
        sizes=lambda work: (_gates(work), _gates(work) * half_filled(work)),
        build=lambda work, size: built(work, keys, half_filled(work), size, solved),
    )


def _gates(work: Work) -> int:
    """g at the dimension that `_compressed` takes."""
    return n_gates(work.n_facts, half_filled(work))


def _uncompressed(keys: Keys) -> Memory:
    """As many codes as dimensions, P = I, and as few dimensions as recall allows."""
    return Memory(
        name=f"gated solve, P = I, {keys} keys",
        source="arXiv 2512.00207, uncompressed",
        size="dimension",
        embeddings="given",
        lacks=of_noise,
        sizes=lambda work: (2, half_filled(work)),
        build=lambda work, size: built(
            work, keys, size, size * n_gates(work.n_facts, size), solved
        ),
    )


MEMORIES = tuple(make(keys) for make in (_compressed, _uncompressed) for keys in ("sum", "pair"))
