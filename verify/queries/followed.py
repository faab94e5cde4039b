"""What a query's forward pass is made on: its tokens, those included that the model writes, what
it says, and what it should say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from constructions.facts.answers import MISSING
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.asked_sets import ONE_HOP
from constructions.model.set_model import SetModel
from verify.queries.shown_blocks import token_name

NO_END = "... (no END)"
"""Behind what a damaged model writes, which ends where there is no position left."""


@dataclass(frozen=True)
class Followed:
    """A query that is followed through a model.

    Attributes:
        tokens: int64 (L,), the prompt and the tokens that are written and fed back.
        first: the first position that decides: one for each token from there.
        words: the letters of the words that are asked for, see `constructions.model.record.Block`:
            the path; of a set the places of its relation.
        per_token: how many letters of the path each token takes; 0 if layers keep none.
        answer: what the model says, in names.
        right: whether the facts say so too.
        claimed: whether the model claims to answer the query.
    """

    tokens: Tensor
    first: int
    words: tuple[int, ...]
    per_token: int
    answer: str
    right: bool
    claimed: bool


def followed(model: Answering, subject: int, path: Sequence[int]) -> Followed:
    """Ask a model.

    Raises:
        InputError: it answers no paths of this length, or an id is out of range.
    """
    if isinstance(model, SetModel):
        return _set(model, subject, path)
    return _path(model, subject, path)


def _path(model: Answering, subject: int, path: Sequence[int]) -> Followed:
    """Of a model that answers paths."""
    known = int(model.facts.answer(subject, list(path)))
    entities, relations = np.array(subject), np.array(path, dtype=np.int64)
    said = int(model.said(entities, relations))
    if model.hops_per_token:
        tokens, _ = _written(model, model.prompt(entities, relations))
        first, per_token = model.hops, model.hops_per_token
    else:
        tokens, _ = model.training_examples(entities, relations)
        first, per_token = tokens.shape[-1] - 1, len(path)
    claimed = not model.stored_only or known != MISSING
    answer = model.facts.entity_name(said)
    return Followed(tokens, first, tuple(path), per_token, answer, said == known, claimed)


def _set(model: SetModel, subject: int, path: Sequence[int]) -> Followed:
    """Of a model that writes sets."""
    if len(path) != 1:
        raise InputError(ONE_HOP.format(relations=len(path)))
    facts, (letter,) = model.facts, path
    known = facts.answer_set(subject, letter)
    prompt = model.prompt(np.array(subject), np.array(path, dtype=np.int64))
    tokens, last = _written(model, prompt)
    ended = last == model.vocabulary.special("end")
    written = tokens[prompt.shape[-1] :].tolist() + ([] if ended else [last])
    names = [token_name(model, token) for token in written]
    answer = ", ".join([*names, *([] if ended else [NO_END])]) or "(no answer)"
    before, here = int(facts.most[:letter].sum()), int(facts.most[letter])
    places = tuple(range(before, before + here))
    right = ended and tuple(written) == known
    return Followed(tokens, prompt.shape[-1] - 1, places, 0, answer, right, True)


def _written(model: Answering, prompt: Tensor) -> tuple[Tensor, int]:
    """The prompt and all tokens that are written but the last, and the last."""
    written = model.generate(prompt).tokens
    fed_back = torch.from_numpy(written[:-1]).to(prompt)
    return torch.cat([prompt, fed_back], -1), int(written[-1])
