"""Each property of constructions notices a builder that breaks it."""

import numpy as np
import pytest
import torch
from one_hop import (
    FACTS,
    NAMES,
    an_added_fact_changes_no_other_answer,
    batches_and_threads_change_nothing,
    facts_for,
    float32_equals_float64,
    install_changes_embeddings_only,
    other_tokens_stay_below_the_runner_up,
    recalls_every_fact,
    relabelling_permutes_the_answers,
    sizes_equal_the_formulas,
)

from bounds.sizes import predicted_for_bijections
from constructions import CATALOGUE, FactTable
from constructions.guards.errors import InternalError


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
