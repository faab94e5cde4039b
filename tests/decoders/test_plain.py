"""No module that is tampered with passes while it answers wrong, or states what was proven of its
weights.
"""

import contextlib
from contextlib import nullcontext

import pytest
import torch
from near_ties import margins, sequences
from tampering import (
    CONTEXTS,
    FACTS,
    IN_PLACE,
    KINDS,
    a_subclass_of_an_mlp,
    another_unembedding,
    blocks,
    embedding_that_renormalizes,
    forward_of_a_submodule,
    forward_of_the_instance,
    hook_on_an_mlp,
    hook_on_the_model,
    hook_on_whole_sequences,
    parametrized,
    scaled_attention,
    with_a_bias,
)
from tiers import diagonal
from torch import nn

from constructions import InputError
from constructions.decoders.plain import why_not_plain
from constructions.model.parts import Attention, Weight
from verify.queries.readout_declared import check_readout
from verify.queries.recall import check_recall


def modes_of(kind):
    return ("full",) if kind in ("wide", "standard") else ("fast", "full", "both", "auto")


@pytest.mark.parametrize(("kind", "tamper"), diagonal(KINDS, [*IN_PLACE, *CONTEXTS]))
def test_no_tampered_module_passes_while_it_answers_wrong(kind, tamper):
    model = KINDS[kind]()
    if tamper in (hook_on_an_mlp, a_subclass_of_an_mlp) and blocks(model)[-1].mlp is None:
        return
    tokens, said = sequences(model, FACTS)
    with tamper(model) if tamper in CONTEXTS else nullcontext(tamper(model)):
        called = margins(model, tokens, said)
        why = why_not_plain(model)
        verdicts = {
            mode: check_recall(model, FACTS, model.hops, mode).verdict for mode in modes_of(kind)
        }
    wrong = not bool((called > 0).all())
    harmless_here = (
        tamper in (scaled_attention, embedding_that_renormalizes) or "mode" in tamper.__name__
    )
    assert wrong or harmless_here  # the table is one of real faults
    assert why is not None
    assert set(verdicts.values()) <= {"UNKNOWN", "FAIL"}, (verdicts, wrong)


@pytest.mark.parametrize(("kind", "tamper"), diagonal(KINDS, [*IN_PLACE, *CONTEXTS[:4]]))
def test_no_tampered_module_states_what_was_proven_of_its_weights(kind, tamper):
    model = KINDS[kind]()
    if tamper in (hook_on_an_mlp, a_subclass_of_an_mlp) and blocks(model)[-1].mlp is None:
        return
    assert model.margin.real > 0
    stated = ["margin", *(["logit_error"] if hasattr(type(model), "logit_error") else [])]
    with tamper(model) if tamper in CONTEXTS else nullcontext(tamper(model)):
        for name in stated:
            with pytest.raises(InputError):
                pytest.fail(f"{getattr(model, name)} is stated")


@pytest.mark.parametrize("kind", KINDS)
def test_an_untampered_module_passes(kind):
    model = KINDS[kind]()
    assert why_not_plain(model) is None
    for mode in modes_of(kind):
        recall = check_recall(model, FACTS, model.hops, mode)
        assert (recall.verdict, recall.unknown, recall.reason) == ("PASS", 0, None)


def test_what_transformers_adds_to_torch_is_allowed_and_nothing_else(monkeypatch):
    model = KINDS["selector"]()
    monkeypatch.setattr(nn.Module, "smart_apply", lambda module, fn, custom: module, raising=False)
    assert check_recall(model, FACTS, model.hops).verdict == "PASS"
    monkeypatch.setattr(nn.Module, "smart_forward", lambda module, x: x, raising=False)
    assert "Module.smart_forward was replaced" in str(why_not_plain(model))


@pytest.mark.parametrize("kind", KINDS)
def test_what_changes_no_number_is_allowed(kind):
    model = KINDS[kind]()
    model.unembedding.weight.register_hook(lambda gradient: 2 * gradient)
    model.register_state_dict_post_hook(lambda module, state, prefix, metadata: None)
    model.train()
    model.some_note = "of the user's own"
    kept = torch.get_default_dtype()
    for dtype in (torch.float64, torch.float16):
        try:
            torch.set_default_dtype(dtype)
            assert check_recall(model.eval(), FACTS, model.hops, "full").verdict == "PASS"
        finally:
            torch.set_default_dtype(kept)
    with torch.device("cpu"):
        assert why_not_plain(model) is None
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    assert check_recall(model, FACTS, model.hops, "full").verdict == "PASS"


def test_a_users_class_that_overrides_nothing_is_plain():
    model = KINDS["selector"]()
    model.__class__ = type("Mine", (type(model),), {"my_own": lambda self: 3})
    assert why_not_plain(model) is None
    model.__class__ = type("Mine", (type(model),), {"answer": lambda self, entity, path: 0})
    assert "its class Mine overrides answer" in why_not_plain(model)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.layers.append(nn.Dropout()), "layers.1 of the Transformer is not one of its parts"),
        (lambda m: m.layers[0].add_module("mlp", None), "is missing"),
        (lambda m: m.unembedding.half(), "is torch.float16 on cpu, embedding.weight torch.float32"),
        (lambda m: setattr(m, "shape", None), "the shape of the Transformer is None"),
        (lambda m: setattr(m.layers[0].attention, "heads", ()), "heads is \\(\\), in a new one"),
        (lambda m: setattr(m.layers[0].attention, "query", Weight(1, 1)), "in_features is 1"),
        (lambda m: m.to("meta"), "on meta, not floating point numbers"),
        (lambda m: setattr(m.embedding, "weight", nn.Parameter(m.embedding.weight.to_sparse())), "sparse"),
        (
            lambda m: setattr(m.unembedding, "weight", nn.Parameter(m.embedding.weight.detach()[: m.shape.d_vocab])),
            "shares memory with",
        ),
        (
            lambda m: setattr(m.unembedding, "weight", nn.Parameter(torch.zeros(1, 1).expand(*m.unembedding.weight.shape))),
            "unembedding.weight shares memory with unembedding.weight",
        ),
        (lambda m: m.register_full_backward_hook(lambda *given: None), "has a backward hook"),
        (lambda m: setattr(m, "_compiled_call_impl", m._call_impl), "it is compiled"),
        (
            lambda m: setattr(m.layers[0], "attention", Attention(m.shape.d_model, m.shape.layers[0].heads, None, True)),
            "scaled is True",
        ),
    ],
)  # fmt: skip
def test_the_reason_names_what_is_not_plain(change, reason):
    model = KINDS["selector"]()
    change(model)
    why = why_not_plain(model)
    assert why is not None
    assert "\n" not in why
    with contextlib.suppress(Exception):
        assert check_recall(model, FACTS).verdict != "PASS"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(why)


def test_other_modules_are_not_plain():
    assert "a Linear is neither a Transformer nor a StandardDecoder" in why_not_plain(
        nn.Linear(2, 2)
    )


def test_less_precise_products_are_not_plain():
    model = KINDS["selector"]()
    kept = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert "computes products of float32 in" in why_not_plain(model)
        assert why_not_plain(model.double()) is None
    finally:
        torch.set_float32_matmul_precision(kept)
    assert why_not_plain(model.float()) is None


def test_autocast_is_not_plain():
    model = KINDS["selector"]()
    with torch.autocast("cpu", torch.bfloat16):
        assert "autocast is active on cpu" in why_not_plain(model)
        assert check_recall(model, FACTS).verdict == "UNKNOWN"


def test_the_decoder_check_asks_the_same_of_the_unembedding():
    for tamper in (
        parametrized,
        with_a_bias,
        hook_on_whole_sequences,
        forward_of_a_submodule,
        another_unembedding,
    ):
        model = KINDS["selector"]()
        tamper(model)
        assert "the unembedding is not a plain matrix" in check_readout(model)


def test_what_only_the_call_changes_is_found_by_calling(monkeypatch):
    """With a predicate that lets everything pass, some queries of the first batch are still asked
    by `model(tokens)`.
    """
    monkeypatch.setattr("verify.queries.recall.why_not_plain", lambda model: None)
    for tamper in (forward_of_the_instance, hook_on_the_model, hook_on_whole_sequences):
        model = KINDS["key_value"]()
        tamper(model)
        assert "model(tokens) has other logits" in check_recall(model, FACTS, 2, "full").defect
