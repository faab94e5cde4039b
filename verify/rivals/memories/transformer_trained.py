"""The one-layer transformer of 2412.06538 with given random embeddings, trained.

Claim (measured, not proven). With embeddings x of all tokens and u of all answers given at random,

    a_h = K_h Q_h^T x_last,    z = O [V_h^T sum_p softmax_p(<a_h, x_p> / sqrt(d_h)) x_p]_h,
    logits = U (z + MLP(z)),   one hidden layer of m ReLU units, no residual from the token,

trained on prompts of 32 tokens with D = 8 answers for each relation and as many subjects as
relations, recalls 99 % of S R facts about where

    S R = 0.15 (4 H d_h d + 2 m d),    which is 0.15 log2 D = 0.45 bits a parameter.

This is the dashed line of Figure 4 (left) of 2412.06538: `c0 = 0.15` in cell 2 of plotting.ipynb;
run.py trains Q, K, V, O and the MLP with AdamW at 1e-3, 3e-3 and 1e-2 in turn, at most 2^14 steps
of 1,024 new prompts, stopped at 99 % of 1,024 prompts. Answers may be shared, since there is an
MLP.

Here: H = 4 heads, H d_h = m = d, the dimension is searched; prompts without noise tokens, all
facts in each step, AdamW with rate 0.05 and a cosine to 0, at most 80 steps. The module reads
noise tokens too, but learns that only in minutes for each size:
benchmarks/published_associative.py does it, and `verify.rivals.memories.value_matrices` reads them
without training.

Hypotheses. One hop; one subject and one relation in a prompt.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from constructions.learning.fit import fit
from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories import refusals
from verify.rivals.memories.mlp_trained import initial
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

HEADS = 4
STEPS, RATE = 80, 0.05
"""Of the optimizer."""
BITS = 0.45
"""Of facts for each parameter, on the line in 2412.06538."""


class GivenTransformer(nn.Module):
    """One layer of attention and an MLP between given embeddings.

    Attributes:
        tokens, answers: given, (V, d) and (A, d).
        query, key, value: (H, d, d_h).
        output: (H d_h, d).
        mlp: from (Q, d) to (Q, d).
    """

    tokens: Tensor
    answers: Tensor

    def __init__(
        self, tokens: Tensor, answers: Tensor, heads: int, width: int, random: torch.Generator
    ):
        super().__init__()
        d = tokens.shape[1]
        d_head = max(1, d // heads)
        self.register_buffer("tokens", tokens)
        self.register_buffer("answers", answers)

        def drawn(*shape: int, scale: float) -> nn.Parameter:
            """Gaussian with this standard deviation."""
            return nn.Parameter(scale * torch.randn(*shape, generator=random))

        self.query, self.key, self.value = (
            drawn(heads, d, d_head, scale=d_head**-0.5) for _ in range(3)
        )
        self.output = drawn(heads * d_head, d, scale=d**-0.5)
        self.mlp = initial(d, width, random)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, A) of prompts int64 (Q, T)."""
        queries, keys, values = (
            torch.einsum("vd,hdk->vhk", self.tokens, one)
            for one in (self.query, self.key, self.value)
        )
        scores = (queries[tokens[..., -1:]] * keys[tokens]).sum(dim=-1)
        weights = (scores / math.sqrt(keys.shape[-1])).softmax(dim=-2)
        seen = (weights[..., None] * values[tokens]).sum(dim=-3)
        written = seen.flatten(-2) @ self.output
        logits: Tensor = (written + self.mlp(written)) @ self.answers.T
        return logits


def build(work: Work, dimension: int) -> Built:
    """Train it on all facts of this work."""
    random = torch.Generator().manual_seed(work.seed)
    tokens = unit_vectors(work.n_tokens, dimension, random)
    answers = unit_vectors(work.n_entities, dimension, random)
    module = GivenTransformer(tokens, answers, HEADS, dimension, random)
    found = fit(module, work.facts, STEPS, work.seed, rate=RATE, warm_up=0, device="cpu")
    return Built(found.models[0], dimension, dimension, ("tokens", "answers"))


def sizes(work: Work) -> tuple[int, int]:
    """Around `6 d^2` parameters, of which each holds 0.45 bits."""
    per_relation = len(work.blocks[0])
    bits = work.n_facts * math.log2(max(2, per_relation))
    needed = math.sqrt(bits / BITS / 6)
    return max(1, math.floor(needed / 2)), math.ceil(8 * needed)


def lacks(work: Work) -> str:
    """Why it does not take some work; with noise it needs thousands of steps, see the benchmark
    `published_associative.py`.
    """
    if work.noise_tokens:
        return "not trained on noise tokens here: that takes minutes a size"
    return refusals.of_many_hops(work)


trained = Memory(
    name="transformer, trained, given",
    source="arXiv 2412.06538, Figure 4",
    size="dimension",
    embeddings="given",
    lacks=lacks,
    sizes=sizes,
    build=build,
)
MEMORIES = [trained]
