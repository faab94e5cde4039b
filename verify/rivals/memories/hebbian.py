"""Hebbian MLP: a bilinear layer and a readout that correlates it with the answers.

    phi(x)    = (A0 x) * (A1 x)                    A0, A1 (m, d), * entry by entry
    value(x)  = B phi(x)                           B (d, m)
    logit_u   = <v_u, value(x)>

With Phi (F, m) the rows phi(k_i) of all keys and Y (F, d) the values of their answers,

    raw             B = Y^T Phi / F
    ridge           B = Y^T Phi / F (Phi^T Phi / F + ridge I)^-1        where m <= F
                      = Y^T (Phi Phi^T + ridge I)^-1 Phi                where m > F
    data-dependent  the ridge readout, of A0 and A1 that are fitted (below)

Claim (arXiv 2607.10034, Theorem 4.3 and Corollary 4.4): for independent uniform keys and values on
the unit sphere the raw readout answers every fact with margin at least
`1 - C sqrt(F log F / (m d))`, so `m d = O(F log F)` suffices. Here A0 is N(0, 1 / m), A1 N(0, 1).

*Data-dependent.* With A0 and A1 drawn at random and B the raw readout of them, the logits
`V B phi(k)` are linear in A1. First A1, then A0, minimises

    sum over facts and answers of (logit_u - [u is the answer])^2 + ridge |A|^2,

each by conjugate gradients with a diagonal preconditioner; then B is the ridge readout.

Source: Garcia, Liu, Junkins, Eyuboglu, Rudra, Re, arXiv 2607.10034; github.com/HazyResearch/
hebbian-mlps (Apache-2.0), src/hebbian/methods/hebbian/{construction,model,readout}.py, whose
formulas these are, the two ridges included (they differ by a factor F). Departures: their keys are
vectors of their own (`pair`), each with an answer of its own; `sum` is ours, and so are answers
that many facts share: the sum over answers then counts each answer once. The fit ends at a
relative residual of 1e-4 or after STEPS steps (theirs: 1e-5, `max(2 m, 128)`).

Memory: about `8 F (m + N)` bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from verify.rivals.memories.keyed import Solve, Vectors, built, half_filled
from verify.rivals.memories.refusals import of_noise
from verify.rivals.memory import Memory

RIDGE = 1e-6
STEPS = 60
RESIDUAL = 1e-4


class Bilinear(nn.Module):
    """x (Q, d) to `B ((A0 x) * (A1 x))` (Q, d_out).

    Attributes:
        a0, a1: (m, d); parameters where they are fitted to the facts, buffers where they are
            drawn at random.
        readout: B (d_out, m), a parameter.
    """

    a0: Tensor
    a1: Tensor

    def __init__(self, a0: Tensor, a1: Tensor, readout: Tensor, fitted: bool):
        super().__init__()
        for name, matrix in (("a0", a0), ("a1", a1)):
            if fitted:
                self.register_parameter(name, nn.Parameter(matrix))
            else:
                self.register_buffer(name, matrix)
        self.readout = nn.Parameter(readout)

    def forward(self, x: Tensor) -> Tensor:
        """Values (Q, d_out)."""
        return features(x, self.a0, self.a1) @ self.readout.T


def features(x: Tensor, a0: Tensor, a1: Tensor) -> Tensor:
    """phi of keys (F, d): (F, m)."""
    return (x @ a0.T) * (x @ a1.T)


def raw_readout(phi: Tensor, targets: Tensor) -> Tensor:
    """B (d_out, m) from features (F, m) and the values of their answers (F, d_out)."""
    return targets.T @ phi / len(phi)


def ridge_readout(phi: Tensor, targets: Tensor) -> Tensor:
    """B (d_out, m), in the smaller of the two forms."""
    n_facts, width = phi.shape
    if width > n_facts:
        of_facts: Tensor = torch.linalg.solve(_plus_ridge(phi @ phi.T), targets)
        return of_facts.T @ phi
    gram, raw = phi.T @ phi / n_facts, raw_readout(phi, targets)
    found: Tensor = torch.linalg.solve(_plus_ridge(gram), raw.T)
    return found.T


def _plus_ridge(gram: Tensor) -> Tensor:
    return gram + RIDGE * torch.eye(len(gram), dtype=gram.dtype)


def random_features(width: int, d: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A0 and A1 (m, d), independent N(0, 1), float64."""
    first, second = (
        torch.randn(width, d, generator=random, dtype=torch.float64) for _ in range(2)
    )
    return first, second


def with_random_features(
    vectors: Vectors,
    width: int,
    random: torch.Generator,
    readout: Callable[[Tensor, Tensor], Tensor],
) -> Bilinear:
    """The memory with A0 and A1 drawn at random and this readout."""
    a0, a1 = random_features(width, vectors.keys.shape[1], random)
    a0 = a0 / width**0.5
    phi = features(vectors.keys, a0, a1)
    return Bilinear(a0, a1, readout(phi, vectors.values[vectors.answers]), fitted=False)


def data_dependent(vectors: Vectors, width: int, random: torch.Generator) -> Bilinear:
    """The memory with A1, then A0, fitted to the facts, and the ridge readout of them."""
    keys, targets = vectors.keys, vectors.values[vectors.answers]
    a0, a1 = random_features(width, keys.shape[1], random)
    first = raw_readout(features(keys, a0, a1), targets).float()
    rounded = Vectors(keys.float(), vectors.values.float(), vectors.answers)
    a1 = fitted(rounded.keys @ a0.float().T, rounded, first)
    a0, a1 = fitted(rounded.keys @ a1.T, rounded, first).double(), a1.double()
    return Bilinear(a0, a1, ridge_readout(features(keys, a0, a1), targets), fitted=True)


def fitted(partner: Tensor, vectors: Vectors, readout: Tensor) -> Tensor:
    """The A (m, d) that brings `V readout (partner * (K A^T))^T` nearest to one-hot answers.

    Args:
        partner: what the other projection makes of the keys, (F, m).
        vectors: keys K and values V.
        readout: (d_out, m).
    """
    keys, values = vectors.keys, vectors.values
    gram = values.T @ values
    through = readout.T @ gram

    def normal(a: Tensor) -> Tensor:
        pulled = (partner * (keys @ a.T)) @ through @ readout
        return (partner * pulled).T @ keys + RIDGE * a

    right = (partner * (values[vectors.answers] @ readout)).T @ keys
    weights = (readout * (gram @ readout)).sum(0)
    diagonal = weights[:, None] * ((partner**2).T @ keys**2) + RIDGE
    return conjugate_gradients(normal, right, diagonal)


def conjugate_gradients(
    normal: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor
) -> Tensor:
    """Solve `normal(a) = right` for a positive definite `normal` with this diagonal."""
    solution, residual = torch.zeros_like(right), right.clone()
    direction = residual / diagonal
    energy = (residual * direction).sum()
    enough = RESIDUAL * right.norm()
    for _ in range(STEPS):
        if residual.norm() <= enough:
            break
        pushed = normal(direction)
        step = energy / (direction * pushed).sum()
        solution += step * direction
        residual -= step * pushed
        scaled = residual / diagonal
        before, energy = energy, (residual * scaled).sum()
        direction = scaled + energy / before * direction
    return solution


def _raw() -> Memory:
    """The dimension is varied, with m = 4 d, the default of the authors' code: at a fixed d the
    mean of the kernel is noise that no width removes. With `sum` keys, whose kernel is as large
    between facts of one relation, more dimensions than one-hot embeddings have do not suffice
    (1,943 of 2,048 facts at N = 256, d = 1,024): so there is no such memory.
    """
    solve = partial(with_random_features, readout=raw_readout)
    return Memory(
        name="Hebbian raw, pair keys",
        source="arXiv 2607.10034, Theorem 4.3",
        size="dimension",
        embeddings="given",
        lacks=of_noise,
        sizes=lambda work: (2, 8 * half_filled(work)),
        build=lambda work, size: built(work, "pair", size, 4 * size, solve),
    )


def _of_width(name: str, facts_a_unit: int, solve: Solve, source: str) -> Memory:
    """On keys of their own, d is the middle of the authors' grid and the width is varied, up to
    F / facts_a_unit: twice what is needed, about.
    """
    return Memory(
        name=f"Hebbian {name}, pair keys",
        source=source,
        size="width",
        embeddings="given",
        lacks=of_noise,
        sizes=lambda work: (1, max(1, work.n_facts // facts_a_unit)),
        build=lambda work, size: built(work, "pair", half_filled(work), size, solve),
    )


def _of_dimension(name: str, facts_a_unit: int, solve: Solve, source: str) -> Memory:
    """On sums of keys the dimension is what lacks, so it is varied, with m = F / facts_a_unit.

    A quadratic form of E[s] + W[r] is `<E[s], q_r> + f(s) + g(r)`: at most R d + N + R independent
    functions of the facts, where the readouts need about F / 2 = N R / 2.
    """
    return Memory(
        name=f"Hebbian {name}, sum keys",
        source=source,
        size="dimension",
        embeddings="given",
        lacks=of_noise,
        sizes=lambda work: (2, 2 * work.n_entities),
        build=lambda work, size: built(
            work, "sum", size, max(1, work.n_facts // facts_a_unit), solve
        ),
    )


_RIDGE = partial(with_random_features, readout=ridge_readout)

MEMORIES = (
    _raw(),
    _of_width("ridge", 1, _RIDGE, "arXiv 2607.10034, Algorithm 1"),
    _of_dimension("ridge", 2, _RIDGE, "arXiv 2607.10034, Algorithm 1"),
    _of_width("data-dependent", 2, data_dependent, "arXiv 2607.10034, B.2.5"),
    _of_dimension("data-dependent", 4, data_dependent, "arXiv 2607.10034, B.2.5"),
)
