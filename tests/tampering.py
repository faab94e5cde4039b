"""Ways to tamper with a module: in place, or in a context."""

from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from constructions import CATALOGUE, FactTable, standard, widen
from constructions.model.parts import MLP, Weight
from constructions.model.transformer import Transformer

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
