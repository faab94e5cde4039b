"""Queries and tokens by their names, for people."""

from __future__ import annotations

from constructions.facts.table import FactTable
from constructions.guards.wording import printable
from constructions.model.answering import Answering
from verify.queries.batches import Batch


def in_words(model: Answering, facts: FactTable, batch: Batch, i: int) -> str:
    """One wrong query, by name: what was expected and what the model says."""
    logits = model.unembedding(batch.states[i])
    expected, said = int(batch.answers[i]), int(logits.argmax())
    found = (
        "NaN among the logits" if bool(logits.isnan().any()) else _token_name(model, facts, said)
    )
    if found == _token_name(model, facts, expected):
        found += ", but another token has the same logit"
    query, wanted = query_in_words(facts, batch, i), _token_name(model, facts, expected)
    return printable(f"{query}: expected {wanted}, the model says {found}")


def query_in_words(facts: FactTable, batch: Batch, i: int) -> str:
    """The query by its names, and which token of a chain it is about."""
    text = facts.query_text(int(batch.subjects[i]), [int(r) for r in batch.paths[i]])
    return printable(text) + (f", written token {batch.step}" if batch.step else "")


def _token_name(model: Answering, facts: FactTable, token: int) -> str:
    """An entity, a relation or a special token by its name."""
    if token < facts.n_entities:
        return facts.entity_name(token)
    relation = token - facts.n_entities
    if relation < facts.n_relations:
        return f"the relation {facts.relation_name(relation)}"
    special = relation - facts.n_relations
    return (
        model.vocabulary.specials[special]
        if token < len(model.vocabulary)
        else f"the further token {token}"
    )
