"""Modules that are not what their weights say: none is called right while `model(tokens)` is
wrong.
"""

import contextlib
from contextlib import contextmanager, nullcontext

import pytest
import torch
from near_ties import margins, sequences
from tiers import diagonal
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from constructions import CATALOGUE, FactTable, InputError, standard, widen
from constructions.decoders.plain import why_not_plain
from constructions.model.parts import MLP, Attention, Weight
from constructions.model.transformer import Transformer
from verify.queries.readout_declared import check_readout
from verify.queries.recall import check_recall

FACTS = FactTable.random_bijections(6, 2, seed=5)
KINDS = {
    "selector": lambda: CATALOGUE["selector"].build(FACTS, 1),
    "key_value": lambda: CATALOGUE["key_value"].build(FACTS, 2),
    "chain_of_thought": lambda: CATALOGUE["chain_of_thought"].build(FACTS, 2),
    "wide": lambda: widen(CATALOGUE["selector"].build(FACTS, 1), 40),
    "standard": lambda: standard(CATALOGUE["selector"].build(FACTS, 1), norm="rmsnorm"),
}


def blocks(model):
    return model.layers if isinstance(model, Transformer) else model.blocks


# ------------------------------------------------------------------ ways to tamper: each in place,
# or as a context


def forward_of_the_instance(model):
    forward = model.forward
    model.forward = lambda tokens: -forward(tokens)


def call_of_the_class(model):
    model.__class__ = type(
        "Sly", (type(model),), {"__call__": lambda self, tokens: -self.forward(tokens)}
    )


def forward_of_a_subclass(model):
    def forward(self, tokens):
        return -self.unembedding(self.states(tokens)[0])

    model.__class__ = type("Sly", (type(model),), {"forward": forward})


def forward_of_a_submodule(model):
    forward = model.unembedding.forward
    model.unembedding.forward = lambda x: -forward(x)


def states_of_the_instance(model):
    states = model.states

    def other(tokens, cache=None, trace=None):
        found, later = states(tokens, cache, trace)
        return (-found if cache is None else found), later

    model.states = other


def hook_on_the_model(model):
    model.register_forward_hook(lambda module, x, y: -y)


def hook_on_whole_sequences(model):
    """What runs position by position never sees it."""
    model.unembedding.register_forward_hook(lambda module, x, y: -y if x[0].dim() == 3 else y)


def pre_hook_on_the_unembedding(model):
    model.unembedding.register_forward_pre_hook(
        lambda module, x: (-x[0],) if x[0].dim() == 3 else x
    )


def hook_on_the_embedding(model):
    model.embedding.register_forward_hook(lambda module, x, y: -y if x[0].shape[-1] > 1 else y)


def hook_on_an_mlp(model):
    blocks(model)[-1].mlp.register_forward_hook(
        lambda module, x, y: -y if x[0].shape[-2] > 1 else y
    )


class _Negative(nn.Module):
    def forward(self, weight):
        return -weight


def parametrized(model):
    parametrize.register_parametrization(model.unembedding, "weight", _Negative())


class _Dropping(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner, self.weight = inner, inner.weight

    def forward(self, x):
        return self.inner(x) if not self.training else -self.inner(x)


def another_unembedding(model):
    model.unembedding = _Dropping(model.unembedding)


class _SlyWeight(Weight):
    def forward(self, x):
        return -super().forward(x) if x.dim() == 3 else super().forward(x)


def a_subclass_of_the_unembedding(model):
    other = _SlyWeight(*reversed(model.unembedding.weight.shape))
    other.weight = model.unembedding.weight
    model.unembedding = other


class _SlyMLP(MLP):
    def forward(self, x):
        return -super().forward(x) if x.shape[-2] > 1 else super().forward(x)


def a_subclass_of_an_mlp(model):
    blocks(model)[-1].mlp.__class__ = _SlyMLP


def with_a_bias(model):
    model.unembedding.bias = nn.Parameter(torch.zeros(model.shape.d_vocab))
    model.unembedding.bias.data[0] = 1e4


def embedding_that_renormalizes(model):
    model.embedding.max_norm = 1e-3


def scaled_attention(model):
    attention = blocks(model)[0].attention
    attention.scaled = not attention.scaled


class _SlyTensor(Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        return -result if func is nn.functional.linear and args[0].dim() == 3 else result


def weight_of_another_kind(model):
    weight = model.unembedding.weight.detach().as_subclass(_SlyTensor)
    model.unembedding.weight = nn.Parameter(weight, requires_grad=False)


def weight_beside_the_parameters(model):
    model.unembedding.__dict__["weight"] = -model.unembedding.weight.detach()


@contextmanager
def hook_on_all_modules(model):
    def hook(module, x, y):
        return -y if module is model else None

    handle = torch_module.register_module_forward_hook(hook)
    yield
    handle.remove()


@contextmanager
def pre_hook_on_all_modules(model):
    def hook(module, x):
        return (-x[0],) if module is model.unembedding and x[0].dim() == 3 else None

    handle = torch_module.register_module_forward_pre_hook(hook)
    yield
    handle.remove()


@contextmanager
def forward_of_the_library_replaced(model):
    forward = MLP.forward
    MLP.forward = lambda self, x: -forward(self, x) if x.shape[-2] > 1 else forward(self, x)
    yield
    MLP.forward = forward


@contextmanager
def forward_of_torch_replaced(model):
    forward = nn.Linear.forward
    nn.Linear.forward = lambda self, x: -forward(self, x) if x.dim() == 3 else forward(self, x)
    yield
    nn.Linear.forward = forward


class _SlyFunctions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return -result if func is nn.functional.linear and args[0].dim() == 3 else result


class _SlyOperators(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return -result if "softmax" in str(func) else result


def a_function_mode(model):
    return _SlyFunctions()


def a_dispatch_mode(model):
    return _SlyOperators()


IN_PLACE = [
    forward_of_the_instance,
    call_of_the_class,
    forward_of_a_subclass,
    forward_of_a_submodule,
    states_of_the_instance,
    hook_on_the_model,
    hook_on_whole_sequences,
    pre_hook_on_the_unembedding,
    hook_on_the_embedding,
    hook_on_an_mlp,
    parametrized,
    another_unembedding,
    a_subclass_of_the_unembedding,
    a_subclass_of_an_mlp,
    with_a_bias,
    embedding_that_renormalizes,
    scaled_attention,
    weight_of_another_kind,
    weight_beside_the_parameters,
]
CONTEXTS = [
    hook_on_all_modules,
    pre_hook_on_all_modules,
    forward_of_the_library_replaced,
    forward_of_torch_replaced,
    a_function_mode,
    a_dispatch_mode,
]


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
