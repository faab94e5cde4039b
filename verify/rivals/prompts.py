"""The prompts of a work: every fact, or every path, is asked once.

Of prompts with n noise tokens each fact has one, drawn at random: T = n + 3 tokens, subject and
relation at any places, noise from a vocabulary of N + R, and EOS last, as in arXiv 2412.06538.
Tokens are entities, relations, noise, EOS, in this order.
"""

from __future__ import annotations

import numpy as np

from constructions.facts.noise_prompts import NoisePrompts
from constructions.facts.vocabulary import Vocabulary
from verify.learned.answered import Prompts
from verify.rivals.work import Work


def prompts_of(work: Work, hops_per_token: int = 0) -> Prompts:
    """All N R^k queries as tokens, and what is to be said.

    Args:
        work: with its facts.
        hops_per_token: of a memory that writes intermediate entities; 0 of others.
    """
    if work.noise_tokens:
        n, r = work.n_entities, work.n_relations
        noisy = NoisePrompts(Vocabulary(n, r, ()), work.n_noise, work.prompt_length)
        subjects, relations = np.divmod(np.arange(n * r), r)
        tokens = noisy.tokens(subjects, relations, work.seed)
        return Prompts(tokens, work.facts.answers[relations, subjects][:, None])
    return Prompts(*work.facts.dataset(work.hops, hops_per_token))
