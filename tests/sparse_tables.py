"""Tables of few facts a subject, their stored facts, the margins of a model over them, and gates
that repeat.
"""

import numpy as np
import torch
from hypothesis import strategies as st

from constructions import FactTable
from constructions.theorems.lemmas.gates import drawn_gates


def sparse_table(entities, relations, most, seed):
    """Subjects with 1 to `most` facts, of relations drawn at random."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(relations), (entities, 1)), axis=1)
    kept = order < rng.integers(1, most + 1, (entities, 1))
    return FactTable(np.where(kept, rng.integers(entities, size=(entities, relations)), -1).T)


@st.composite
def tables(draw):
    n, r = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    return sparse_table(n, r, draw(st.integers(1, r)), draw(st.integers(0, 2**32 - 1)))


def stored(facts):
    """Subjects, relations and answers of all stored facts."""
    subjects, relations = np.nonzero(facts.answers.T != -1)
    return subjects, relations, facts.answers[relations, subjects]


def margins(model, facts, subjects, relations, answers):
    """Of each query, float64: the logit of its answer less the largest other one."""
    tokens = torch.from_numpy(np.stack([subjects, facts.n_entities + relations], axis=1))
    with torch.no_grad():
        logits = model(tokens)[:, -1].double()
    own = torch.from_numpy(model.vocabulary.answer_tokens(answers))[:, None]
    right = logits.gather(1, own)[:, 0]
    return (right - logits.scatter(1, own, -torch.inf).amax(1)).numpy()


def same_gates(n_relations, n_gates, seed):
    """Gates that repeat: all relations have one."""
    return np.tile(drawn_gates(n_relations, n_gates, seed)[:1], (n_relations, 1))
