"""Many models trained at once: each as it would be alone, by an ordinary loop."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from constructions import (
    FactTable,
    InputError,
    OneLayer,
    OneLayerShape,
    StandardDecoder,
    StandardShape,
    Vocabulary,
    fit,
    n_right,
    seed_into,
    selector,
)
from constructions.learning.beginnings import drawn

FACTS = FactTable.random_bijections(12, 3, seed=1)
SHAPE = OneLayerShape.of(FACTS, 4, 8)
VOCABULARY = Vocabulary(12, 3)
DECODER = StandardShape(len(VOCABULARY), 8, 1, 2, 4, 16, 3, norm="rmsnorm")


def close(a, b, rtol=1e-4):
    """Whether two modules have the same weights, up to rounding."""
    return all(
        torch.allclose(value, b.get_parameter(name), rtol=rtol, atol=1e-5)
        for name, value in a.named_parameters()
    )


def same(a, b):
    """Whether they have, to the last bit."""
    return all(torch.equal(value, b.get_parameter(name)) for name, value in a.named_parameters())


def by_a_loop(model, tokens, targets, steps, rate=1e-2, warm_up=50, weight_decay=0.0):
    """An ordinary training loop."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=rate,
    )
    for step in range(steps):
        share = (
            (step + 1) / (warm_up + 1)
            if step < warm_up
            else (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up))) / 2
        )
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        logits = model(tokens)
        logits = logits[:, None] if logits.dim() == 2 else logits[:, -targets.shape[1] :]
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@pytest.mark.parametrize(
    ("shape", "hops", "step"),
    [
        (SHAPE, 1, 0),
        (replace(SHAPE, attention="softmax", value=True, norm="layernorm", tied=True), 1, 0),
        (replace(SHAPE, n_hidden_layers=3, norm="rmsnorm"), 1, 0),
        (DECODER, 1, 0),
        (DECODER, 2, 0),
        (replace(DECODER, n_positions=5, d_vocab=18, tied=True, placement="post"), 2, 1),
    ],
)
def test_each_model_is_what_an_ordinary_loop_makes_of_it(shape, hops, step):
    tokens, targets = map(torch.from_numpy, FACTS.dataset(hops, step))
    found = fit(
        shape,
        FACTS.dataset(hops, step),
        30,
        [4, 7],
        warm_up=5,
        weight_decay=0.5,
        until=None,
        dtype=torch.float64,
    )
    for seed, model in zip((4, 7), found.models, strict=True):
        alone = by_a_loop(
            drawn(shape, seed, dtype=torch.float64), tokens, targets, 30, 1e-2, 5, 0.5
        )
        assert close(model, alone)
        other = by_a_loop(
            drawn(shape, seed, dtype=torch.float64), tokens, targets, 30, 1e-2, 5, 0.0
        )
        assert not close(model, other)  # the control


def test_a_seed_does_not_depend_on_those_beside_it():
    together = fit(SHAPE, FACTS, 60, [3, 8, 5, 1], batch=7, until=None)
    alone = fit(SHAPE, FACTS, 60, [8], batch=7, until=None)
    assert close(together.models[1], alone.models[0])
    assert not close(together.models[2], alone.models[0])


def test_every_model_may_have_facts_of_its_own():
    tables = [FactTable.random_bijections(12, 3, seed) for seed in (1, 2)]
    found = fit(SHAPE, tables, 400, [0, 0], every=20)
    assert found.reached.all()
    assert n_right(found.models, tables).tolist() == [36, 36]
    assert (n_right(found.models, tables[::-1]) < 36).all()


@given(
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 8)), min_size=1, max_size=3),
    layers=st.integers(1, 3),
    tied=st.booleans(),
    value=st.booleans(),
)
@settings(max_examples=5, deadline=None)
def test_models_of_several_sizes_train_as_each_would_alone(sizes, layers, tied, value):
    shapes = [
        OneLayerShape.of(FACTS, d, w, n_hidden_layers=layers, tied=tied, value=value)
        for d, w in sizes
    ]
    found = fit(
        shapes, FACTS, 20, range(len(sizes)), weight_decay=0.1, until=None, dtype=torch.float64
    )
    for seed, (shape, model) in enumerate(zip(shapes, found.models, strict=True)):
        alone = fit(
            shape, FACTS, 20, seed, weight_decay=0.1, until=None, dtype=torch.float64
        ).models[0]
        assert model.shape == shape
        assert close(model, alone)


def test_norms_and_softmax_see_the_zeros_of_other_sizes():
    for changed in ({"norm": "rmsnorm"}, {"attention": "softmax"}):
        shapes = [replace(SHAPE, d_model=d, **changed) for d in (3, 4)]
        with pytest.raises(InputError, match="with uniform attention and without norms"):
            fit(shapes, FACTS, 1, [0, 1])
    with pytest.raises(InputError, match="differ in d_model and d_mlp alone"):
        fit([SHAPE, replace(SHAPE, tied=True)], FACTS, 1, [0, 1])
    with pytest.raises(InputError, match="2 shapes for 1 seeds"):
        fit([SHAPE, SHAPE], FACTS, 1, [0])


def test_it_stops_where_all_is_recalled_and_says_what_is_lacking():
    found = fit(replace(SHAPE, d_model=8, d_mlp=32), FACTS, 1000, range(3), every=5)
    assert found.lacking() == ""
    assert (found.steps < 1000).all()
    tokens, targets = map(torch.from_numpy, FACTS.dataset())
    for model, steps in zip(found.models, found.steps, strict=True):
        assert (model(tokens).argmax(-1) == targets[:, 0]).all()
        before = found.curve[found.checked < steps]
        assert steps in found.checked
        assert (before[:, list(found.steps).index(steps)] < 1).all()
    few = fit(SHAPE, FACTS, 10, [5, 6], every=4)
    assert few.checked.tolist() == [0, 4, 8, 10]
    assert few.lacking() == (
        "after 10 steps 2 of 2 models have not reached a recall of 1:"
        f" seed 5: {few.n_right[0]} of 36; seed 6: {few.n_right[1]} of 36"
    )
    assert (n_right(few.models, FACTS) == few.n_right).all()
    assert (few.recall == few.n_right / 36).all()


def test_a_model_that_has_reached_it_is_kept_as_it_was_then():
    early = fit(SHAPE, FACTS, 200, [0, 1], until=0.3, every=1)
    again = fit(SHAPE, FACTS, 200, [1], until=0.3, every=1)
    assert early.steps[1] == again.steps[0]
    assert early.steps[0] != early.steps[1]
    assert close(early.models[1], again.models[0])


def test_what_is_frozen_stays_and_the_rest_moves():
    before = drawn(SHAPE, 3)
    after = fit(SHAPE, FACTS, 20, 3, frozen=["entities", "weights"], until=None).models[0]
    for name, value in before.named_parameters():
        stays = name == "entities" or name.startswith("weights.")
        assert torch.equal(value, after.get_parameter(name)) == stays, name


def test_what_is_held_stays_to_the_last_bit():
    mask = torch.rand(12, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    before = drawn(SHAPE, 3)
    after = fit(SHAPE, FACTS, 20, 3, held={"entities": mask}, weight_decay=1.0, until=None).models[
        0
    ]
    assert torch.equal(after.entities[mask], before.entities[mask])
    assert not torch.isclose(after.entities[~mask], before.entities[~mask]).any()


def test_a_seeded_decoder_keeps_its_facts_while_it_is_held():
    torch.manual_seed(0)
    shape = StandardShape(30, 64, 1, 2, 32, 64, 3)
    model = seed_into(StandardDecoder(shape), selector(FACTS))
    others = FactTable.random_bijections(12, 3, seed=9).dataset()
    entries = model.construction_entries()
    held = fit(model, others, 60, [0], held=entries, until=None, rate=1e-3)
    free = fit(model, others, 60, [0], until=None, rate=1e-3)
    assert n_right(held.models, FACTS).tolist() == [36]
    assert n_right(free.models, FACTS)[0] < 36
    assert n_right([model], FACTS).tolist() == [36]  # it was not touched
    model.hold_construction()
    with pytest.raises(InputError, match="has a hook on its gradient, which is not called here"):
        fit(model, others, 1, [0])


def test_what_does_not_matter_is_neither_learned_nor_counted():
    tokens, targets = FACTS.dataset(2, 1)
    some = targets.copy()
    some[::2, 1] = -1  # the answer of every other query
    found = fit(
        replace(DECODER, n_positions=5, d_vocab=18, d_model=16, d_mlp=64),
        (tokens, some),
        300,
        [0, 1],
        every=5,
    )
    assert found.reached.all()
    assert n_right(found.models, (tokens, some)).tolist() == [108, 108]
    assert (n_right(found.models, (tokens, targets)) < 108).all()
    odd = (tokens[1::2], targets[1::2])
    assert n_right(found.models, odd).tolist() == [54, 54]


def test_batches_read_all_queries_in_the_order_of_their_seed():
    from constructions.learning.examples import Examples
    from constructions.learning.fit import _parts

    examples = Examples.of(FACTS, 2, torch.device("cpu"))
    parts = _parts(examples, 10, [3, 4])
    read = [next(parts) for _ in range(3)]
    numbers = torch.cat([part.tokens for part in read], 1)
    for model in range(2):
        assert len(torch.unique(numbers[model], dim=0)) == 30
    assert not torch.equal(numbers[0], numbers[1])
    for part in read:
        answers = FACTS.answer(
            part.tokens[..., 0].numpy(), part.tokens[..., 1:].numpy() - FACTS.n_entities
        )
        assert (part.targets[..., 0].numpy() == answers).all()


def test_what_is_no_number_is_never_right():
    tokens, targets = FACTS.dataset()
    model = fit(SHAPE, FACTS, 400, 0).models[0]
    assert n_right([model], FACTS).tolist() == [36]  # the control
    with torch.no_grad():
        model.answers[5] = math.nan  # one column of the logits
    assert n_right([model], FACTS).tolist() == [0]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(math.nan)
    assert n_right([model], (tokens, np.zeros_like(targets))).tolist() == [0]


def test_of_logits_that_are_equal_none_is_right():
    constant = (FACTS.dataset()[0], np.zeros((36, 1), dtype=np.int64))
    model = OneLayer(SHAPE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0)
        assert n_right([model], constant).tolist() == [0]
        for parameter in model.parameters():
            parameter.fill_(1)
        model.answers[2:] = 0
        assert n_right([model], constant).tolist() == [0]  # answers 0 and 1 are both largest
        model.answers[1] = 0
        assert n_right([model], constant).tolist() == [36]  # the control: answer 0 alone


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seeds": []}, "no seed is given"),
        ({"seeds": [-1]}, "seed must be an integer from 0 to .*; got -1"),
        (
            {"seeds": [2**64]},
            "seed must be an integer from 0 to 9,223,372,036,854,775,807; got 1844",
        ),
        ({"until": 0}, "until is a share of the queries, above 0 and at most 1; got 0"),
        ({"rate": math.nan}, "rate must be a number of at least 0; got nan"),
        ({"weight_decay": -1}, "weight_decay must be a number of at least 0; got -1"),
        ({"batch": 0}, "batch must be an integer of at least 1; got 0"),
        ({"frozen": ["embeddings"]}, "there is no 'embeddings'; the parameters are entities, "),
        (
            {"frozen": ["entities", "relations", "answers", "weights", "biases"]},
            "all parameters are frozen",
        ),
        ({"held": {"entities": torch.ones(4)}}, r"must be a bool tensor \(12, 4\); got"),
        ({"held": {"nothing": torch.ones(4)}}, "held: there is no 'nothing'"),
        ({"facts": [FACTS]}, "1 tables for 2 models"),
        ({"facts": (FACTS.dataset()[0], np.full((36, 1), -1))}, "a query has no target"),
        ({"facts": "facts.tsv"}, "facts must be a FactTable"),
        (
            {"facts": FactTable.rotations(14, 3)},
            "a target is 13, and the models give logits of 12",
        ),
        ({"initial_scale": 0.1}, "initial_scale = 0.1 is for standard decoders"),
    ],
)
def test_arguments_out_of_range(arguments, words):
    given_arguments = {"model": SHAPE, "facts": FACTS, "steps": 2, "seeds": [0, 1]} | arguments
    with pytest.raises(InputError, match=words):
        fit(**given_arguments)


def test_tables_of_several_shapes():
    with pytest.raises(InputError, match=r"as many queries each, of one length; got the shapes"):
        fit(SHAPE, [FACTS, FactTable.rotations(12, 2)], 2, [0, 1])


def test_progress_is_heard():
    heard = []
    found = fit(SHAPE, FACTS, 20, 0, progress=lambda step, recall: heard.append((step, *recall)))
    assert heard == [(s, r) for s, (r,) in zip(found.checked, found.curve, strict=True)]
