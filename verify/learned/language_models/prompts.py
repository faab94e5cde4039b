"""A fact table as prompts in the tokens of a language model.

Subjects are the entities with facts, answers all entities that are a fact's object; every subject
is asked for every relation, also where no fact is stored. What a name is in tokens is asked in its
place, with the text before it, by the tokenizer's offsets:

* the state of a subject is that of the last token that stands for a part of its name;
* an answer has the tokens that are added where it follows the prompt, the same in all relations.

**How answers are scored.** By the logits of their first tokens where these are distinct ("first");
else by the sum of the log probabilities of all their tokens ("whole"), where no answer is the
beginning of another. What cannot be distinguished is refused, with the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from verify.learned.language_models.loading import LanguageModel
from verify.learned.language_models.templates import Template

SCORINGS = ("auto", "first", "whole")
Tokens = list[int]


@dataclass(frozen=True)
class Prompts:
    """All questions.

    Attributes:
        subjects, relations, answers: N, R and A names.
        facts: int64 (R, N): the number of the right answer, -1 where no fact is stored.
        tokens: for each relation and subject the tokens of the prompt.
        places: int64 (R, N): where in it the subject's last token stands.
        answer_tokens: those of each answer.
        scoring: "first" or "whole".
    """

    subjects: tuple[str, ...]
    relations: tuple[str, ...]
    answers: tuple[str, ...]
    facts: NDArray[np.int64]
    tokens: list[list[Tokens]]
    places: NDArray[np.int64]
    answer_tokens: list[Tokens]
    scoring: str

    @property
    def n_facts(self) -> int:
        """How many facts are stored."""
        return int((self.facts != MISSING).sum())

    @property
    def first_tokens(self) -> list[int]:
        """The distinct first tokens of the answers, in the order of their ids."""
        return sorted({tokens[0] for tokens in self.answer_tokens})

    @property
    def first_token_of(self) -> NDArray[np.int64]:
        """For each answer the number of its first token among these, (A,)."""
        first = [tokens[0] for tokens in self.answer_tokens]
        return np.searchsorted(self.first_tokens, first).astype(np.int64)


def prompts(
    language: LanguageModel,
    facts: FactTable,
    templates: Mapping[str, Template],
    scoring: str = "auto",
) -> Prompts:
    """The questions of a fact table.

    Args:
        language: whose tokenizer is asked.
        facts: relations without a fact are left out.
        templates: for each relation with a fact.
        scoring: one of `SCORINGS`; "auto" for "first" where that is possible.

    Raises:
        InputError: a name has no tokens or unknown ones, names cannot be distinguished by their
            tokens, or a prompt is too long for the model.
    """
    relations, subjects, answers, known = asked_for(facts)
    chosen = [templates[name] for name in relations]
    tokens, places = [], []
    for name, template in zip(relations, chosen, strict=True):
        found = [_prompt(language.tokenizer, template, subject) for subject in subjects]
        _require_apart(name, subjects, [one for one, _ in found])
        tokens.append([one for one, _ in found])
        places.append([place for _, place in found])
    in_tokens = _answer_tokens(language.tokenizer, relations, chosen, subjects[0], answers)
    asked = Prompts(
        subjects,
        relations,
        answers,
        known,
        tokens,
        np.array(places, dtype=np.int64),
        in_tokens,
        "first" if scoring == "auto" else scoring,
    )
    clash = _same_beginning(asked)
    if clash and scoring == "auto":
        asked = Prompts(**{**vars(asked), "scoring": "whole"})
        clash = _same_beginning(asked)
    if clash:
        raise InputError(clash)
    _require_room(language, asked)
    return asked


def asked_for(
    facts: FactTable,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], NDArray[np.int64]]:
    """Names of relations with facts, of subjects and of answers; the answers' numbers (R, N)."""
    there = facts.answers != MISSING
    relations, subjects = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    objects = np.unique(facts.answers[there])
    own = facts.answers[np.ix_(relations, subjects)]
    known = np.where(own == MISSING, MISSING, np.searchsorted(objects, own))
    entities = facts.entity_names
    return (
        tuple(facts.relation_names[r] for r in relations),
        tuple(entities[s] for s in subjects),
        tuple(entities[t] for t in objects),
        known.astype(np.int64),
    )


def _prompt(tokenizer: Any, template: Template, subject: str) -> tuple[Tokens, int]:
    """A prompt in tokens, and where the subject's last one stands."""
    tokens, spans = _encoded(tokenizer, template.prompt(subject))
    start, end = template.span(subject)
    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > start and a < b]
    if not inside:
        raise InputError(f"the subject {subject!r} has no tokens in this model's vocabulary")
    _require_known(tokenizer, "subject", subject, [tokens[i] for i in inside])
    last = spans[inside[-1]][1]
    if last > end:
        beyond = template.prompt(subject)[end:last]
        raise InputError(
            f"the last token of the subject {subject!r} goes on with {beyond!r} of its template;"
            " put a space or a sign between them"
        )
    return tokens, inside[-1]


def _encoded(tokenizer: Any, text: str) -> tuple[Tokens, list[tuple[int, int]]]:
    """The tokens of a text and what characters each stands for; without special tokens that the
    tokenizer puts at the end.
    """
    found = tokenizer(text, return_offsets_mapping=True)
    tokens, spans = list(found["input_ids"]), [tuple(span) for span in found["offset_mapping"]]
    while spans and spans[-1][0] == spans[-1][1]:
        tokens.pop()
        spans.pop()
    return tokens, spans


def _answer_tokens(
    tokenizer: Any,
    relations: Sequence[str],
    templates: Sequence[Template],
    subject: str,
    answers: Sequence[str],
) -> list[Tokens]:
    """What each answer adds to a prompt, which is the same for all relations."""
    found: list[Tokens] = []
    for number, (relation, template) in enumerate(zip(relations, templates, strict=True)):
        asked, _ = _encoded(tokenizer, template.prompt(subject))
        for place, answer in enumerate(answers):
            text = template.prompt(subject) + template.between + answer
            whole, _ = _encoded(tokenizer, text)
            if whole[: len(asked)] != asked:
                raise InputError(
                    f"the tokenizer joins the end of the template of {relation!r} with the answer"
                    f" {answer!r}: let it end in a whole word, and the answer follow after a space"
                )
            own = whole[len(asked) :]
            if not own:
                raise InputError(f"the answer {answer!r} has no tokens in this model's vocabulary")
            _require_known(tokenizer, "answer", answer, own)
            if not number:
                found.append(own)
            elif found[place] != own:
                raise InputError(
                    f"the answer {answer!r} has other tokens after the template of {relation!r}"
                    f" than after that of {relations[0]!r}: let templates end alike"
                )
    return found


def _require_known(tokenizer: Any, what: str, name: str, tokens: Tokens) -> None:
    """Refuse a name that the tokenizer does not know."""
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in tokens:
        raise InputError(f"the {what} {name!r} holds words that this model's tokenizer has not")


def _require_apart(relation: str, subjects: Sequence[str], tokens: Sequence[Tokens]) -> None:
    """Refuse subjects whose prompts have the same tokens."""
    seen: dict[tuple[int, ...], str] = {}
    for subject, one in zip(subjects, tokens, strict=True):
        other = seen.setdefault(tuple(one), subject)
        if other != subject:
            raise InputError(
                f"the subjects {other!r} and {subject!r} are the same tokens to this model (asked"
                f" for {relation!r}): it cannot tell them apart; take one of them out"
            )


def _same_beginning(asked: Prompts) -> str:
    """What cannot be distinguished as it is scored, with rows of the table; "" if all can be."""
    first = asked.scoring == "first"
    numbered = sorted(
        (tokens[:1] if first else tokens, a) for a, tokens in enumerate(asked.answer_tokens)
    )
    pairs = [
        (a, b)
        for (shorter, a), (longer, b) in pairwise(numbered)
        if longer[: len(shorter)] == shorter
    ]
    if not pairs:
        return ""
    named = "; ".join(f"{_row(asked, a)} and {_row(asked, b)}" for a, b in pairs[:3])
    more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
    why = (
        "their first tokens are the same: score whole answers"
        if first
        else "one answer is, in tokens, the beginning of the other, and never less probable: take"
        " out such rows"
    )
    return f"answers cannot be distinguished: {named}{more}; {why}"


def _row(asked: Prompts, answer: int) -> str:
    """The first row of the table with this answer."""
    subject, relation = np.argwhere(np.isin(asked.facts.T, [answer]))[0]
    names = asked.subjects[subject], asked.relations[relation], asked.answers[answer]
    return f"({', '.join(names)})"


def _require_room(language: LanguageModel, asked: Prompts) -> None:
    """Refuse prompts that are longer, with an answer, than the model has positions."""
    answer = max(map(len, asked.answer_tokens)) if asked.scoring == "whole" else 0
    longest = answer + max(len(tokens) for row in asked.tokens for tokens in row)
    if language.longest is not None and longest > language.longest:
        raise InputError(
            f"the longest question has {longest} tokens, and the model has {language.longest}"
            " positions"
        )
