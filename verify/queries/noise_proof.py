"""All prompts with noise tokens at once: a proof for a `NoiseReader` from its weights as they are.

The statement, in real arithmetic: after every prompt of T tokens that asks (s, r), whatever noise
it holds and wherever subject and relation stand, the answer's logit is the largest by at least the
margin. There are N R (T - 1) (T - 2) V^(T - 3) such prompts. The proof takes N R states.

1. *Order does not matter.* There are no positions and one layer, and the end token sees all: what
   it reads is a sum over tokens of weights that depend on these tokens alone.
2. *Scores.* At the end token either all tokens of the vocabulary that may stand there score alike
   in every head, so that each of the L has weight 1/L; or there is one head, in which subjects and
   relations score alike, and all others lower by a gap of at least beta, so that subject and
   relation have weight 1/2 each, but for `mu <= (L - 2) e^-beta / 2`.
3. *State.* D (L or 2) times the state is the integer vector `D E[end] + H[s] + H[r]`, and in the
   first case `(L - T + 1) H[end]`, where H is what the heads copy of a token; and what else moves
   it moves a coordinate by at most K: `(T - 3) max |H[noise]|`; or mu times twice what moves with
   the weight, `max |H[other]| + max |H[s] + H[r]| / 2`.
4. *MLP and unembedding* have no biases: D times the logits are integers. ReLU is 1-Lipschitz, so
   that K moves a difference of two logits by at most `sum_c (max U_c - min U_c) ((I + |W_n| ...
   |W_0|) K)_c`.
5. The smallest margin over all (s, r), an integer, less that, is positive: PASS.

If it is not, prompts are looked for that are answered wrong: without a leak, or filled with a
single noise token. One of them is a FAIL, which names it. Else UNKNOWN. The rows of noise tokens
may be any numbers where the heads do not score by them; all other weights are integers, or nothing
is understood.
Integers are added up as in `verify.kernel.arithmetic`, and bounds are rounded up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from constructions.facts.limits import require_runnable
from constructions.facts.noise_prompts import SHORTEST
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from constructions.model.noise_reader import NoiseReader
from verify.kernel.arithmetic import (
    EXACT,
    FINITE,
    ONE_HOT_GAP,
    leaked,
    small,
    times,
    upward,
)
from verify.kernel.verdict import Refuted, Undecided, Verdict, require
from verify.queries.noise_weights import Integers, NoiseWeights

Ids = NDArray[np.int64]
MOST_NUMBERS = 2**22
"""So many logits, or coordinates of states, are looked at together."""
MOST_FILLINGS = 16
"""So many noise tokens are tried for a prompt that is answered wrong: those that the heads copy
most of.
"""


def prove_all_prompts(reader: NoiseReader) -> Verdict:
    """Prove that every prompt is answered right, whatever its noise and its order.

    Args:
        reader: with whatever weights it has now.

    Returns:
        PASS with the number of prompts (`queries`), the margin without a leak and the one in real
        arithmetic, and the dtype if the module computes in it without rounding; FAIL with a prompt
        that is answered wrong; or UNKNOWN, and why.

    Raises:
        InputError: it is no reader, or there are more queries than are looked at.
    """
    if type(reader) is not NoiseReader:
        raise InputError(f"a NoiseReader is needed; got a {type(reader).__name__}")
    require_runnable(reader.facts.n_claimed_queries(1, reader.stored_only))
    try:
        return _Proof(reader).verdict()
    except Refuted as refuted:
        return Verdict("FAIL", str(refuted))
    except Undecided as undecided:
        return Verdict("UNKNOWN", str(undecided))


class _Proof:
    """The steps of the proof, for one reader.

    Attributes:
        gap: by how much subjects and relations score above all others; None where all score
            alike.
        scale: D.
    """

    def __init__(self, reader: NoiseReader):
        self.reader, self.prompts = reader, reader.prompts
        self.weights = NoiseWeights(reader)
        self.gap = self.weights.gap()
        self.scale = self.prompts.padded_length if self.gap is None else 2

    def verdict(self) -> Verdict:
        """See `prove_all_prompts`."""
        moved, least, closest = self._moved(), math.inf, (0, 0, 0)
        for subjects, relations, answers in self._queries():
            margins = _margins(self.weights.logits(self._state(subjects, relations)), answers)
            i = int(margins.argmin())
            if margins[i] < least:
                least = float(margins[i])
                closest = int(subjects[i]), int(relations[i]), int(answers[i])
        require(least < math.inf, "there is no query", Undecided)
        facts, margin = self.reader.facts, Fraction(int(least))
        if margin <= moved:
            self._refute(closest, margin, moved)
        claimed = facts.n_claimed_queries(1, self.reader.stored_only)
        return Verdict(
            "PASS",
            queries=claimed * self.prompts.of_a_query,
            not_claimed=(facts.n_queries(1) - claimed) * self.prompts.of_a_query,
            margin=(margin if self.gap is not None else margin - moved) / self.scale,
            real_margin=(margin - moved) / self.scale,
            exact=self._exact(),
        )

    # ---------------------------------------------------------------- steps

    def _state(self, subjects: Ids, relations: Ids, noise: Integers | None = None) -> Integers:
        """Step 3: D times the limit of the state after attention, (Q, d); where noise is given,
        with what the heads copy of one (d,) in all free places.
        """
        copied, end, length = self.weights.copied, self.prompts.end, self.prompts.length
        asked = self.prompts.vocabulary.n_entities + relations
        state = self.scale * self.weights.embedding[end] + copied[subjects] + copied[asked]
        if self.gap is None:
            state = state + (self.prompts.padded_length - length + 1) * copied[end]
        return small(state if noise is None else state + (length - SHORTEST) * noise)

    def _moved(self) -> Fraction:
        """Steps 3 and 4: by how much D times a difference of two logits moves at most."""
        noise, copied = self.weights.noise_copied().max(0, initial=0), np.abs(self.weights.copied)
        if self.gap is None:
            return Fraction(self.weights.moved_logits((self.prompts.length - SHORTEST) * noise))
        n = self.prompts.vocabulary.n_entities
        relations = copied[self.prompts.vocabulary.relations]
        with_weight = 2 * np.maximum(noise, copied[self.prompts.end])
        with_weight = with_weight + copied[:n].max(0) + relations.max(0)
        leak = leaked(self.gap, self.prompts.padded_length - 2)
        return leak * Fraction(self.weights.moved_logits(upward(with_weight)))

    def _queries(self) -> Iterator[tuple[Ids, Ids, Ids]]:
        """All claimed queries, some at a time: subjects, relations and answers' tokens."""
        facts, stored = self.reader.facts, self.reader.stored_only
        total = facts.n_claimed_queries(1, stored)
        widest = max(self.reader.network.shape.widest_layer, len(self.prompts))
        at_once = max(1, MOST_NUMBERS // widest)
        for start in range(0, total, at_once):
            numbers = np.arange(start, min(start + at_once, total))
            subjects, paths = facts.claimed_queries(numbers, 1, stored)
            answers = self.prompts.vocabulary.answer_tokens(facts.answer(subjects, paths))
            yield subjects, paths[..., 0], answers

    def _refute(self, closest: tuple[int, int, int], least: Fraction, moved: Fraction) -> None:
        """Raise Refuted with prompts that are answered wrong, if such are found, or Undecided.

        Args:
            closest: the query of the smallest margin: subject, relation and the answer's token.
            least: D times that margin, without noise and leak.
            moved: see `_moved`.
        """
        query = self.reader.facts.query_text(closest[0], [closest[1]])
        margin = shortened(least / self.scale)
        if self.gap is not None or self.prompts.length == SHORTEST:
            wrong = f"{query}: every prompt has a margin of {margin}, but for a leak of softmax"
            require(least + moved > 0, wrong)
        else:
            self._try_fillings()
        raise Undecided(
            f"{query}: without noise and leak the margin is {margin}, and they may move it by"
            f" {float(moved / self.scale):.3g}"
        )

    def _try_fillings(self) -> None:
        """Raise Refuted with a prompt that is answered wrong and has one noise token in all free
        places, if such is found.
        """
        weights, free = self.weights, self.prompts.length - SHORTEST
        order = np.argsort(-weights.noise_copied().sum(1), kind="stable")
        for number in order[:MOST_FILLINGS]:
            row = weights.noise_rows[number]
            if (row != np.rint(row)).any():
                continue
            copied = times(times(row, weights.value), weights.output)
            for subjects, relations, answers in self._queries():
                states = self._state(subjects, relations, copied)
                margins = _margins(weights.logits(states), answers)
                i = int(margins.argmin())
                query = self.reader.facts.query_text(int(subjects[i]), [int(relations[i])])
                require(
                    margins[i] > 0,
                    f"{query}: a prompt with token {self.prompts.noise[number]} in all {free}"
                    f" other places has a margin of"
                    f" {shortened(Fraction(int(margins[i]), self.scale))}",
                )

    def _exact(self) -> str | None:
        """The dtype, if every sum at the end token is exact in it, in any order."""
        dtype = str(self.reader.network.embedding.weight.dtype).removeprefix("torch.")
        if dtype not in EXACT or (self.gap is not None and self.gap < ONE_HOT_GAP):
            return None
        if not self.weights.keys_read_integers():
            return None
        rows = self.weights.noise_rows
        if self.gap is None and not (rows == np.rint(rows)).all():
            return None
        peak, high = self.weights.sums(self.gap is None)
        return dtype if peak < 2.0 ** EXACT[dtype] and high < 2.0 ** FINITE[dtype] else None


def _margins(logits: Integers, answers: Ids) -> Integers:
    """The answer's logit (Q, d_vocab) less the largest other one, (Q,)."""
    places = answers[:, None]
    own: Integers = np.take_along_axis(logits, places, -1)[:, 0]
    others = logits.copy()
    np.put_along_axis(others, places, -np.inf, -1)
    best: Integers = others.max(-1)
    return own - best
