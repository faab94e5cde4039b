"""Theorem F.1 (Appendix F of the paper): disjoint answer sets need no MLP and no query or key
weights at all.

Statement. Let relation `r` answer in its own set `A_r`, the sets disjoint, `g_r` any functions.
Then a one-layer model with uniform attention, no MLP and dimension `sum_r m_r + R` answers every
query, where `m_r` bits tell the members of `A_r` (and *unknown*, where facts of `r` are missing)
apart. With equal sizes this is `R m + R`.

Hypotheses. `A_r` and `A_r'` share no entity for r != r'. Sizes may differ; `g_r` need not be
injective or total.

Departure from the paper: the paper's learned embeddings cut the MLP parameters of Nichani et al.
(arXiv 2412.06538), linear in the N R facts up to logarithms, to almost nothing; here there is no
MLP. Missing facts are ours. Proof: docs/theorems/theorem_F_1.md.
"""

from __future__ import annotations

import numpy as np
import torch

from constructions.facts.answers import MISSING
from constructions.facts.codes import Codebook
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.margin import MarginClaim
from constructions.model.readout import Readout, SignField
from constructions.model.recipe import recorded
from constructions.model.stream import Space, dot, nothing
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations
from constructions.writing.claims import Holds
from constructions.writing.codes import Signs
from constructions.writing.draft import Draft, require_exact
from constructions.writing.plan import Plan


@recorded
def superposition(
    facts: FactTable,
    *,
    codebooks: list[Codebook] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Plan[FactModel]:
    """Theorem F.1: uniform attention adds up the subject's attributes, and the relation raises the
    right answer set.

    Weights. `E[s]` = blocks `c_r(g_r(s))`; `E[relation r]` = `e_r`; one uniform head with value
    factor 2 copies the blocks. With g = 1 if no fact is missing, else 2, and the bonus `B = 2 g
    max_r m_r`: `U[j in A_r]` = `g c_r(j)` in block r and B on `e_r`; `U[unknown]` = `B + g m_r -
    2` on each `e_r`. The answer has the logit `B + g m_r` (*unknown*: 2 less); the rest of `A_r`
    has at most `B + g (m_r - 2)`, one more step of g below where the block writes *unknown*; the
    other sets at most `g max m`.

    Args:
        facts: a table whose relations answer in disjoint sets.
        codebooks: one for each relation: its possible answers; by default those of `facts`.
        dtype: any floating dtype whose integers are exact up to `3 g max_r m_r`.

    Returns:
        A one-layer model without MLP, query or key weights; d_model sum_r m_r + R, margin at least
        2.

    Raises:
        InputError: two relations share an answer (two offending facts are named), or an answer has
            no code.
        DoesNotFit: the dtype is too narrow, or the weights exceed the memory.

    Example:
        >>> disjoint = FactTable.random_disjoint(entities=20, relations=2, seed=0)
        >>> model = superposition(disjoint)
        >>> bool(model.answer(3, [1]) == disjoint.answer(3, [1]))
        True
    """
    require_disjoint(facts)
    n_relations = facts.n_relations
    require_memory(
        2 * 2 * n_relations**2,
        f"the rows of {n_relations:,} relations, each of a block of its own,",
    )
    books = codebooks or [Codebook.of(facts, relation=r) for r in range(n_relations)]
    vocabulary = Vocabulary(facts.n_entities, n_relations)
    _require_books_apart(books, vocabulary)
    partly_missing = any(book.tokens[-1] == vocabulary.unknown for book in books)
    g = 2 if partly_missing else 1
    widest = max(book.bits for book in books)
    bonus = 2 * g * widest
    require_exact(3 * g * widest, dtype, f"superposition of {n_relations} {widest}-bit codes")
    blocks = {f"attributes[{r}]": (book.bits,) for r, book in enumerate(books)}
    stream = Space(**blocks, relation=(n_relations,))
    attributes = [stream[name] for name in blocks]
    relation = stream["relation"]

    draft = Draft("superposition", vocabulary, stream)
    for r, (slot, book) in enumerate(zip(attributes, books, strict=True)):
        draft.entities(Holds(slot, words=1, last=range(r, r + 1), code=Signs(book)))
    one_hot_relations(draft, relation)
    layer = draft.layer()
    every_block = stream.span(blocks)
    layer.head("read the subject", copy=2 * every_block, to=every_block)
    layer.takes([1])

    fields = []
    for r, book in enumerate(books):
        members = book.tokens != vocabulary.unknown
        if members.any():
            codes = book.signs(book.tokens)[members]
            fields.append(
                SignField(book.tokens[members], codes, g * attributes[r], bonus * relation[r])
            )
    if partly_missing:
        raised = dot([bonus - 2 + g * book.bits for book in books], relation)
        fields.append(
            SignField(
                np.array([vocabulary.unknown]), np.empty((1, 0), np.int8), nothing(stream), raised
            )
        )
    readout = Readout(tuple(fields), rest=-(g * widest + 1) * relation.sum())
    return draft.plan(facts, readout, MarginClaim.at_least(2), dtype)


def require_disjoint(facts: FactTable) -> None:
    """Raise InputError, naming two offending facts, unless the relations' answer sets are
    disjoint.
    """
    owner = np.full(facts.n_entities, -1)  # the first relation with each answer
    for relation, answers in enumerate(facts.answers):
        subjects = np.flatnonzero(answers != MISSING)
        shared = subjects[owner[answers[subjects]] >= 0]
        if shared.size:
            break
        owner[answers[subjects]] = relation
    else:
        return
    answer, first = answers[shared[0]], owner[answers[shared[0]]]
    subject = np.flatnonzero(facts.answers[first] == answer)[0]
    one, other = (
        f"{facts.query_text(int(s), [int(r)])} -> {facts.entity_name(int(answer))}"
        for s, r in ((subject, first), (shared[0], relation))
    )
    raise InputError(
        "superposition needs relations with disjoint answer sets, but two share an answer:"
        f" {one} and {other}; use selector, which has no such condition"
    )


def _require_books_apart(books: list[Codebook], vocabulary: Vocabulary) -> None:
    """Raise InputError unless there is one codebook for each relation, and no entity in two."""
    if len(books) != vocabulary.n_relations:
        raise InputError(
            f"{vocabulary.n_relations} codebooks are needed, one for each relation; got"
            f" {len(books)}"
        )
    tokens = np.concatenate([book.tokens[book.tokens != vocabulary.unknown] for book in books])
    named, counts = np.unique(tokens, return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"codebooks must be disjoint; two of them name entity {named[counts > 1][0]}"
        )
