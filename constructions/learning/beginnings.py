"""Where models begin before they are trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.guards.errors import InputError
from constructions.learning.one_layer import OneLayer, OneLayerShape
from constructions.learning.stacking import Stack

Shape = OneLayerShape | StandardShape


def stacked(
    model: Shape | nn.Module | Sequence[OneLayerShape],
    seeds: Sequence[int],
    initial_scale: float | None,
    dtype: torch.dtype,
    device: torch.device,
) -> Stack:
    """A model for each seed, as `constructions.learning.fit.fit` takes them."""
    if isinstance(model, nn.Module):
        _require_no_hooks(model)
        return Stack([copy.deepcopy(model).to(device) for _ in seeds])
    if isinstance(model, OneLayerShape | StandardShape):
        return Stack([drawn(model, seed, initial_scale, dtype).to(device) for seed in seeds])
    shapes = list(model)
    _require_paddable(shapes, len(seeds))
    largest = OneLayer(
        _resized(shapes[0], max(s.d_model for s in shapes), max(s.d_mlp for s in shapes)), dtype
    )
    models = [
        drawn(shape, seed, initial_scale, dtype).to(device)
        for shape, seed in zip(shapes, seeds, strict=True)
    ]
    return Stack(models, largest.to(device))


def drawn(
    shape: Shape, seed: int, initial_scale: float | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """A model with random weights, which its seed decides; torch's own generator is left alone.

    Raises:
        InputError: an initial scale is given, and the model is no standard decoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(shape, OneLayerShape):
            if initial_scale is not None:
                raise InputError(
                    f"initial_scale = {initial_scale:g} is for standard decoders; a one-layer"
                    " model's weights have scales of their own"
                )
            return OneLayer(shape, dtype)
        decoder = StandardDecoder(shape, dtype)
        if initial_scale is not None:
            decoder.reset_parameters(initial_scale)
        return decoder


def _require_no_hooks(model: nn.Module) -> None:
    """Raise InputError if gradients are changed by hooks, which batched training does not call."""
    hooked = [
        name for name, one in model.named_parameters() if getattr(one, "_backward_hooks", None)
    ]
    if hooked:
        raise InputError(
            f"{hooked[0]} has a hook on its gradient, which is not called here: name the entries"
            " that are to stay as `held`, such as model.construction_entries()"
        )


def _require_paddable(shapes: Sequence[OneLayerShape], seeds: int) -> None:
    """Raise InputError unless zeros at the ends do no harm, see
    `constructions.learning.stacking.padded`.
    """
    if len(shapes) != seeds:
        raise InputError(f"{len(shapes)} shapes for {seeds} seeds: give one for each")
    for shape in shapes:
        if not isinstance(shape, OneLayerShape):
            raise InputError(
                "models of several sizes are trained together by a list of OneLayerShape; got"
                f" {type(shape).__name__}"
            )
        first = shapes[0]
        if _resized(shape, first.d_model, first.d_mlp) != first:
            raise InputError(
                "models that are trained together differ in d_model and d_mlp alone; got"
                f" {first} and {shape}"
            )
        if shape.norm is not None or shape.attention != "uniform":
            raise InputError(
                "models of several sizes are trained together with uniform attention and without"
                f" norms; got {shape}"
            )


def _resized(shape: OneLayerShape, d_model: int, d_mlp: int) -> OneLayerShape:
    """The same shape in other dimensions."""
    return replace(shape, d_model=d_model, d_mlp=d_mlp)
