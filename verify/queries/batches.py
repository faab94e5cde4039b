"""All claimed queries, batch by batch: subjects first, then the relations that can follow, from a
cache; or chains of thought, token by token.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from constructions.facts.table import FactTable
from constructions.following.prefixes import prefixes_of
from constructions.following.static_prefix import prefix_is_static
from constructions.guards.errors import InternalError
from constructions.model.answering import Answering
from constructions.model.trace import Cache, KeysAndValues
from constructions.model.transformer import Transformer


@dataclass
class Batch:
    """Some queries at the moment when a token is decided.

    Attributes:
        states: final states (Q, d_model) of the deciding position.
        answers: the tokens (Q,) that the oracle wants.
        subjects, paths: the queries, (Q,) and (Q, k).
        failed: bool (Q,): which of them have failed so far.
        undecided: bool (Q,): which of them were, at some step, within what rounding may change.
        last: whether this is the last token of these queries.
        step: which written token this is, from 1; 0 where a single token is the answer.
        said: what the model says (Q,); filled in by the one who decides, read by the one who feeds
            it back.
    """

    states: Tensor
    answers: Tensor
    subjects: np.ndarray
    paths: np.ndarray
    failed: Tensor
    undecided: Tensor
    last: bool = True
    step: int = 0
    said: Tensor | None = None


def batches_of_paths(
    model: Answering, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]
) -> Iterator[Batch]:
    """All queries about the chosen subjects, at most `rows` at once where one subject and one last
    relation allow it.
    """
    n_relations, device = facts.n_relations, model.embedding.weight.device
    words_at_once = n_relations**hops
    # the first hops are run relation by relation where all words of one subject would be too many
    free = 0
    while words_at_once > rows and free < hops:
        words_at_once //= n_relations
        free += 1
    subjects_at_once = max(1, rows // words_at_once)
    read = prefix_reader(model)
    relations = torch.from_numpy(model.vocabulary.relations).to(device)[:, None]
    for start in range(0, len(chosen), subjects_at_once):
        subjects = chosen[start : start + subjects_at_once]
        cache = read(torch.from_numpy(subjects).to(device)[:, None])
        for prefix in itertools.product(range(n_relations), repeat=free):
            branch = cache
            for relation in prefix[:-1] if free == hops else prefix:
                branch = read(relations[relation, None], branch)
            for _ in range(hops - free - 1):
                branch = read(relations, _with_axis(branch))
            if free == hops:
                states, _ = model.states(relations[prefix[-1], None], branch)
            else:
                states, _ = model.states(relations, _with_axis(branch))
            yield _labelled(model, facts, states, subjects, prefix, hops)


def batches_of_stored_paths(
    model: Answering, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]
) -> Iterator[Batch]:
    """Those queries about the chosen subjects that meet no missing fact, at most `rows` at once;
    what several begin with is run once.
    """
    device, read = model.embedding.weight.device, prefix_reader(model)
    total = int(facts.stored_paths.counts(hops)[chosen].sum())
    for start in range(0, total, rows):
        index = np.arange(start, min(start + rows, total))
        subjects, paths = facts.claimed_queries(index, hops, True, chosen)
        states = last_states(model, model.prompt(subjects, paths).cpu(), read)
        yield _batch(model, facts, states.to(device), subjects, paths)


def last_states(model: Answering, tokens: Tensor, read: Callable[..., Cache]) -> Tensor:
    """The final states (Q, d_model) of the last positions of sequences (Q, L): position by
    position, where those that begin alike share what they begin with.

    Args:
        model: that is run.
        tokens: int64, on the CPU.
        read: (tokens, cache) to the cache that includes them.
    """
    prefixes, device = prefixes_of(tokens), model.embedding.weight.device
    cache, before = None, 0
    for place in range(prefixes.n_positions):
        (here,) = (prefixes.position == place).nonzero(as_tuple=True)
        sequences = prefixes.first[here] // prefixes.n_positions
        if cache is not None:
            earlier = (prefixes.at[sequences, place - 1] - before).to(device)
            cache = [KeysAndValues(*(part[earlier] for part in memory)) for memory in cache]
        newest = tokens[sequences, place, None].to(device)
        if place == prefixes.n_positions - 1:
            states, _ = model.states(newest, cache)
            return states[(prefixes.at[:, -1] - int(here[0])).to(device), -1]
        cache, before = read(newest, cache), int(here[0])
    raise InternalError("a query of no token was to be run")


def prefix_reader(model: Answering) -> Callable[..., Cache]:
    """(tokens, cache) to the cache that includes them; from embeddings alone where
    that is right.
    """
    if isinstance(model, Transformer) and prefix_is_static(model):
        return model.remember
    return lambda tokens, cache=None: model.states(tokens, cache)[1]


def _with_axis(cache: Cache) -> Cache:
    """All queries so far in one axis, and a new one before the positions, for the relations that
    follow.
    """
    return [
        KeysAndValues(
            *(part.reshape(part.shape[:-2].numel(), 1, *part.shape[-2:]) for part in memory)
        )
        for memory in cache
    ]


def _labelled(
    model: Answering,
    facts: FactTable,
    states: Tensor,
    subjects: np.ndarray,
    prefix: tuple[int, ...],
    hops: int,
) -> Batch:
    """States (..., 1, d) of all queries about the subjects whose paths begin with the prefix, with
    their answers.
    """
    rest = hops - len(prefix)
    places, tails = facts.queries(np.arange(len(subjects) * facts.n_relations**rest), rest)
    paths = np.concatenate(
        [np.broadcast_to(np.array(prefix, np.int64), (len(tails), len(prefix))), tails], axis=1
    )
    asked = subjects[places]
    return _batch(model, facts, states[..., -1, :].reshape(-1, states.shape[-1]), asked, paths)


def _batch(
    model: Answering,
    facts: FactTable,
    states: Tensor,
    subjects: NDArray[np.int64],
    paths: NDArray[np.int64],
) -> Batch:
    """Queries with their final states (Q, d_model) and their answers."""
    answers = model.vocabulary.answer_tokens(facts.answer(subjects, paths))
    failed, undecided = (
        torch.zeros(len(paths), dtype=torch.bool, device=states.device) for _ in range(2)
    )
    wanted = torch.from_numpy(answers).to(states.device)
    return Batch(states, wanted, subjects, paths, failed, undecided)


def batches_of_chains(
    model: Answering, facts: FactTable, hops: int, rows: int, chosen: NDArray[np.int64]
) -> Iterator[Batch]:
    """All queries about the chosen subjects, step by step: the prompt once, then what the model
    itself has said.

    The oracle only names what each step should say (the intermediate entities, then END); it is
    never fed.
    """
    if not model.hops_per_token:
        raise InternalError(
            f"a {type(model).__name__} writes no tokens; its queries are run by _batches"
        )
    device, per_token = model.embedding.weight.device, model.hops_per_token
    at_once = max(1, rows // model.shape.n_positions)
    steps = -(-hops // per_token)
    total = len(chosen) * facts.n_relations**hops
    if model.stored_only:
        total = int(facts.stored_paths.counts(hops)[chosen].sum())
    read = prefix_reader(model)
    for start in range(0, total, at_once):
        index = np.arange(start, min(start + at_once, total))
        subjects, paths = facts.claimed_queries(index, hops, model.stored_only, chosen)
        failed = torch.zeros(len(index), dtype=torch.bool, device=device)
        undecided = torch.zeros_like(failed)
        prompt = model.prompt(subjects, paths)
        states, cache = model.states(prompt[:, -1:], read(prompt[:, :-1]))
        for step in range(1, steps + 2):
            wanted = np.full(len(index), model.vocabulary.special("end"))
            if step <= steps:
                wanted = model.vocabulary.answer_tokens(
                    facts.answer(subjects, paths[:, : step * per_token])
                )
            answers = torch.from_numpy(wanted).to(device)
            last = step > steps
            batch = Batch(states[:, -1], answers, subjects, paths, failed, undecided, last, step)
            yield batch
            if not last:
                if batch.said is None:
                    raise InternalError(
                        "the token that the model says was not noted, so that it cannot be fed"
                        " back"
                    )
                states, cache = model.states(batch.said[:, None], cache)
