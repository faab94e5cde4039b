"""Trained models on a coarse grid, so that all their logits are exact: every tensor becomes small
integers times a power of two, its *step*.

Then a forward pass is a computation with integers that float64 makes without rounding, in any
order (`verify.rounded.proof` says when), and a proof that all facts are answered right is one such
pass. It proves the rounded model: save and ship that one.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.learning.one_layer import OneLayer

MOST_BITS = 24
"""Of float32."""
_LARGEST = torch.finfo(torch.float32).max


class Grid(NamedTuple):
    """On which grid a tensor is: the one way to write it so.

    Attributes:
        step: the exponent of the largest power of two that all entries are multiples of; 0 if all
            are 0.
        bits: of the largest of the integers that are left, and one for the sign.
    """

    step: int
    bits: int


def round_weights(model: OneLayer, bits: int = 10, bias_bits: int | None = None) -> OneLayer:
    """A copy of a trained model whose weights are integers of at most so many bits, sign
    included, times one power of two for each tensor; in float32, which holds them exactly.

    Args:
        model: with uniform attention, without value matrix and norms, of finite weights.
        bits: of embeddings and matrices, 2 to 24.
        bias_bits: of biases; by default 2 more, at most 24.

    Returns:
        A new model, on the device of the given one.

    Raises:
        InputError: the model is of another kind, holds a number that is not finite, or has a
            tensor whose grid float32 does not hold.

    Example:
        >>> model = OneLayer(OneLayerShape.of(facts, d_model=4, d_mlp=8))
        >>> rounded = round_weights(model, bits=6)
    """
    require_exact_kind(model)
    bits = whole("bits", bits, 2, MOST_BITS)
    given = min(bits + 2, MOST_BITS) if bias_bits is None else bias_bits
    bias_bits = whole("bias_bits", given, 2, MOST_BITS)
    rounded = copy.deepcopy(model).float().requires_grad_(False)
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in rounded.named_parameters():
            some = bias_bits if name.startswith("biases.") else bits
            tensor.copy_(_on_grid(weights[name].detach().double(), some, name))
    return rounded


def require_exact_kind(model: OneLayer) -> None:
    """Raise InputError unless all logits of the model are sums and products of its weights."""
    if not isinstance(model, OneLayer):
        raise InputError(f"a one-layer model is expected; got a {type(model).__name__}")
    shape = model.shape
    if shape.attention != "uniform" or shape.value or shape.norm is not None:
        raise InputError(
            "softmax and norms are not exact: uniform attention, no value matrix and no norm are"
            f" expected; got attention {shape.attention!r}, value {shape.value}, norm"
            f" {shape.norm!r}"
        )


def _on_grid(weight: Tensor, bits: int, name: str) -> Tensor:
    """The nearest multiples of the smallest power of two that leaves so many bits, float64."""
    largest = float(weight.abs().max()) if weight.numel() else 0.0
    if not math.isfinite(largest):
        raise InputError(f"{name} holds a number that is not finite")
    if largest == 0:
        return torch.zeros_like(weight)
    most = 2 ** (bits - 1) - 1
    step = math.frexp(largest)[1] - bits
    while round(math.ldexp(largest, -step)) > most:
        step += 1
    if step < -149:
        raise InputError(f"{name} has the step 2^{step}; float32 has 2^-149 at least")
    if math.ldexp(round(math.ldexp(largest, -step)), step) > _LARGEST:
        raise InputError(f"{name} has an entry {largest:g}; rounded, it is above all of float32")
    return torch.ldexp(torch.round(weight * 2.0**-step), torch.tensor(step)) + 0.0  # no -0


def grid_of(weight: Tensor) -> Grid:
    """The grid of a tensor of finite numbers in float32 or less."""
    mantissas, exponents = np.frexp(weight.detach().double().cpu().numpy().ravel())
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    integers, exponents = integers[integers != 0], exponents[integers != 0]
    if not len(integers):
        return Grid(0, 1)
    trailing = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    step = int((exponents - 53 + trailing).min())
    largest = float(weight.detach().double().abs().max())
    return Grid(step, 1 + int(math.ldexp(largest, -step)).bit_length())
