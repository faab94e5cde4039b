"""Models that claim the answers to stored queries alone: a selector that gives *unknown* no code."""

import json

import numpy as np
import torch
from hand_made import with_claims, with_manifest

from constructions import (
    Bits,
    Codebook,
    Construction,
    Draft,
    FactModel,
    FactTable,
    Holds,
    MarginClaim,
    Plan,
    Space,
    Vocabulary,
    recorded,
)
from constructions.theorems.lemmas.code_readout import read_codes
from constructions.theorems.lemmas.one_hot_relations import one_hot_relations


def planned(name, facts, codebook, dtype, stored_only):
    """`selector` with this codebook; blocks of missing facts are 0, which is the code of the first
    answer.
    """
    codebook = codebook or Codebook.of(facts, stored_only=True)
    n_relations = facts.n_relations
    stream = Space(attributes=(n_relations, codebook.bits), relation=(n_relations,), one=())
    attributes, relation, one = stream["attributes"], stream["relation"], stream["one"]
    draft = Draft(name, Vocabulary(facts.n_entities, n_relations), stream)
    draft.entities(Holds(attributes, words=1, code=Bits(codebook)))
    one_hot_relations(draft, relation)
    draft.relations(one, 1)
    layer = draft.layer()
    layer.head("read the subject", copy=2 * attributes, to=attributes)
    mask = layer.relu("mask", attributes - relation[:, None])
    layer.add(-mask, to=attributes)
    layer.takes([1])
    readout = read_codes(codebook, 2 * attributes.sum(axis=0) - one, one)
    claim = MarginClaim.exactly(2)
    return draft.plan(facts, readout, claim, dtype, stored_only=stored_only)


@recorded
def stored_selector(
    facts: FactTable, *, codebook: Codebook | None = None, dtype: torch.dtype = torch.float32
) -> Plan[FactModel]:
    """A selector without a code of *unknown*."""
    return planned("stored_selector", facts, codebook, dtype, stored_only=True)


STORED = Construction(stored_selector, stored_only=True)
NOT_SAID = Construction(stored_selector, name="not_said")
"""The same, which does not say that stored facts alone are claimed."""


def sparse_facts(n=12, r=5, missing=0.6, seed=3):
    """Random functions of which most facts are missing."""
    return FactTable.random_functions(n, r, seed, missing)


def damaged(model, stored, number=15):
    """The same model, wrong in one place alone: at the stored fact of this number, or at a missing
    one.
    """
    answers = model.facts.answers
    (places,) = np.nonzero(((answers >= 0) == stored).ravel())
    relation, subject = divmod(int(places[number]), answers.shape[1])
    columns = model.stream["attributes"].columns[relation]
    with torch.no_grad():
        for column in columns[:1]:
            weight = model.embedding.weight
            weight[subject, column] = 1 - weight[subject, column]
    return model


def claiming(files, certificate, manifest=None):
    """The files of a folder, of which the certificate, and the manifest, claim these queries."""
    task, *claims = json.loads(files["certificate.json"])
    changed = with_claims(files, [task | {"queries": certificate}, *claims])
    queries = certificate if manifest is None else manifest
    return with_manifest(changed, lambda found: found.update(queries=queries))
