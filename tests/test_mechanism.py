"""The known mechanism: every head and unit is reported once, its slots are the true ones, and the
stream can be edited.
"""

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from constructions import (
    CATALOGUE,
    InputError,
    Step,
    change_basis,
    construction,
    mechanism,
    standard,
    widen,
)
from verify.queries.recall import check_recall

NAMES = list(CATALOGUE)


def built(name, n=5, n_relations=2, seed=0):
    entry = construction(name)
    return entry.build(
        entry.random_facts(n, n_relations, seed), 2 if entry.multi_hop else 1, dtype=torch.float64
    )


def test_the_mechanism_of_the_selector():
    assert mechanism(built("selector")) == [
        Step("read the subject", 0, 0, None, None, ((), ()), ("attributes",), ("attributes",)),
        Step("close", 0, None, 0, range(6), ((), ()), ("attributes",), ("attributes",)),
    ]
    assert [str(step) for step in mechanism(built("chain_of_thought"))] == [
        "layer 0, head 0: read the entity: words 1 -> words 1, selects entity_pointer = position",
        "layer 0, head 1: read letter 1: relation -> words 1, there, selects letter_pointers = position",
        "layer 0, hidden layer 0, units 0 to 5: asked of words 1: words 1, one -> answer",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_head_and_unit_is_reported_once_in_each_pass(name):
    model = built(name)
    steps = mechanism(model)
    for index, shape in enumerate(model.shape.layers * model.shape.repeats):
        here = [step for step in steps if step.layer == index]
        assert [step.head for step in here if step.units is None] == list(range(len(shape.heads)))
        for depth, width in enumerate(shape.d_mlp):
            assert [u for step in here if step.hidden_layer == depth for u in step.units] == list(
                range(width)
            )
    assert {step.layer for step in steps} == set(range(model.shape.depth))
    assert mechanism(change_basis(widen(model, n_heads=5), np.eye(model.shape.d_model))) == steps


@pytest.mark.parametrize("name", NAMES)
def test_a_step_reads_and_writes_no_other_slots(name):
    """What is in other slots does not reach it, and no other slot changes with it; every head is
    needed.
    """
    model = built(name)
    for step in mechanism(model):
        shape = (model.shape.layers * model.shape.repeats)[step.layer]
        deep = step.units is not None and len(shape.d_mlp) > 1
        if deep:  # it reads or writes other units, not the stream alone
            continue
        layer = model.layer_sequence()[step.layer]
        if step.units is None:
            start = sum(head.d_v for head in layer.attention.heads[: step.head])
            rows = slice(start, start + layer.attention.heads[step.head].d_v)
            reads, writes = (
                layer.attention.value.weight[rows],
                layer.attention.output.weight[:, rows],
            )
        else:
            rows = slice(step.units.start, step.units.stop)
            reads, writes = layer.mlp.matrix(0)[rows], layer.mlp.matrix(1)[:, rows]
        for slot in model.stream.slots.values():
            columns = torch.from_numpy(slot.columns.ravel())
            assert bool(reads[:, columns].any()) == (slot.name in step.reads)
            assert bool(writes[columns].any()) == (slot.name in step.writes)
        if step.units is None:
            without = copy.deepcopy(model)
            with torch.no_grad():
                without.layer_sequence()[step.layer].attention.output.weight[:, rows] = 0
            assert check_recall(without, model.facts, model.hops, logits="full").wrong > 0


@pytest.mark.parametrize(
    "form", [lambda model: model, lambda model: change_basis(model, rotation(model.shape.d_model))]
)
def test_exchanging_one_relation_of_a_subject_changes_that_answer_alone(form):
    """The causal intervention of the paper's Section 5 (iii), with a known outcome."""
    source = built("selector", n=5, n_relations=3)
    model, facts = form(source), source.facts
    answers = facts.answers
    for relation in range(3):
        for asked in range(3):
            tokens = torch.tensor([[s, source.vocabulary.n_entities + asked] for s in range(5)])
            other = model.slot_state(
                model.trace(tokens.roll(1, 0)).residual["embedding"][:, 0], "attributes"
            )[:, relation]

            def exchange(x, relation=relation, other=other):
                held = model.slot_state(x, "attributes").clone()
                held[:, 0, relation] = other
                return model.set_slot(x, "attributes", held)

            said = model.trace(tokens, {"embedding": exchange}).logits[:, -1].argmax(-1)
            expected = np.roll(answers[asked], 1) if asked == relation else answers[asked]
            assert (said.numpy() == expected).all()


def rotation(d):
    return np.linalg.qr(np.random.default_rng(0).normal(size=(d, d)))[0]


@pytest.mark.parametrize("norm", [None, "rmsnorm", "layernorm"])
def test_a_slot_of_a_standard_decoder_is_exchanged(norm):
    source = built("selector", n=5, n_relations=3)
    model, answers = standard(source, norm=norm), source.facts.answers
    tokens = torch.tensor([[s, 5 + 1] for s in range(5)])
    own, other = (model.trace(t).residual["embedding"] for t in (tokens, tokens.roll(1, 0)))
    assert torch.equal(
        model.slot_state(own, "attributes"),
        source.slot_state(source.trace(tokens).residual["embedding"], "attributes"),
    )
    exchanged = model.set_slot(own, "attributes", model.slot_state(other, "attributes"))
    said = model.trace(tokens, {"embedding": lambda x: exchanged}).logits[:, -1].argmax(-1)
    assert (said.numpy() == np.roll(answers[1], 1)).all()
    assert [step.name for step in mechanism(model)] == [step.name for step in mechanism(source)]
    with pytest.raises(InputError, match="got a Linear"):
        mechanism(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("norm", [None, "rmsnorm"])
def test_a_standard_decoder_is_edited_at_the_same_points(norm):
    source = built("selector")
    model, tokens = standard(source, norm=norm), torch.tensor([[0, 5]])
    assert set(model.trace(tokens).residual) == {"embedding", "layers.0.mid", "layers.0.post"}
    for point in model.trace(tokens).residual:
        edited = model.trace(tokens, {point: lambda x: 0 * x})
        assert not edited.residual[point].any()
        assert not torch.equal(edited.logits, model.trace(tokens).logits)


def test_an_edit_at_no_point_is_refused():
    model = built("selector")
    with pytest.raises(
        ValueError,
        match=r"no point 'layers.1.mid'; there are embedding, layers.0.mid, layers.0.post",
    ):
        model.trace(torch.tensor([[0, 5]]), {"layers.1.mid": lambda x: x})


def test_a_slot_is_set_and_nothing_else():
    model = built("selector")
    states = torch.randn(2, 3, model.shape.d_model, dtype=torch.float64)
    changed = model.set_slot(states, "one", 7.0)
    assert (model.slot_state(changed, "one") == 7).all()
    assert torch.equal(
        model.slot_state(changed, "attributes"), model.slot_state(states, "attributes")
    )
    turned = change_basis(model, rotation(model.shape.d_model))
    states = states @ turned.basis.mT
    changed = turned.set_slot(states, "one", 7.0)
    assert (turned.slot_state(changed, "one") - 7).abs().max() < 1e-12
    assert (turned.slot_state(changed - states, "attributes")).abs().max() < 1e-12


def test_the_page_of_the_docs_runs_and_prints_what_stands_there(capsys):
    page = (Path(__file__).parent.parent / "docs" / "interpretability.md").read_text()
    blocks, shared = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S), {}
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "interpretability.md", "exec"), shared)
    printed, _ = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    assert printed == capsys.readouterr().out
