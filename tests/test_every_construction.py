"""What must hold for every construction of the catalogue, whatever the facts; each property with a
control that fails.
"""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import all_queries, construction_and_facts, functions, tables_for

from bounds.sizes import predicted, predicted_for_bijections
from constructions import CATALOGUE, Codebook, FactTable, InputError
from constructions.guards.errors import InternalError
from verify.queries.recall import check_recall
from verify.runner.verifying import build

NAMES = [name for name, entry in CATALOGUE.items() if not entry.multi_hop]


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


# ------------------------------------------------------------------ the properties


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
    expected = predicted(CATALOGUE[name], facts)
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
    # sign codes: below every answer
    if model.construction != "scalar_selector" and rivals.sum() > 1:
        every_answer = logits[:, : facts.n_entities][:, rivals].masked_fill(
            logits[:, : facts.n_entities][:, rivals] == -torch.inf, torch.inf
        )
        assert (others < every_answer.amin(-1)).all()


# ------------------------------------------------------------------ they hold


@given(case=construction_and_facts())
def test_recalls_every_fact(case):
    name, facts = case
    recalls_every_fact(constructor(name), facts)


@given(case=construction_and_facts(), data=st.data())
def test_relabelling_permutes_the_answers(case, data):
    name, facts = case
    entity_order = np.array(data.draw(st.permutations(range(facts.n_entities))))
    relation_order = np.array(data.draw(st.permutations(range(facts.n_relations))))
    relabelling_permutes_the_answers(constructor(name), facts, entity_order, relation_order)


@given(case=construction_and_facts(), data=st.data())
def test_an_added_fact_changes_no_other_answer(case, data):
    name, facts = case
    missing = np.argwhere(facts.answers == -1)
    assume(len(missing))
    relation, entity = data.draw(st.sampled_from(missing.tolist()))
    taken = np.delete(facts.answers, relation, axis=0) if CATALOGUE[name].needs else np.array([])
    free = np.setdiff1d(np.arange(facts.n_entities), taken)
    assume(len(free))
    answer = data.draw(st.sampled_from(free.tolist()))
    an_added_fact_changes_no_other_answer(constructor(name), facts, relation, entity, answer)


@given(name=st.sampled_from(NAMES), data=st.data())
def test_install_changes_embeddings_only(name, data):
    facts = data.draw(tables_for(name))
    # facts in the same answer sets: every subject takes another subject's facts
    if CATALOGUE[name].needs:
        other = FactTable(facts.answers[:, data.draw(st.permutations(range(facts.n_entities)))])
    else:
        other = data.draw(functions(st.just(facts.n_entities), st.just(facts.n_relations)))
    model = CATALOGUE[name].constructor()(facts, **reserved(name, facts, other))
    install_changes_embeddings_only(model, facts, other)
    model.install(facts)
    assert np.array_equal(answers_of(model, facts), facts.answers)


@given(case=construction_and_facts())
def test_sizes_equal_the_formulas(case):
    name, facts = case
    sizes_equal_the_formulas(name, CATALOGUE[name].constructor()(facts), facts)


@given(case=construction_and_facts())
def test_float32_equals_float64(case):
    name, facts = case
    float32_equals_float64(constructor(name), facts)


@given(case=construction_and_facts())
def test_batches_and_threads_change_nothing(case):
    name, facts = case
    batches_and_threads_change_nothing(CATALOGUE[name].constructor()(facts), facts)


@given(case=construction_and_facts())
def test_other_tokens_stay_below_the_runner_up(case):
    name, facts = case
    other_tokens_stay_below_the_runner_up(CATALOGUE[name].constructor()(facts), facts)


@pytest.mark.parametrize("name", NAMES)
def test_install_refuses_what_it_cannot_hold_and_changes_nothing(name):
    facts = FactTable([[0, 0, 1], [2, 2, 2]])
    model = CATALOGUE[name].constructor()(facts)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match="has no code"):
        model.install(FactTable([[1, 1, 0], [2, 2, -1]]))
    with pytest.raises(InputError, match=r"\(3, 2\).*\(2, 2\)"):
        model.install(FactTable([[0, 0], [1, 1]]))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert np.array_equal(answers_of(model, facts), facts.answers)


@pytest.mark.parametrize("name", NAMES)
def test_install_takes_over_the_names(name):
    model = CATALOGUE[name].constructor()(FactTable([[1, 0]], ["a", "b"], ["r"]))
    model.install(FactTable([[1, 0]], ["Ann", "Bob"], ["friend"]))
    assert model.answer("Bob", ["friend"]) == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_sum_exceeds_what_was_checked_against_the_dtype(name, monkeypatch):
    """The bound that a builder checks is at least the largest sum of |w x| in the logits, and not
    idle.
    """
    for facts in (facts_for(name), FactTable([[1, 0, -1, -1], [3, 2, 2, 3]])):
        checked = []
        spy = partial(lambda seen, largest, *rest: seen.append(largest), checked)
        monkeypatch.setattr(f"constructions.theorems.{CATALOGUE[name].file}.require_exact", spy)
        model = CATALOGUE[name].constructor()(facts)
        subjects, paths = all_queries(facts)
        tokens = torch.from_numpy(np.stack([subjects, facts.n_entities + paths[:, 0]], axis=1))
        with torch.no_grad():
            sums = model.states(tokens)[0][:, -1].abs() @ model.unembedding.weight.abs().T
        assert sums.max() <= max(checked) * (1 + 1e-6)
        assert max(checked) <= 4 * sums.max()


@pytest.mark.parametrize("name", NAMES)
def test_answer_takes_names_ids_and_arrays(name):
    facts = FactTable.from_triples(
        [("Ann", "mother", "Beth"), ("Beth", "mother", "Carla"), ("Ann", "sister", "Dora")]
    )
    model = CATALOGUE[name].constructor()(facts)
    assert model.answer("Ann", ["mother"]) == facts.entity_id("Beth")
    assert model.answer(0, [0]) == 1
    assert model.answer("Carla", ["mother"]) == -1
    assert model.answer(["Ann", "Beth"], ["mother"]).tolist() == [1, 2]
    assert model.answer(np.array([0, 1]), np.array([[0], [1]])).tolist() == [1, -1]
    with pytest.raises(InputError, match="did you mean 'mother'"):
        model.answer("Ann", ["mothr"])
    with pytest.raises(InputError, match="entity 9 does not exist"):
        model.answer(9, [0])
    with pytest.raises(InputError, match="paths of 1 relations; got 2"):
        model.answer("Ann", ["mother", "mother"])
    with pytest.raises(InputError, match="got 0"):
        model.answer("Ann", np.empty(0, dtype=int))


# ------------------------------------------------------------------ and their controls fail

FACTS = FactTable.random_bijections(9, 3, seed=3)
SPLIT = FactTable.random_disjoint(9, 3, seed=3)


def facts_for(name):
    return SPLIT if CATALOGUE[name].needs else FACTS


def corrupted(name, corrupt):
    """A builder whose models are damaged after they are built."""

    def build_and_break(facts, **options):
        model = CATALOGUE[name].constructor()(facts, **options)
        claim = model.margin
        with torch.no_grad():
            corrupt(model)
        model.margin = claim  # as a builder that errs would state it
        return model

    return build_and_break


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "corrupt",
    [
        lambda model: model.embedding.weight[:9].copy_(model.embedding.weight[:9].roll(1, 0)),
        lambda model: model.layers[0].attention.value.weight.zero_(),
        lambda model: model.unembedding.weight[:9].copy_(model.unembedding.weight[:9].roll(1, 0)),
        lambda model: model.embedding.weight[9:12].copy_(model.embedding.weight[9:12].roll(1, 0)),
        lambda model: model.unembedding.weight.fill_(torch.nan),
    ],
    ids=["subjects rolled", "attention off", "answers rolled", "relations rolled", "NaN"],
)
def test_recall_notices_a_broken_builder(name, corrupt):
    with pytest.raises(AssertionError):
        recalls_every_fact(corrupted(name, corrupt), facts_for(name))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if predicted_for_bijections(CATALOGUE[name], 5, 2).d_mlp]
)
def test_recall_notices_a_selector_that_does_not_select(name):
    with pytest.raises(AssertionError):
        recalls_every_fact(
            corrupted(name, lambda model: model.layers[0].mlp.matrix(0).zero_()), FACTS
        )


@pytest.mark.parametrize("name", NAMES)
def test_relabelling_notices_a_builder_that_depends_on_labels(name):
    facts = facts_for(name)
    always_the_same = CATALOGUE[name].constructor()(facts)
    with pytest.raises(AssertionError):
        relabelling_permutes_the_answers(
            lambda _: always_the_same, facts, np.roll(np.arange(9), 1), np.arange(3)
        )


@pytest.mark.parametrize("name", NAMES)
def test_added_fact_notices_a_builder_that_mixes_facts(name):
    def last_entities_only(facts):
        return CATALOGUE[name].constructor()(
            FactTable(np.roll(facts.answers, facts.n_facts % 2, axis=1))
        )

    partial = facts_for(name).answers.copy()
    answer, partial[0, 0] = partial[0, 0], -1
    with pytest.raises(AssertionError):
        an_added_fact_changes_no_other_answer(last_entities_only, FactTable(partial), 0, 0, answer)


@pytest.mark.parametrize("name", NAMES)
def test_install_notices_a_write_beside_the_embedding(name):
    facts = facts_for(name)
    model = CATALOGUE[name].constructor()(facts)
    writer = model._write_facts

    def careless(target, table):
        writer(target, table)
        target.unembedding.weight[0, 0] += 0

    model._write_facts = careless
    with pytest.raises(InternalError, match="unembedding"):
        install_changes_embeddings_only(model, facts, facts)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_notice_an_extra_coordinate(name):
    facts = facts_for(name)
    model = CATALOGUE[name].constructor()(facts)
    model.embedding = torch.nn.Embedding(len(model.vocabulary), model.shape.d_model + 1)
    with pytest.raises(AssertionError):
        sizes_equal_the_formulas(name, model, facts)


@pytest.mark.parametrize("name", ["selector", "scalar_selector", "superposition"])
def test_dtype_comparison_notices_weights_that_round(name):
    with pytest.raises(AssertionError):
        float32_equals_float64(
            corrupted(name, lambda model: model.unembedding.weight.mul_(1 / 3)), facts_for(name)
        )


@pytest.mark.parametrize("name", NAMES)
def test_batch_comparison_notices_a_model_that_depends_on_the_batch(name):
    model = CATALOGUE[name].constructor()(facts_for(name))
    model.unembedding.register_forward_hook(lambda module, x, y: y if x[0].shape[0] > 2 else -y)
    with pytest.raises(AssertionError):
        batches_and_threads_change_nothing(model, facts_for(name))


@pytest.mark.parametrize("name", NAMES)
def test_runner_up_check_notices_a_loud_relation_token(name):
    def raise_relation_tokens(model):
        model.unembedding.weight[9:12] = model.unembedding.weight[0]

    model = corrupted(name, raise_relation_tokens)(facts_for(name))
    with pytest.raises(AssertionError):
        other_tokens_stay_below_the_runner_up(model, facts_for(name))


@pytest.mark.parametrize("name", NAMES)
def test_auto_dtype_is_float32_where_that_is_exact(name):
    assert build(CATALOGUE[name], facts_for(name)).embedding.weight.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.int32, "float32", None])
def test_a_dtype_that_is_none_is_refused(name, dtype):
    with pytest.raises(InputError, match="dtype must be a floating"):
        CATALOGUE[name].constructor()(facts_for(name), dtype=dtype)
