"""Queries as sequences of tokens, and what is to be said after their last positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import Answers
from constructions.facts.vocabulary import WRITING, Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory


def prompts(
    vocabulary: Vocabulary,
    entities: NDArray[np.int64],
    paths: NDArray[np.int64],
    longest: int,
) -> NDArray[np.int64]:
    """The subject, then the relations, then PAD up to the longest path: subjects (...) and paths
    (..., k) to int64 (..., longest + 1).
    """
    hops = paths.shape[-1]
    lead = np.broadcast_shapes(entities.shape, paths.shape[:-1])
    tokens = np.empty((*lead, longest + 1), dtype=np.int64)
    tokens[..., 0] = entities
    tokens[..., 1 : hops + 1] = vocabulary.n_entities + paths
    if hops < longest:
        tokens[..., hops + 1 :] = vocabulary.special("pad")
    return tokens


def sequences(
    facts: Answers,
    vocabulary: Vocabulary,
    entities: NDArray[np.int64],
    paths: NDArray[np.int64],
    longest: int,
    hops_per_token: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Whole sequences (..., L) of the queries and their targets (..., A): what the last A
    positions are to say. One, the answer; of a chain of thought each token that it writes, and
    the sequences hold all of them but END.
    """
    hops, step = paths.shape[-1], hops_per_token
    read = [*range(step, hops, step), hops] if step else [hops]
    passed = np.stack([facts.answer(entities, paths[..., :length]) for length in read], axis=-1)
    said = vocabulary.answer_tokens(passed)
    prompt = prompts(vocabulary, entities, paths, longest)
    if not step:
        return prompt, said
    end = np.full_like(said[..., :1], vocabulary.special("end"))
    return np.concatenate([prompt, said], -1), np.concatenate([said, end], -1)


def dataset(
    facts: Answers, hops: int, hops_per_token: int, longest: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """See `constructions.facts.table.FactTable.dataset`."""
    hops = whole("hops", hops, 1)
    hops_per_token = whole("hops_per_token", hops_per_token, 0)
    longest = hops if longest is None else whole("longest", longest, hops)
    if longest > hops and not hops_per_token:
        raise InputError(
            f"longest = {longest} and hops = {hops}: only in a chain of thought, with"
            " hops_per_token, are shorter paths padded"
        )
    count = facts.n_stored_queries(hops)
    if not count:
        raise InputError(f"no query of {hops} hops is stored: there is nothing to learn")
    written = -(-hops // hops_per_token) if hops_per_token else 0
    width = longest + 1 + hops + 2 * written + 2
    require_memory(8 * count * width, f"a dataset of {count:,} queries of {hops} hops")
    vocabulary = Vocabulary(
        facts.n_entities, facts.n_relations, *([WRITING] if hops_per_token else [])
    )
    subjects, paths = facts.claimed_queries(np.arange(count), hops, stored_only=True)
    return sequences(facts, vocabulary, subjects, paths, longest, hops_per_token)
