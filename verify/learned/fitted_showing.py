"""Follows one query through any decoder, in a basis of attributes that is fitted to its stream
(`verify.learned.fitted_step`).

    found = fitted_shown(of(model), answers_of(facts), 3, 1, Names.of(facts))
    found.steps[0].rows[-1].held  # what stands there, block by block

    found = fitted_chain(form, 3, [1, 0, 1], "form of chain_of_thought")
    found.steps[2].rows[-1].held  # when the third token was written
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.vocabulary import Vocabulary
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from verify.learned.fitted_names import Names, remarks, token_names
from verify.learned.fitted_step import Asked, FittedStep, blocks, columns, fitted_step
from verify.learned.module_decoder import ModuleDecoder
from verify.learned.seen import Seeable
from verify.learned.ways import TRACED
from verify.queries.followed import Followed, followed
from verify.queries.shown import Shown, drawn


def fitted_shown(
    decoder: Seeable,
    answers: NDArray[np.int64],
    subject: int,
    relation: int,
    names: Names,
    seed: int = 0,
) -> Shown:
    """Follow one query.

    Args:
        decoder: any of `verify.learned.adapters`, or one of your own.
        answers: int64 (R, N), the column of the logits of each fact, -1 where one is missing.
        subject, relation: which query, 0 to N - 1 and 0 to R - 1.
        names: of subjects, relations and answers.
        seed: of what is drawn: subjects if they are many, folds, shuffled facts.

    Raises:
        InputError: these are no answers to the decoder's queries, or a number is out of range.
    """
    asked = Asked(decoder, answers, subject, relation, names)
    step = fitted_step(asked, seed)
    best = int(step.logits.argmax())
    return _shown(
        [step],
        f"{names.subjects[subject]} {names.relations[relation]}",
        names.answers[best],
        right=best == asked.known,
        claimed=asked.known != MISSING,
    )


def fitted_chain(
    model: Answering, subject: int, path: Sequence[int], name: str, seed: int = 0
) -> Shown:
    """Follow one query through a model that writes a chain of thought: a step for each token.

    A step begins at one token: the subject, in the first; then the one that was written last. It
    is watched with every entity in the place of that token, all others as they are; and which
    letters it reads is found by putting others in their place.

    Args:
        model: a construction that writes a chain of thought, a form of one, or a decoder in which
            one stands.
        subject, path: ids of an entity and of relations.
        name: what the model is called.
        seed: of what is drawn: subjects if they are many, folds, shuffled facts.

    Raises:
        InputError: the model writes no chain of thought, or answers no paths of this length, or an
            id is out of range.
    """
    if not model.hops_per_token:
        raise InputError(
            f"{model.construction} writes no chain of thought, of which each step is followed;"
            " give fitted_shown a decoder of it"
        )
    asked = followed(model, subject, path)
    steps = [fitted_step(step, seed) for step in _chain(model, asked, path, name)]
    query = model.facts.query_text(subject, path)
    return _shown(steps, query, asked.answer, right=asked.right, claimed=asked.claimed)


def _shown(
    steps: list[FittedStep], query: str, answer: str, *, right: bool, claimed: bool
) -> Shown:
    """The whole picture."""
    first, names = steps[0], steps[0].asked.names
    shown, cut = columns(steps)
    largest = np.max([step.largest for step in steps], axis=0)
    evidence = [one for step in steps for one in step.evidence]
    return Shown(
        name=names.model,
        query=query,
        answer=answer,
        right=right,
        claimed=claimed,
        d_model=first.d_model,
        depth=first.depth,
        blocks=tuple(blocks(names, shown)),
        cut=cut,
        steps=tuple(step.shown(shown, largest) for step in steps),
        remarks=tuple(remarks(evidence, first.answers.shape[1], len(steps))),
    )


def _chain(model: Answering, asked: Followed, path: Sequence[int], name: str) -> Iterator[Asked]:
    """The steps that are drawn, each as a query of its own: from one token, by a word of at most
    `hops_per_token` relations, to the next. The word of no relations, which leads to END, is no
    attribute.
    """
    vocabulary, per_token = model.vocabulary, model.hops_per_token
    tokens = asked.tokens.cpu().numpy()
    lengths = range(1, per_token + 1)
    lists = [all_words(model.facts.n_relations, length).tolist() for length in lengths]
    words = [*(tuple(word) for some in lists for word in some), ()]
    read = model.unembedding.weight.detach().clone()
    relations = [" ".join(map(model.facts.relation_name, word)) for word in words[:-1]]
    answers = token_names(model, len(read))
    for number in drawn(len(tokens) - asked.first):
        deciding, begin = asked.first + number - 1, (number - 1) * per_token
        at = deciding if number > 1 else 0
        subjects, known = _known(model, int(tokens[at]), words[:-1])
        places = range(1 + begin, 1 + min(begin + per_token, model.hops))
        prompts = _prompts(vocabulary, tokens[: deciding + 1], words, places)
        decoder = ModuleDecoder(
            model,
            TRACED,
            "embedding.weight",
            subjects,
            np.delete(prompts, at, axis=1),
            read,
            at=at,
        )
        yield Asked(
            decoder,
            known,
            int(np.flatnonzero(subjects == tokens[at])[0]),
            words.index(tuple(path[begin : begin + per_token])),
            Names(name, [answers[token] for token in subjects], [*relations, "PAD"], answers),
            number,
            [index for index, word in enumerate(words) if len(word) <= len(places)],
            tuple(answers[token] for token in tokens[: deciding + 1]),
        )


def _known(
    model: Answering, token: int, words: Sequence[tuple[int, ...]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens (n,) that may stand where one does, all entities and itself; and the tokens
    (words + 1, n) to which words lead from them, and -1 in the last row.
    """
    entities, vocabulary = model.vocabulary.entities, model.vocabulary
    found = [vocabulary.answer_tokens(model.facts.answer(entities, list(word))) for word in words]
    answers = np.stack([*found, np.full_like(entities, MISSING)])
    if token < len(entities):
        return entities, answers
    stays = np.full(len(answers), token if token == vocabulary.unknown else MISSING)
    stays[-1] = MISSING
    return np.append(entities, token), np.column_stack([answers, stays])


def _prompts(
    vocabulary: Vocabulary,
    tokens: NDArray[np.int64],
    words: Sequence[tuple[int, ...]],
    places: range,
) -> NDArray[np.int64]:
    """The same tokens (L,) with each word in these places in turn, as much of it as there is room
    for, and PAD behind it: (words, L).
    """
    prompts = np.repeat(tokens[None], len(words), axis=0)
    prompts[:, places.start : places.stop] = vocabulary.special("pad")
    for row, word in zip(prompts, words, strict=True):
        letters = word[: len(places)]
        row[places.start : places.start + len(letters)] = vocabulary.relations[list(letters)]
    return prompts
