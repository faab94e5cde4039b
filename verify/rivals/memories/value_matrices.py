"""Value-matrix memory: attention without an MLP, for given random embeddings and disjoint answers.

Claim. Each token z of a subject or a relation has answers: all of a subject's, or all that a
relation gives. Heads divide these tokens among them, at most t each, subjects and relations apart
(a head that found one of each would have to choose). Head h looks for its tokens and writes what
they answer with, as in the theorem on attention-only transformers of 2412.06538:

    weight of position p in head h = softmax over p of `beta <a_h, x_p>`
    logits = U sum_h W_h (sum_p weight x_p),     W_h = sum over its tokens z of y_z g_z^T

With y_z the sum of the values of z's answers, the answer of (s, r) gets 2, once from s and once
from r; other answers of s or of r get 1, all others 0: the sets of answers are disjoint.
Without noise tokens one head that weighs both tokens alike is enough, `W = sum over all z`: the
linear associative memory with keys `E[s] + W[r]`.

    outer products   g_z = x_z,                       y_z = sum of u_a over z's answers
    least squares    g_z dual to the tokens of the head and to EOS, y_z = U^+ times the indicator

`a_h` is the sum of the g_z of its tokens and a half of EOS's: scores are 1 at a token of the head,
a half at EOS, and about Gaussian with variance t/d elsewhere (with outer products these too are
that far off). So a head that does not find its token looks at EOS, and writes nothing.

Formulas [ours; those of the paper are lost in the copies that we can read]. A head looks right in
all prompts if `sqrt(t/d) sqrt(2 ln(H V)) < 1/2` for H heads and V tokens, where own scores are
exact; here t = d / (16 ln((N + R) V)), at least 1, about half of that. So `H t = N + R`, and the
value matrices have `2 (N + R) d` numbers. Each logit carries at least the noise of R + N/R values
that are added up, of variance `(R + N/R) / d`; so d must be of the order of max(R, N/R), up to a
logarithm, and `2 (N + R) d` is of the order of `N R` where N/R <= R.

Why shared answers cannot be. Here, and for any memory that sees `E[s] + W[r]` through one linear
map, logits are `a_t(s) + b_t(r)`. Let f, g be two different bijections among the relations, of one
set of entities. Then `g f^-1` has a cycle: t_0, ..., t_(c-1) with c >= 2 and s_i with
f(s_i) = t_i, g(s_i) = t_(i+1), indices modulo c. The answers need

    a_(t_i)(s_i) + b_(t_i)(f) > a_(t_(i+1))(s_i) + b_(t_(i+1))(f),
    a_(t_(i+1))(s_i) + b_(t_(i+1))(g) > a_(t_i)(s_i) + b_(t_i)(g)        for all i.

Summed over all i the terms b of each line are the same on both sides, and the terms a of the
second line are those of the first exchanged: 0 > 0. So there is none.

Hypotheses. Answers are disjoint; a prompt holds one subject and one relation.

Source. 2412.06538, sections 3 and 4; outer products there. Least squares, and the half of EOS,
are ours.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from verify.rivals.given_embeddings import unit_vectors
from verify.rivals.memories import refusals
from verify.rivals.memories.linear import Rule
from verify.rivals.memory import Built, Memory
from verify.rivals.work import Work

BETA = 400.0
"""The gain of the scores: a difference of a tenth leaves a weight of e^-40 to the others."""


class ValueMatrices(nn.Module):
    """Attention that writes what the tokens it looks at answer with.

    Attributes:
        tokens, answers: given, (V, d) and (N, d).
        looks: a_h times beta, (H, d): what each head looks for; found from embeddings alone.
        reads: the g_z of each head, (H, t, d), zeros where it has fewer tokens; from embeddings
            alone.
        writes: the y_z of each head, (H, t, d): the facts.
    """

    tokens: Tensor
    answers: Tensor
    looks: Tensor
    reads: Tensor

    def __init__(
        self, tokens: Tensor, answers: Tensor, looks: Tensor, reads: Tensor, writes: Tensor
    ):
        super().__init__()
        given = {"tokens": tokens, "answers": answers, "looks": looks, "reads": reads}
        for name, value in given.items():
            self.register_buffer(name, value)
        self.writes = nn.Parameter(writes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, N) of prompts int64 (Q, T)."""
        stream = self.tokens[tokens]
        weights = (stream @ self.looks.T).softmax(dim=-2)
        seen = weights.mT @ stream
        read = torch.einsum("...hd,htd->...ht", seen, self.reads)
        written: Tensor = torch.einsum("...ht,htd->...d", read, self.writes)
        return written @ self.answers.T


class OneMatrix(nn.Module):
    """Uniform attention and one value matrix W, (d, d): all that prompts without noise need.

    Attributes:
        tokens, answers: given, (V, d) and (N, d).
        value: W, twice over, since attention takes the mean of two tokens.
    """

    tokens: Tensor
    answers: Tensor

    def __init__(self, tokens: Tensor, answers: Tensor, matrix: Tensor):
        super().__init__()
        self.register_buffer("tokens", tokens)
        self.register_buffer("answers", answers)
        self.value = nn.Parameter(2 * matrix)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (Q, N) of prompts int64 (Q, 2)."""
        seen = self.tokens[tokens].mean(dim=-2)
        return seen @ self.value.T @ self.answers.T


def wanted_of(work: Work) -> Tensor:
    """What each subject and each relation answers with: 1 or 0, float32 (N, N + R)."""
    wanted = torch.zeros(work.n_entities, work.n_entities + work.n_relations)
    for relation, answers in enumerate(work.facts.answers):
        given = torch.tensor(answers)
        wanted[given, torch.arange(work.n_entities)] = 1
        wanted[given, work.n_entities + relation] = 1
    return wanted


def tokens_of_a_head(n_words: int, n_all: int, dimension: int) -> int:
    """t: how many of so many tokens a head looks for in this dimension, of n_all there are."""
    most = dimension / (16 * math.log(max(2, n_words * n_all)))
    return max(1, min(n_words, math.floor(most)))


def _rows(vectors: Tensor, rule: Rule) -> Tensor:
    """The g_z for these vectors (t, d): themselves, or their dual vectors."""
    if rule == "outer products":
        return vectors
    dual: Tensor = torch.linalg.pinv(vectors.double()).T.float()
    return dual


def _heads(
    words: Tensor, n_subjects: int, end: Tensor, written: Tensor, t: int, rule: Rule
) -> tuple[Tensor, Tensor, Tensor]:
    """a_h times beta, g_z and y_z of all heads, for tokens (n, d), of which subjects come first,
    EOS (d,) and y_z (n, d).
    """
    looks, reads, writes = [], [], []
    starts = [*range(0, n_subjects, t), *range(n_subjects, len(words), t)]
    for first, after in pairwise([*starts, len(words)]):
        own = words[first:after]
        rows = _rows(torch.cat([own, end[None]]), rule)
        looks.append(BETA * (rows[:-1].sum(dim=0) + rows[-1] / 2))
        empty = (0, 0, 0, t - len(own))
        reads.append(nn.functional.pad(rows[:-1], empty))
        writes.append(nn.functional.pad(written[first:after], empty))
    return torch.stack(looks), torch.stack(reads), torch.stack(writes)


def module_of(work: Work, tokens: Tensor, answers: Tensor, rule: Rule) -> nn.Module:
    """The memory of this work between these embeddings, (V, d) and (N, d)."""
    n_words = work.n_entities + work.n_relations
    written = (_rows(answers, rule).T @ wanted_of(work)).T
    words = tokens[:n_words]
    if not work.noise_tokens:
        return OneMatrix(tokens, answers, written.T @ _rows(words, rule))
    t = tokens_of_a_head(n_words, len(tokens), tokens.shape[1])
    return ValueMatrices(
        tokens, answers, *_heads(words, work.n_entities, tokens[-1], written, t, rule)
    )


def build(work: Work, dimension: int, rule: Rule) -> Built:
    """The memory of this work in this dimension."""
    random = torch.Generator().manual_seed(work.seed)
    tokens = unit_vectors(work.n_tokens, dimension, random)
    answers = unit_vectors(work.n_entities, dimension, random)
    return Built(module_of(work, tokens, answers, rule), dimension, 0, ("tokens", "answers"))


def _memory(rule: Rule, name: str, source: str) -> Memory:
    """The memory that writes its matrices by this rule."""

    def built(work: Work, dimension: int) -> Built:
        """By this rule."""
        return build(work, dimension, rule)

    def sizes(work: Work) -> tuple[int, int]:
        """Around `4 (R + N/R) ln(N N R)`, the noise of one subject and one relation."""
        added = work.n_relations + work.n_entities / work.n_relations
        needed = 4 * added * math.log(max(2, work.n_entities * work.n_facts))
        return max(1, math.floor(needed / 32)), math.ceil(2 * needed)

    return Memory(name, source, "dimension", "given", refusals.of_sums, sizes, built)


outer_products = _memory(
    "outer products", "value matrices, outer products", "arXiv 2412.06538, section 4"
)
least_squares = _memory("least squares", "value matrices, least squares", "ours")
MEMORIES = [outer_products, least_squares]
