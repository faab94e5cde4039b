"""Names in the picture of a decoder in a fitted basis, and what is said above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constructions.facts.table import FactTable
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from verify.learned.decoder import Decoder
from verify.queries.shown import Evidence
from verify.queries.shown_blocks import token_name


@dataclass(frozen=True)
class Names:
    """What things are called.

    Attributes:
        model: the kind of model.
        subjects, relations, answers: N, R and A names.
    """

    model: str
    subjects: Sequence[str]
    relations: Sequence[str]
    answers: Sequence[str]

    @classmethod
    def of(
        cls, facts: FactTable, model: str = "decoder", hops: int = 1, specials: Sequence[str] = ()
    ) -> Names:
        """Of a table whose entities are the subjects, and whose paths of so many hops are the
        relations. Answers are the tokens of its vocabulary: entities, relations, special ones.
        """
        entities = facts.entity_names
        words = [
            " ".join(map(facts.relation_name, word))
            for word in all_words(facts.n_relations, hops).tolist()
        ]
        return cls(model, entities, words, (*entities, *facts.relation_names, *specials))


def token_names(model: Answering, tokens: int) -> list[str]:
    """The names of so many tokens: those of the model's vocabulary, and of further ones of a
    decoder that is larger.
    """
    own = len(model.vocabulary)
    named = [token_name(model, token) for token in range(min(own, tokens))]
    return named + [f"token {token}" for token in range(own, tokens)]


def require_names(decoder: Decoder, names: Names) -> None:
    """Raise InputError unless there are as many names as things."""
    wanted = decoder.n_entities, decoder.n_relations, decoder.n_answers
    given = len(names.subjects), len(names.relations), len(names.answers)
    if any(a < b for a, b in zip(given, wanted, strict=True)):
        raise InputError(
            f"the decoder has {wanted[0]} subjects, {wanted[1]} relations and {wanted[2]} answers;"
            f" names are given of {given[0]}, {given[1]} and {given[2]}"
        )


def remarks(there: Sequence[Evidence], n: int, steps: int = 1) -> list[str]:
    """What is to be known first: of how many subjects the basis is, and where there is none; and
    who these are, of a model that writes several tokens.
    """
    said = [
        "Nobody has said where anything stands in this model. Its blocks are those of a basis of"
        f" attributes that is fitted to {n:,} subjects, at each point anew; the one who is shown"
        " has no part in it."
    ]
    if steps > 1:
        said.append(
            "A step is fitted to all entities in the place of the token that was written last, in"
            " step 1 of the subject; all other tokens stay."
        )
    if there and there[0].reason and there[0].value is not None:
        chance = "" if there[0].null is None else f"; with shuffled facts {there[0].null:.2f}"
        said.append(
            "NO SUPERPOSITION OF ATTRIBUTES is found in the embeddings of subjects: held-out R^2"
            f" {there[0].value:.2f}{chance}."
        )
    refused = next((one.reason for one in there if one.value is None), None)
    if refused is not None:
        said.append(f"?: where no basis can be fitted: {refused}.")
    elif any(one.alone for one in there):
        said.append(
            "One fit of all relations says nothing of so few subjects: what is fitted is the"
            " relation that is asked for, alone."
        )
    return said
