"""MLP memory for given random embeddings, in closed form: random features, and a readout.

Claim. F facts with keys k_f in R^d and values among A unit vectors u_a are stored in the second
matrix V (d, m) of an MLP whose first one, G (m, d), is random: logits `U V phi(k)`.

    outer products   phi(k) = (g^3 - 3 g)/sqrt(6) with g = G k,   V = sum_f u_(a_f) phi(k_f)^T
    least squares    phi(k) = ReLU(G k) - mean over facts,        V = U^+ Y (Phi^+)^T

the second of which is the least V of those that minimise |U V Phi^T - Y|^2. The mean is the offset
of a linear layer, `-V mean`, so this is an ordinary ReLU MLP of width m.

Formula [ours]. Of two unit keys with inner product c the features' mean product is c^3: Hermite
polynomials are orthogonal. So each logit carries F terms with variance about
`(1/m + 15/d^3) (1/d)`, and as for linear memories (`verify.rivals.memories.linear`) all facts are
right about when 4 ln(F A) times their sum is below 1: `m d` must be of the order of F ln(F A),
as long as d^4 is so too. A first or second power in place of the third would stop at d^2, or d^3,
whatever m is; ReLU has a first power, which least squares takes away and outer products cannot.
At small m tails count: see docs/rivals-published.md.

That m d of the order of the facts, up to logarithms, is enough is the theorem on MLP associative
memories of 2412.06538 (abstract: "the storage capacities of both linear and MLP associative
memories scale linearly with parameter count"). Its statement and its construction are lost in the
copies that we can read; these have the same count and are ours.

Hypotheses. One hop. Outer products: every fact has a key of its own (`pair`), m = 16 d, and the
dimension is searched. Least squares: keys are sums `E[s] + W[r]`, since features hold products of
an entry of E[s] and one of W[r], and so find shared answers; d = 4 log2 N, and the width is
searched.

Source. 2412.06538, section 3; random features: Rahimi and Recht (2007).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from constructions.facts.codes import bits_needed
from verify.rivals.given_embeddings import Keys
from verify.rivals.memories import refusals
from verify.rivals.memories.keyed import drawn
from verify.rivals.memories.linear import Rule, incidence, matrix
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

RATIO = 16
"""Features for each dimension, with outer products."""


def dimension_of(work: Work) -> int:
    """4 log2 N, in which N random unit vectors have inner products below about 0.7."""
    return 4 * bits_needed(work.n_entities)


class RandomFeatures(nn.Module):
    """An MLP of one hidden layer, whose first matrix is random.

    Attributes:
        features: G, (m, d), given.
        offset: the mean of the features over all keys, (m,), found from keys alone; with the
            cubic activation 0.
        readout: V, (d, m): the facts.
    """

    features: Tensor
    offset: Tensor

    def __init__(self, features: Tensor, is_cubic: bool, readout: tuple[int, int]):
        super().__init__()
        self._is_cubic = is_cubic
        self.register_buffer("features", features)
        self.register_buffer("offset", torch.zeros(len(features)))
        self.readout = nn.Parameter(torch.zeros(readout))

    def hidden(self, keys: Tensor) -> Tensor:
        """Features (Q, m) of keys (Q, d)."""
        seen = keys @ self.features.T
        active = (seen**3 - 3 * seen) / math.sqrt(6) if self._is_cubic else seen.relu()
        return active - self.offset

    def forward(self, keys: Tensor) -> Tensor:
        """Values (Q, d) of keys (Q, d)."""
        return self.hidden(keys) @ self.readout.T


@torch.no_grad()
def build(work: Work, dimension: int, width: int, keys: Keys, rule: Rule) -> Built:
    """The memory of this work with these sizes."""
    module, (vectors, values, answers), random = drawn(work, keys, dimension)
    features = torch.randn(width, dimension, generator=random)
    memory = RandomFeatures(features, rule == "outer products", (dimension, width))
    if rule == "least squares":
        memory.offset += memory.hidden(vectors).mean(dim=0)
    wanted = incidence(answers, work.n_entities)
    memory.readout.copy_(matrix(memory.hidden(vectors), values, wanted, rule))
    module.memory = memory
    return Built(module, dimension, width, module.embeddings)


def _outer_products(work: Work, dimension: int) -> Built:
    """With `RATIO` times as many features as dimensions."""
    return build(work, dimension, RATIO * dimension, "pair", "outer products")


def _sizes_of_outer_products(work: Work) -> tuple[int, int]:
    """Around the dimension with which `m d = 4 F ln(F A)`."""
    needed = 4 * work.n_facts * math.log(max(2, work.n_facts * work.n_entities))
    around = math.sqrt(needed / RATIO)
    return max(1, math.floor(around / 4)), math.ceil(4 * around)


def _least_squares(work: Work, width: int) -> Built:
    """On sums, in the dimension of this work."""
    return build(work, dimension_of(work), width, "sum", "least squares")


def _sizes_of_least_squares(work: Work) -> tuple[int, int]:
    """With as many features as facts nothing is left to fit."""
    return max(1, work.n_facts // 8), work.n_facts + dimension_of(work)


outer_products = Memory(
    name="MLP, cubic, outer products",
    source="arXiv 2412.06538, section 3",
    size="dimension",
    embeddings="given",
    lacks=refusals.of_noise,
    sizes=_sizes_of_outer_products,
    build=_outer_products,
)
least_squares = Memory(
    name="MLP, random, least squares",
    source="ours",
    size="width",
    embeddings="given",
    lacks=refusals.of_noise,
    sizes=_sizes_of_least_squares,
    build=_least_squares,
)
MEMORIES = [outer_products, least_squares]
