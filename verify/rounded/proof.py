"""All facts of a rounded trained model are answered right, strictly, in exact arithmetic.

**The model.** Every fact is asked as a subject s and a relation r; with E, P, U the embeddings of
subjects, relations and answers (U may be the first rows of E) and matrices W_0, ..., W_k, k >= 1:

    x = E[s] + P[r],    h_0 = x,    h_(i+1) = ReLU(W_i h_i + b_i)  for i < k,
    y = x + (W_k h_k + b_k),        logits = U y.

**Theorem.** If `prove` returns PASS, then for every stored fact the logit of its answer is larger
than all other logits, in real arithmetic; and so it is, with these very logits, when the forward
pass is computed in float64, in whatever order sums are added.

**Lemma 1 (grids).** A tensor T is an integer tensor times a power of two, its *step*. Then so is
every vector above: sums are formed after both summands are brought to the smaller one of their two
steps (`_aligned`), the step of `W h` is the product of both steps, and ReLU commutes with the
multiplication by a positive number. `Scaled` holds the integers and the exponent of the step.

**Lemma 2 (exactness).** Let integers satisfy `sum_j |w_j| |x_j| + |b| <= 2^53`. Then float64
computes `sum_j w_j x_j + b` without rounding, in any order, with fused multiplication or without:
each product, and each sum of some of the terms, is an integer of absolute value at most 2^53, and
all these are float64 numbers. The same integers times one power of two (Lemma 1) are also, as no
step here is below 2^-1022 or above 2^969 (`_affine`, `prove`).

**Lemma 3 (the bound).** Beside every product stands the bound `B = |W| max_q |x_q| + |b|`, with
the largest value of each coordinate over all queries q at hand. It is a sum of at most 2^30 terms
of one sign, computed in float64, so that the true one is at most `B (1 + 2^-20)`. Required is
`B <= 2^51`; NaN and infinity do not pass. So Lemma 2 holds for each query and row, and the
difference of two logits, each an integer of at most 2^52, is exact, too.

The proof of the theorem: by Lemmas 2 and 3 every number computed here is the integer of Lemma 1;
the comparison in `_least_lead` is one of these integers, and it is made for each stored fact. ∎
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from verify.kernel.verdict import Refuted, Undecided, Verdict, require
from verify.rounded.folder import Folder, read

LIMIT = 2.0**51
MOST_TERMS = 2**30
_TOO_LARGE = "{} may exceed 2^51 of its steps: it may be rounded; round the weights to fewer bits"
NUMBERS = 2**22
"""So many numbers of the widest vectors are computed together."""


class Scaled(NamedTuple):
    """Integers in float64, times `2 ** exponent` (Lemma 1)."""

    integers: np.ndarray
    exponent: int


def prove(files: Mapping[str, Any]) -> Verdict:
    """The verdict on the files of a folder, by name, as bytes-like objects.

    Raises:
        Refuted: a fact is not answered right, or the folder is not what it says of itself.
        Undecided: sums may be too large for Lemma 2.
    """
    folder = read(files)
    tensors = {name: Scaled(*found) for name, found in folder.tensors.items()}
    answers = tensors["entities"] if folder.tied else tensors["answers"]
    answers = answers._replace(integers=answers.integers[: folder.n_answers])
    widest = max(folder.n_answers, *(t.integers.shape[0] for n, t in tensors.items() if "." in n))
    require(max(widest, folder.d) < MOST_TERMS, "a vector is too long for Lemma 3", Undecided)
    relations, subjects = np.nonzero(folder.facts >= 0)
    at_once, least, exponent, largest = max(1, NUMBERS // widest), None, 0, 0.0
    for start in range(0, len(subjects), at_once):
        some = slice(start, start + at_once)
        x = _sum(
            _rows(tensors["entities"], subjects[some]),
            _rows(tensors["relations"], relations[some]),
        )
        h = x
        for i in range(folder.depth):
            h, bound = _affine(tensors[f"weights.{i}"], tensors[f"biases.{i}"], h)
            largest = max(largest, bound)
            h = h._replace(integers=np.maximum(h.integers, 0)) if i < folder.depth - 1 else h
        nothing = Scaled(np.zeros(len(answers.integers)), 0)
        logits, bound = _affine(answers, nothing, _sum(x, h))
        largest, exponent = max(largest, bound), logits.exponent
        lead = _least_lead(folder, logits, subjects[some], relations[some])
        least = lead if least is None else min(least, lead)
    require(least is not None, "no fact is stored, so that there is nothing to prove")
    margin = Fraction(least or 0) * Fraction(2) ** exponent
    bits = int(np.ceil(np.log2(max(largest, 2.0)))) + 1
    return Verdict(
        "PASS",
        queries=len(subjects),
        not_claimed=folder.facts.size - len(subjects),
        margin=margin,
        real_margin=margin,
        rounds=f"sums are integers of up to {bits} bits, which float64 adds without rounding",
        by="rounded",
    )


def _rows(table: Scaled, places: np.ndarray) -> Scaled:
    """Some rows of a table."""
    return table._replace(integers=table.integers[places])


def _sum(one: Scaled, other: Scaled) -> Scaled:
    """The sum of two vectors, each within the limit (Lemma 2 with weights 1)."""
    one, other = _aligned(one, other)
    bound = np.abs(one.integers).max(initial=0) + np.abs(other.integers).max(initial=0)
    require(bound <= LIMIT, _TOO_LARGE.format("a sum of two vectors"), Undecided)
    return Scaled(one.integers + other.integers, one.exponent)


def _aligned(one: Scaled, other: Scaled) -> tuple[Scaled, Scaled]:
    """Both with the smaller step: a multiplication by a power of two, which is exact; infinite
    where it is too large, which no bound passes.
    """
    least = min(one.exponent, other.exponent)
    apart = max(one.exponent, other.exponent) - least
    require(apart <= 900, "two steps are too far apart", Undecided)
    first, second = (each.integers * 2.0 ** (each.exponent - least) for each in (one, other))
    return Scaled(first, least), Scaled(second, least)


def _affine(weight: Scaled, bias: Scaled, x: Scaled) -> tuple[Scaled, float]:
    """`W x + b`, and the bound of Lemma 3."""
    exponent = weight.exponent + x.exponent
    require(-1022 <= exponent <= 900, "the step of a product is beyond float64", Undecided)
    product, added = _aligned(Scaled(weight.integers, exponent), bias)
    largest = np.abs(x.integers).max(axis=0, initial=0)
    bound = float((np.abs(product.integers) @ largest + np.abs(added.integers)).max(initial=0))
    require(bound <= LIMIT, _TOO_LARGE.format("a sum"), Undecided)
    return Scaled(x.integers @ product.integers.T + added.integers, product.exponent), bound


def _least_lead(
    folder: Folder, logits: Scaled, subjects: np.ndarray, relations: np.ndarray
) -> int:
    """The least distance, in steps, of the answer's logit from the largest other one: it must be
    positive for each query. 0 where there is no other logit, and so no distance.
    """
    each, answers = np.arange(len(subjects)), folder.facts[relations, subjects]
    own, others = logits.integers[each, answers], logits.integers.copy()
    others[each, answers] = -np.inf
    best = others.max(axis=1)
    for q in np.flatnonzero(~(own > best))[:1]:
        query = f"{folder.name(subjects[q])} {folder.relation(relations[q])}"
        wins, apart = folder.name(int(others[q].argmax())), float(best[q] - own[q])
        by = f"larger by {apart * 2.0**logits.exponent:.6g}" if apart else "as large"
        answer = folder.name(answers[q])
        raise Refuted(f"{query}: the answer is {answer}, and the logit of {wins} is {by}")
    return int((own - best).min()) if others.shape[1] > 1 else 0
