"""A transformer that answers with sets: it writes all of them, one after the other, then END."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from constructions.facts.answers import MISSING
from constructions.facts.changes import Change
from constructions.facts.set_table import SetTable
from constructions.guards.errors import InputError
from constructions.model.asked_sets import AnsweredSet, named_sets, sets_answered
from constructions.model.fact_model import FactModel


class SetModel(FactModel):
    """After the prompt `subject relation` it writes all answers in canonical order, then END.

    Attributes:
        facts: the table of sets that it was built for, or that was installed last.
    """

    facts: SetTable  # type: ignore[assignment]  # in place of functions

    @property
    def claimed(self) -> str:
        """Which queries it claims to answer."""
        return "sets"

    @classmethod
    def require_table(cls, facts: object) -> None:
        """Raise InputError unless these are sets."""
        if not isinstance(facts, SetTable):
            raise InputError(
                f"sets of answers are a SetTable; got a {type(facts).__name__} (of functions"
                " SetTable.from_functions makes one)"
            )

    def n_queries(self, hops: int) -> int:
        """How many sets it claims to write: N R."""
        return self.facts.n_queries(hops)

    def answer_set(
        self, entity: int | str, relation: int | str
    ) -> tuple[int, ...] | tuple[str, ...]:
        """The set that the model writes after `entity relation`, in its order.

        Args:
            entity, relation: ids or names.

        Returns:
            The names of the answers, if the entity was given by its name, else their ids; () for
            an empty set.

        Raises:
            InputError: an id or a name that does not exist; or what the model writes is no set, as
                its weights were changed: it writes no END, or something that is no entity.
        """
        facts, by_name = self.facts, isinstance(entity, str)
        subject = facts.entity_id(entity) if isinstance(entity, str) else entity
        letter = facts.relation_id(relation) if isinstance(relation, str) else relation
        facts.answer_set(subject, letter)  # ids that do not exist are refused
        (written,) = self.written_sets(np.array([subject]), np.array([letter]))
        found = [int(node) for node in written if node != MISSING]
        return tuple(facts.entity_name(node) for node in found) if by_name else tuple(found)

    @torch.no_grad()
    def written_sets(
        self, entities: NDArray[np.int64], relations: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """What the model writes for many subjects and relations at once.

        Args:
            entities, relations: ids, each (...).

        Returns:
            int64 (..., steps): the answers in the order in which they were written, then -1.

        Raises:
            InputError: one of them writes no END, or something that is no entity.
        """
        written = self.generate(self.prompt(entities, relations[..., None]))
        end = self.vocabulary.special("end")
        before = np.logical_and.accumulate(written.tokens != end, axis=-1)
        strange = ~written.ended | (before & (written.tokens >= self.facts.n_entities)).any(-1)
        for place in np.argwhere(strange)[:1]:
            asked = self.facts.query_text(
                int(np.asarray(entities)[tuple(place)]), [int(np.asarray(relations)[tuple(place)])]
            )
            raise InputError(
                f"{asked}: entities and then END should be written, and the model does not: its"
                " weights have been changed; build it again, or load it from where it was saved"
            )
        return np.where(before, written.tokens, MISSING)

    def ask(  # type: ignore[override]  # all answers, in place of one
        self, question: str | Sequence[str]
    ) -> tuple[str, ...] | list[tuple[str, ...]]:
        """The set that the model writes after a question in words, or after many at once.

        `model.ask("Alice child")` is ("Bob", "Carol"); see `FactModel.ask` for what a question is.

        Returns:
            The names in their order, () for an empty set; or a list of these.

        Raises:
            QuestionError: a question cannot be read, or has several relations.
            InputError: what is asked is no text, or the model writes no set any more.
        """
        return named_sets(self, question)

    def answered(self, questions: Sequence[str]) -> list[AnsweredSet]:  # type: ignore[override]
        """See `constructions.answers_to`."""
        return sets_answered(self, questions)

    def update(self, changes: Iterable[Change]) -> NoReturn:
        """Not of sets. Raises InputError, which says how sets are changed."""
        raise InputError(
            f"{self.construction} writes sets of answers, of which single facts are not changed;"
            " install a SetTable whose relations have the same largest numbers of answers, or"
            " build a new model"
        )

    def said(self, entities: NDArray[np.int64], relations: NDArray[np.int64]) -> NoReturn:
        """Not of sets. Raises InputError, which says how sets are asked for."""
        raise InputError(
            f"{self.construction} writes sets of answers, and not the one answer to a path; ask it"
            " with answer_set(subject, relation)"
        )

    def answer(self, entity: object, path: object) -> NoReturn:
        """Not of sets. Raises InputError, which says how sets are asked for."""
        self.said(np.zeros(1, np.int64), np.zeros((1, 1), np.int64))

    def install(self, facts: SetTable) -> None:  # type: ignore[override]  # in place of functions
        """Put other sets in place of the present ones, as `FactModel.install` does.

        Args:
            facts: a `SetTable` of the same entities and relations, whose relations have the same
                largest numbers of answers.

        Raises:
            InputError: it is none, or see `FactModel.install`.
        """
        self.require_table(facts)
        if facts.most.tolist() != self.facts.most.tolist():
            raise InputError(
                "the largest numbers of answers of the relations must be"
                f" {self.facts.most.tolist()}, as the model was built for; these sets have"
                f" {facts.most.tolist()}: build a new model"
            )
        super().install(facts)  # type: ignore[arg-type]  # which takes what `require_table` does


def require_paths(model: object, what: str) -> None:
    """Raise InputError where a model writes sets, for what is done to models that answer paths."""
    if isinstance(model, SetModel):
        raise InputError(
            f"{model.construction} writes sets of answers, and {what} of models that answer paths"
        )
