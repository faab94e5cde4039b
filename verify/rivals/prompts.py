"""The prompts of a work: every fact, or every path, is asked once."""

from __future__ import annotations

from constructions.guards.errors import InputError
from verify.learned.answered import Prompts
from verify.rivals.work import Work


def prompts_of(work: Work, hops_per_token: int = 0) -> Prompts:
    """All N R^k queries as tokens, and what is to be said.

    Args:
        work: with its facts.
        hops_per_token: of a memory that writes intermediate entities; 0 of others.

    Raises:
        InputError: prompts with noise tokens.
    """
    if work.noise_tokens:
        raise InputError("prompts with noise tokens cannot be asked yet")
    return Prompts(*work.facts.dataset(work.hops, hops_per_token))
