"""Why a memory does not take some work, in a few words."""

from __future__ import annotations

from verify.rivals.work import Work


def of_many_hops(work: Work) -> str:
    """Of a memory that answers one hop."""
    return "answers one hop" if work.hops > 1 else ""


def of_noise(work: Work) -> str:
    """Of a memory of keys and values: it reads a subject and a relation, and one hop."""
    return of_many_hops(work) or ("reads no noise tokens" if work.noise_tokens else "")


def of_sums(work: Work) -> str:
    """Of a memory whose logits are a term of the subject and a term of the relation.

    Two relations that answer with the same entities are more than it can hold, whatever its size:
    see `verify.rivals.memories.value_matrices`.
    """
    shared = work.answers == "shared" and work.n_relations > 1
    return of_many_hops(work) or ("adds up, so answers must be disjoint" if shared else "")
