"""What must hold of every construction of one hop, whatever the facts."""

import numpy as np
import torch
from strategies import all_queries

from bounds.sizes import predicted
from constructions import CATALOGUE, Codebook, FactTable, NumberField
from verify.queries.recall import check_recall

NAMES = [
    name for name, entry in CATALOGUE.items() if not entry.multi_hop and not entry.stored_only
]
"""Of those that answer every query, *unknown* where a fact is missing."""


def constructor(name):
    return lambda facts, **options: CATALOGUE[name].constructor()(facts, **options)


def answers_of(model, facts):
    """(R, N) table of what the model says."""
    subjects, paths = all_queries(facts)
    return model.answer(subjects, paths).reshape(facts.n_entities, facts.n_relations).T


def logits_of(model, facts):
    subjects, paths = all_queries(facts)
    tokens = torch.from_numpy(np.stack([subjects, facts.n_entities + paths[:, 0]], axis=1))
    with torch.no_grad():
        return model(tokens)[:, -1]


def reserved(name, *tables):
    """Options that give a code to the answers of all tables."""
    if name == "superposition":
        return {
            "codebooks": [Codebook.of(*tables, relation=r) for r in range(tables[0].n_relations)]
        }
    return {"codebook": Codebook.of(*tables)}


def recalls_every_fact(build, facts):
    assert np.array_equal(answers_of(build(facts), facts), facts.answers)


def relabelling_permutes_the_answers(build, facts, entity_order, relation_order):
    """pi f_r pi^-1, under the name rho(r), is answered by pi of the answer."""
    renamed = np.append(entity_order, -1)  # -1 stays -1
    relabelled = np.empty_like(facts.answers)
    relabelled[np.ix_(relation_order, entity_order)] = renamed[facts.answers]
    expected = np.empty_like(facts.answers)
    expected[np.ix_(relation_order, entity_order)] = renamed[answers_of(build(facts), facts)]
    other = FactTable(relabelled)
    assert np.array_equal(answers_of(build(other), other), expected)


def an_added_fact_changes_no_other_answer(build, facts, relation, entity, answer):
    more = facts.answers.copy()
    more[relation, entity] = answer
    before, after = answers_of(build(facts), facts), answers_of(build(FactTable(more)), facts)
    assert after[relation, entity] == answer
    after[relation, entity] = before[relation, entity]
    assert np.array_equal(before, after)


def install_changes_embeddings_only(model, facts, other):
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model.install(other)
    for name, parameter in model.named_parameters():
        if name != "embedding.weight":
            assert torch.equal(parameter, before[name]), name
    relation_rows = slice(facts.n_entities, None)
    assert torch.equal(
        model.embedding.weight[relation_rows], before["embedding.weight"][relation_rows]
    )
    assert np.array_equal(answers_of(model, other), other.answers)


def sizes_equal_the_formulas(name, model, facts):
    expected = predicted(CATALOGUE[name], facts, 1, CATALOGUE[name].settled(model))
    assert model.embedding.weight.shape == (len(model.vocabulary), expected.d_model)
    assert sum(p.numel() for p in model.parameters()) == expected.parameters
    assert (model.shape.d_mlp, model.shape.depth, model.shape.n_heads) == (
        expected.d_mlp,
        expected.n_layers,
        expected.n_heads,
    )


def float32_equals_float64(build, facts):
    narrow, wide = build(facts, dtype=torch.float32), build(facts, dtype=torch.float64)
    assert np.array_equal(answers_of(narrow, facts), answers_of(wide, facts))
    if not narrow.margin.rounds:
        assert torch.equal(logits_of(narrow, facts).double(), logits_of(wide, facts))


def batches_and_threads_change_nothing(model, facts):
    """Exact arithmetic: the same numbers to the last bit. Otherwise: the same answers."""
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found += [
                check_recall(model, facts, logits="full", batch_rows=rows)
                for rows in (1, 5, 10_000)
            ]
    finally:
        torch.set_num_threads(threads)
    assert all(recall.wrong == found[0].wrong for recall in found)
    assert all(recall.queries == facts.answers.size for recall in found)
    if not model.margin.rounds:
        assert all(recall.margin == found[0].margin for recall in found)


def other_tokens_stay_below_the_runner_up(model, facts):
    """Relations and special tokens lie below every entity that is an answer, hence below the
    runner-up entity.
    """
    logits = logits_of(model, facts)
    answer_tokens = model.vocabulary.answer_tokens(facts.answers.T.ravel())
    logits[torch.arange(len(logits)), torch.from_numpy(answer_tokens)] = -torch.inf
    entities = logits[:, : facts.n_entities].amax(-1)
    others = logits[:, facts.n_entities : model.vocabulary.unknown].amax(-1)
    rivals = torch.from_numpy(np.isin(np.arange(facts.n_entities), facts.answers))
    runner_up_exists = (logits[:, : facts.n_entities] > -torch.inf)[:, rivals].any(-1)
    assert (others < entities)[runner_up_exists].all()
    # codes, not numbers: below every answer
    numbers = any(isinstance(field, NumberField) for field in model.readout.fields)
    if not numbers and rivals.sum() > 1:
        every_answer = logits[:, : facts.n_entities][:, rivals].masked_fill(
            logits[:, : facts.n_entities][:, rivals] == -torch.inf, torch.inf
        )
        assert (others < every_answer.amin(-1)).all()


FACTS = FactTable.random_bijections(9, 3, seed=3)
SPLIT = FactTable.random_disjoint(9, 3, seed=3)


def facts_for(name):
    return SPLIT if CATALOGUE[name].needs else FACTS
