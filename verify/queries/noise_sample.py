"""Prompts with noise tokens: the proof for all of them, and a random sample that is run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from constructions.guards.integers import whole
from constructions.guards.wording import shortened
from constructions.model.margin import MarginClaim
from constructions.model.noise_reader import NoiseReader
from verify.kernel.verdict import Verdict as Proven
from verify.queries.evidence import Evidence
from verify.queries.noise_proof import prove_all_prompts

MOST_SAMPLED = 256
MOST_NUMBERS = 2**24
"""So many logits, or coordinates of states, are computed together."""


@dataclass(frozen=True)
class PromptsFound(Evidence):
    """What was found of a reader of prompts with noise tokens.

    Attributes:
        proven: of all prompts.
        claim: the margin that it states; None for none.
        prompts: how many were run.
        wrong: how many of them have an answer whose logit is not the only largest one.
        margin: the smallest logit margin of those that were run; NaN if any is.
        first_wrong: the tokens of the first prompt that is answered wrong; none if all are right.
        seed: of the random choice.
    """

    proven: Proven
    claim: MarginClaim | None
    prompts: int
    wrong: int
    margin: float
    first_wrong: tuple[int, ...]
    seed: int

    def faults(self) -> Iterator[str]:
        """A refuted proof, a wrong answer, and margins that contradict each other."""
        proven, claim = self.proven, self.claim
        if proven.verdict == "FAIL":
            yield proven.reason
        if self.wrong != 0:
            yield f"{self.wrong} of {self.prompts} are answered wrong: {list(self.first_wrong)}"
        if proven.verdict != "PASS":
            return
        if proven.exact is not None and not self.margin >= proven.margin:
            yield (
                f"a margin of {shortened(proven.margin)} is proven, and a prompt has {self.margin}"
            )
        if claim is not None and not proven.margin >= claim.in_dtype:
            yield (
                f"a margin of {shortened(claim.in_dtype)} is claimed, and"
                f" {shortened(proven.margin)} is proven"
            )

    def doubts(self) -> Iterator[str]:
        """Why nothing is proven."""
        if self.proven.verdict == "UNKNOWN":
            yield self.proven.reason


def check_prompts(reader: NoiseReader, most: int = MOST_SAMPLED, seed: int = 0) -> PromptsFound:
    """Prove that a reader answers all prompts, and run some of them.

    Args:
        reader: with whatever weights it has now.
        most: how many prompts are run at most, of as many different queries.
        seed: of queries, positions and noise.
    """
    most, seed = whole("most", most, 1), whole("seed", seed, 0)
    try:
        claim = reader.margin
    except ValueError:  # its weights, or the arithmetic, are others than when it was made
        claim = None
    facts, stored = reader.facts, reader.stored_only
    total = facts.n_claimed_queries(1, stored)
    rng = np.random.default_rng(seed)
    numbers = rng.choice(total, min(most, total), replace=False)
    subjects, paths = facts.claimed_queries(numbers, 1, stored)
    answers = reader.prompts.vocabulary.answer_tokens(facts.answer(subjects, paths))
    tokens = reader.prompts.tokens(subjects, paths[..., 0], seed)
    margins = _margins(reader, torch.from_numpy(tokens), torch.from_numpy(answers))
    wrong = (~(margins > 0)).nonzero().ravel().tolist()
    return PromptsFound(
        prove_all_prompts(reader),
        claim,
        len(tokens),
        len(wrong),
        margins.min().item() if len(tokens) else math.nan,
        tuple(tokens[wrong[0]].tolist()) if wrong else (),
        seed,
    )


@torch.no_grad()
def _margins(reader: NoiseReader, tokens: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """The margins of prompts (Q, T) with answers (Q,), float64 (Q,), by the module itself."""
    shape, device = reader.network.shape, reader.network.embedding.weight.device
    length = reader.prompts.padded_length
    numbers = shape.d_vocab + length * (4 * shape.d_model + shape.widest_layer + 3 * length)
    at_once, found = max(1, MOST_NUMBERS // numbers), []
    for start in range(0, len(tokens), at_once):
        some = slice(start, start + at_once)
        logits = reader(tokens[some].to(device))
        places = answers[some, None].to(device)
        own = logits.gather(-1, places)[:, 0].double()
        others = logits.scatter(-1, places, -torch.inf).amax(-1).double()
        found.append(own - others)
    return torch.cat(found).cpu()
