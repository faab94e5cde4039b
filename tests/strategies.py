"""Every random size and fact table of the tests, in one place."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from constructions import CATALOGUE, FactTable, SetTable

entities = st.integers(1, 33)
relations = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
large = st.one_of(st.integers(1, 300), st.integers(1, 2**40))
"""Numbers of entities of which no table is made."""


@st.composite
def bijections(draw, entities=entities, relations=relations):
    n = draw(entities)
    return FactTable(np.array([draw(st.permutations(range(n))) for _ in range(draw(relations))]))


@st.composite
def functions(draw, entities=entities, relations=relations, missing=True):
    n, r = draw(entities), draw(relations)
    answers = hnp.arrays(np.int64, (r, n), elements=st.integers(-1 if missing else 0, n - 1))
    return FactTable(draw(answers))


@st.composite
def disjoint(draw, entities=entities, relations=relations, missing=True):
    """Each entity belongs to one relation's answer set; a relation with an empty set
    has no facts.
    """
    n, r = draw(entities), draw(relations)
    owner = np.array(draw(st.lists(st.integers(0, r - 1), min_size=n, max_size=n)))
    answers = np.full((r, n), -1)
    for relation in range(r):
        members = np.flatnonzero(owner == relation)
        if len(members):
            chosen = draw(
                hnp.arrays(
                    np.int64, n, elements=st.integers(-1 if missing else 0, len(members) - 1)
                )
            )
            answers[relation] = np.where(chosen < 0, -1, members[np.maximum(chosen, 0)])
    return FactTable(answers)


@st.composite
def set_tables(draw, most_facts=40):
    """Any facts, at least one: sets of all sizes, empty ones too."""
    n, r = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    facts = st.tuples(st.integers(0, n - 1), st.integers(0, r - 1), st.integers(0, n - 1))
    return SetTable(draw(st.lists(facts, min_size=1, max_size=most_facts)), n, r)


def tables_for(name):
    """Tables that the construction takes: total and partial; with a fact where stored facts alone
    are answered.
    """
    tables = disjoint() if CATALOGUE[name].needs else st.one_of(bijections(), functions())
    return tables.filter(lambda facts: facts.n_facts) if CATALOGUE[name].stored_only else tables


@st.composite
def construction_and_facts(draw):
    one_hop = [name for name, e in CATALOGUE.items() if not (e.multi_hop or e.stored_only)]
    name = draw(st.sampled_from(one_hop))
    return name, draw(tables_for(name))


@st.composite
def edits(draw, facts, most=3, missing=True):
    """Changes of a table by name, of different facts: other objects, and removed facts where
    facts may be missing.
    """
    keys = st.tuples(st.integers(0, facts.n_entities - 1), st.integers(0, facts.n_relations - 1))
    chosen = draw(st.lists(keys, min_size=1, max_size=most, unique=True))
    targets = st.integers(-1 if missing else 0, facts.n_entities - 1)
    return [
        (facts.entity_name(s), facts.relation_name(r), None if t < 0 else facts.entity_name(t))
        for (s, r), t in ((key, draw(targets)) for key in chosen)
    ]


def all_queries(facts, hops=1):
    """Subjects (Q,) and paths (Q, k) of all N R^k queries."""
    axes = [np.arange(facts.n_entities), *([np.arange(facts.n_relations)] * hops)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 1 + hops)
    return grid[:, 0], grid[:, 1:]
