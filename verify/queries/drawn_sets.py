"""Sets of a saved model, drawn at random: which are asked for, and which tokens should follow."""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.answers import MISSING
from constructions.facts.set_table import SetTable
from constructions.saved.manifest import Manifest, holds_sets
from verify.queries.drawn import Drawn, Questions


def questions_of(manifest: Manifest, facts: object, hops_per_token: int) -> Questions:
    """The queries that a saved model claims to answer, of functions or of sets.

    Args:
        manifest: of its folder.
        facts: of its folder, see `constructions.saved.reading.read_facts`.
        hops_per_token: as its proof says.
    """
    kind = SetQuestions if holds_sets(manifest) else Questions
    return kind(manifest, facts, hops_per_token)  # type: ignore[arg-type]


class SetQuestions(Questions):
    """The sets of all subjects and relations."""

    facts: SetTable  # type: ignore[assignment]  # in place of functions

    @property
    def steps(self) -> int:
        """How many tokens are written at most, END included."""
        return int(self.facts.most.max()) + 1

    def counts(self) -> list[int]:
        """N R sets."""
        return [self.facts.n_queries()]

    def drawn(self, most: int, seed: int) -> Drawn:
        """All sets if there are at most so many, else so many at random."""
        (total,) = self.counts()
        rng = np.random.default_rng(seed)
        numbers = np.arange(total) if total <= most else rng.choice(total, most, replace=False)
        subjects, letters = np.divmod(numbers, self.facts.n_relations)
        answers = np.pad(
            self.facts.answer_sets(subjects, letters), ((0, 0), (0, 1)), constant_values=MISSING
        )
        sizes = self.facts.sizes[letters, subjects][:, None]
        end = np.where(np.arange(self.steps) == sizes, self.vocabulary.special("end"), MISSING)
        wanted = np.where(answers == MISSING, end, answers)
        prompts = np.stack([subjects, self.vocabulary.n_entities + letters], axis=1)
        tensors = map(torch.from_numpy, (prompts, wanted))
        return Drawn(subjects, np.ones_like(subjects), letters[:, None], *tensors)
