"""What a builder says is written, claimed and reported: once, and checked where it is said."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from constructions import (
    CATALOGUE,
    Bits,
    Codebook,
    Draft,
    FactTable,
    FormField,
    Holds,
    InputError,
    MarginClaim,
    Number,
    Readout,
    Signs,
    Space,
    Vocabulary,
    dot,
    mechanism,
)
from constructions.facts.words import all_words, reached, some_words
from constructions.model.parts import Attention
from constructions.model.record import Block, Pass
from constructions.writing import token_rows
from constructions.writing.certificate import certificate

FACTS = FactTable.random_bijections(5, 3, seed=1)
BOOK = Codebook.of(FACTS)


@dataclass(frozen=True)
class Unary:
    """A code of a user's own: as many ones as the node's number says."""

    codebook: Codebook
    form: None = None

    def rows(self, tokens):
        return (np.arange(len(self.codebook)) < self.codebook.numbers(tokens)[:, None]).astype(int)


def drafted(code=None, takes=([1],), words=1, facts=FACTS, width=3):
    """A plan whose layer does nothing, and whose embedding holds one code for each relation."""
    stream = Space(attributes=(3, width), relation=(3,))
    draft = Draft("none", Vocabulary(facts.n_entities, 3), stream)
    draft.entities(Holds(stream["attributes"], words, code or Bits(BOOK)))
    layer = draft.layer()
    layer.head("look", copy=stream["relation"], to=stream["relation"])
    for letters in takes:
        layer.takes(letters)
    tokens = np.arange(5)
    answers = FormField(tokens, dot(np.eye(5, 3 * width), stream["attributes"].flat()))
    return draft.plan(facts, Readout((answers,)), MarginClaim.exactly(1), torch.float32)


def claims(model):
    return json.loads(certificate(model))


# ------------------------------------------------------------------ what heads write


def test_a_head_writes_what_it_has_copied_once_to_several_coordinates():
    stream = Space(blocks=(3, 4), relation=(3,))
    layer = Draft("none", Vocabulary(5, 3), stream).layer()
    layer.head("close", copy=stream["relation"][:, None], to=stream["blocks"])
    shape = layer.shape()
    assert (shape.heads[0].d_qk, shape.heads[0].d_v) == (0, 3)
    attention = Attention(stream.width, shape.heads, torch.float32)
    with torch.no_grad():
        for weight in attention.parameters():
            weight.zero_()
        layer.write_attention(attention)
    moved = (attention.output.weight @ attention.value.weight).detach()  # to (15,), from (15,)
    for r in range(3):
        assert moved[:, 12 + r].nonzero().ravel().tolist() == [
            4 * r,
            4 * r + 1,
            4 * r + 2,
            4 * r + 3,
        ]
    assert not moved[:, :12].any()
    assert set(moved.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 2), (3, 1, 1)])
def test_a_head_that_copies_another_shape_than_it_writes_is_refused(shape):
    stream = Space(blocks=(3, 4), relation=(3,), other=shape)
    layer = Draft("none", Vocabulary(5, 3), stream).layer()
    with pytest.raises(ValueError, match=r"head 'look': .* copy .* = to \(3, 4\)\?"):
        layer.head("look", copy=stream["other"], to=stream["blocks"])


# ------------------------------------------------------------------ what columns hold


@pytest.mark.parametrize(
    ("holds", "why"),
    [
        (lambda x: Holds(x["a"], 1, Bits(BOOK)), r"has 12 columns; 3 words of 1 letters in codes of 3 take 9"),
        (lambda x: Holds(x["b"][:, ::-1], 1, Bits(BOOK)), r"must follow each other"),
        (lambda x: Holds(x["b"], 1, Bits(BOOK), last=range(2, 4)), r"last letter is in range\(2, 4\) of 3"),
        (lambda x: Holds(x["b"], 1, Bits(BOOK), last=range(1, 1)), r"last letter"),
        (lambda x: Holds(x["c"], 0, Bits(BOOK), last=range(1)), r"own code has no last letter"),
        (lambda x: Holds(x["b"], -1, Bits(BOOK)), r"words must be an integer"),
    ],
)  # fmt: skip
def test_a_slot_that_cannot_hold_what_is_said_is_refused(holds, why):
    space = Space(a=(3, 4), b=(3, 3), c=(3,))
    with pytest.raises(ValueError, match=why):
        holds(space).block(3, [BOOK])
    assert Holds(space["b"], 1, Bits(BOOK)).block(3, [BOOK]) == Block(
        (12, 21), 1, (0, 3), "bits", 0
    )
    assert Holds(space["b"][1:], 1, Bits(BOOK), last=range(1, 3)).block(3, [BOOK]).columns == (
        15,
        21,
    )


def test_a_code_of_a_users_own_is_claimed_by_its_columns_alone():
    model = drafted(Unary(BOOK), width=5).build()
    assert claims(model)[1]["blocks"] == [{"columns": [0, 15]}]
    held = model.slot_state(model.embedding.weight[:5], "attributes")
    assert held.sum(-1).tolist() == FACTS.answers.T.tolist()


def test_codes_are_written_as_they_say():
    for code, width in ((Bits(BOOK), 3), (Signs(BOOK), 3), (Number(BOOK), 1)):
        model = drafted(code, width=width).build()
        held = model.slot_state(model.embedding.weight[:5], "attributes").detach().numpy()
        for r in range(3):
            assert (held[:, r] == code.rows(FACTS.answers[r])).all()


# ------------------------------------------------------------------ what layers take


@pytest.mark.parametrize(
    ("takes", "why"),
    [
        (([1], [1]), r"takes letters 2 times, and is applied 1 times"),
        (([2],), r"take the letters \[2\], of 1"),
        (([1, 1],), r"take the letters \[1, 1\], of 1"),
        (([],), r"take the letters \[\], of 1"),
        (([0],), r"a letter must be an integer of at least 1"),
    ],
)
def test_letters_that_do_not_follow_each_other_are_refused(takes, why):
    with pytest.raises(ValueError, match=why):
        drafted(takes=takes)


def test_a_model_whose_layers_take_nothing_has_no_certificate():
    model = drafted(takes=()).build()
    assert model.record.passes == ()
    with pytest.raises(InputError, match="none states no claims"):
        certificate(model)
    assert drafted().build().record.passes == (Pass((1,), None),)


def test_special_tokens_of_a_chain_of_thought_are_asked_for():
    stream = Space(state=(3,))
    draft = Draft("none", Vocabulary(5, 3), stream)
    with pytest.raises(ValueError, match="its special tokens are"):
        draft.plan(FACTS, Readout(()), MarginClaim.exactly(1), torch.float32, hops_per_token=1)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_certificate_is_the_record(name):
    """Every block of the record stands in it, and nothing else; letters are those of the path."""
    entry = CATALOGUE[name]
    model = entry.build(entry.random_facts(5, 2, 0), 2 if entry.multi_hop else 1)
    task, subject, *passes = claims(model)
    assert task["hops_per_token"] == model.hops_per_token
    assert [block["columns"] for block in subject["blocks"]] == [
        list(block.columns) for block in model.record.subject
    ]
    for claim in passes:
        recorded = model.record.passes[claim["layer"] - 1]
        kept = None if claim["keeps"] is None else [block["columns"] for block in claim["keeps"]]
        keeps = recorded.keeps if claim["left"] else None
        assert kept == (None if keeps is None else [list(one.columns) for one in keeps])
    whole = [claim["letters"] for claim in passes if claim["step"] == 1][
        -len(model.record.passes) :
    ]
    taken = [letter for letters in whole for letter in letters]
    assert taken == list(range(1, (model.hops_per_token or model.hops) + 1))


# ------------------------------------------------------------------ what embeddings hold


@pytest.mark.parametrize("name", ["selector", "precomputed", "hybrid", "chain_of_thought"])
def test_some_words_at_a_time_write_what_all_at_once_do(name, monkeypatch):
    entry, sizes = CATALOGUE[name], []
    facts = entry.random_partial_facts(5, 3, 1, 0.2)
    hops = 3 if entry.multi_hop else 1
    at_once = entry.build(facts, hops).embedding.weight
    binary = Codebook.binary

    def noted(book, tokens):
        sizes.append(len(tokens))
        return binary(book, tokens)

    monkeypatch.setattr(token_rows, "AT_ONCE", 10)
    monkeypatch.setattr(Codebook, "binary", noted)
    assert torch.equal(entry.build(facts, hops).embedding.weight, at_once)
    assert max(sizes) == 10  # two words of five entities
    backwards = lambda numbers, *of: some_words(numbers, *of)[::-1]  # noqa: E731
    monkeypatch.setattr(token_rows, "some_words", backwards)  # the control
    assert not torch.equal(entry.build(facts, hops).embedding.weight, at_once)


@pytest.mark.parametrize("name", ["selector", "precomputed", "superposition", "chain_of_thought"])
def test_nothing_is_written_where_one_node_has_no_code(name):
    entry = CATALOGUE[name]
    few = FactTable(np.array([[0, 1, 0, 1, 0], [2, 3, 2, 3, 2]]))
    other = FactTable(np.array([[0, 1, 0, 1, 0], [2, 3, 2, 3, 4]]))
    model = entry.build(few, 1)
    before = model.embedding.weight.detach().clone()
    with pytest.raises(InputError, match="token 4 is an answer of this table but has no code"):
        model.install(other)
    assert torch.equal(model.embedding.weight, before)
    assert model.facts is few


def test_words_are_numbered_and_followed():
    facts, last = FactTable.random_functions(6, 3, 2, 0.3), range(1, 3)
    words = all_words(3, 2)
    ending = words[(words[:, -1] >= 1)]
    assert (some_words(np.arange(6), 3, 2, last) == ending).all()
    assert some_words(np.arange(1), 3, 0, range(3)).shape == (1, 0)
    led = facts.answer(np.arange(6)[:, None], ending[None])
    assert set(reached(facts, 2, last)) == set(led.ravel().tolist())
    assert reached(facts, 0, range(3)).tolist() == list(range(6))


# ------------------------------------------------------------------ what is read and written


def test_what_a_form_reads_are_the_columns_of_its_matrix():
    space = Space(a=(2, 3), b=(3,), one=())
    a, b, one = space["a"], space["b"], space["one"]
    forms = {
        "a, b, one": a + b - one,
        "a": a + 0 * one + b - b,
        "b": a[0] - a[0] + dot(np.eye(3), b),
        "a, one": a.sum(axis=0) - one,
        "": dot(np.zeros((2, 3)), b),
    }
    for names, form in forms.items():
        used = (form.matrix() != 0).any(0)
        scanned = [name for name, slot in space.slots.items() if used[slot.columns].any()]
        assert ", ".join(form.reads()) == names == ", ".join(scanned)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_recorded_slots_are_those_of_the_weights(name):
    """Of one relation and three hops, where coefficients cancel out, and of several."""
    entry = CATALOGUE[name]
    for r, hops in ((1, 3), (3, 2)):
        model = entry.build(entry.random_facts(4, r, 0), hops if entry.multi_hop else 1)
        for step in mechanism(model):
            layer = model.layer_sequence()[step.layer]
            if step.units is None or step.hidden_layer:
                continue
            rows = layer.mlp.matrix(0)[step.units.start : step.units.stop]
            used = (rows != 0).any(0).numpy()
            read = [s for s, slot in model.stream.slots.items() if used[slot.columns].any()]
            assert list(step.reads) == read, step
