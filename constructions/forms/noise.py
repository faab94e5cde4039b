"""Noise on the weights, and how much of it a model bears.

    radius = noise_radius(model, "queries")  # certified
    noisy = add_noise(model, radius)  # every fact is still answered

How a radius is found, and why it holds, is in `constructions.forms.noise_bounds`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from constructions.decoders.model_form import ModelForm, as_form, margin_if_proven
from constructions.decoders.transformer_seeding import zeros
from constructions.following.queries import By, require_way
from constructions.forms.noise_bounds import radius_by_norms, radius_by_queries
from constructions.forms.source import margin_as_built, selected_gap, source_of
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.model.fact_model import FactModel
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.stated import require_arithmetic
from constructions.model.transformer import TRANSFORMER, Transformer


@of_ordinary_tensors
@torch.no_grad()
def add_noise(model: FactModel | ModelForm, noise: float, seed: int = 0) -> ModelForm:
    """The model with noise on all its weights, as `widen` puts it on the new ones: none changes by
    more than `noise`.

    Example:
        >>> model = selector(facts)
        >>> noisy = add_noise(model, noise_radius(model) / 2)
        >>> bool(noisy.answer(3, [1]) == facts.answer(3, [1]))
        True
    """
    source, basis = source_of(model)
    noisy = zeros(model.shape, model.embedding.weight.dtype)
    put_noise_on(noisy, noise, seed)
    for name, weight in model.named_parameters():
        changed: Tensor = noisy.get_parameter(name)
        changed.add_(weight.cpu())
        too_far = (changed.double() - weight.double().cpu()).abs() > noise  # by rounding
        changed[too_far] = weight.cpu()[too_far]
    return as_form(
        noisy.to(weight.device), source, basis.clone(), None if noise else margin_if_proven(model)
    )


@torch.no_grad()
def put_noise_on(transformer: Transformer, noise: float, seed: int) -> None:
    """Draw all weights anew: Gaussian with standard deviation `noise / 4`, cut off at `noise`;
    without noise they stay.

    Raises:
        InputError: the noise is negative or no number.
    """
    if not isinstance(noise, int | float) or not 0 <= noise < float("inf"):
        raise InputError(f"noise must be a number of at least 0; got {noise!r}")
    seed = whole("seed", seed, 0, 2**63 - 1)
    if noise:
        most = torch.tensor(noise, dtype=transformer.embedding.weight.dtype)
        most = most if most.double() <= noise else torch.nextafter(most, torch.zeros_like(most))
        generator = torch.Generator().manual_seed(seed)
        for weight in transformer.parameters():
            nn.init.trunc_normal_(weight, 0, noise / 4, -noise, noise, generator).clamp_(
                -most, most
            )


@of_ordinary_tensors
def noise_radius(
    model: FactModel | ModelForm,
    by: By = "norms",
    progress: Callable[[int], None] = lambda queries: None,
) -> float:
    """A certified radius in the max norm: whatever weights change, each by at most this, every
    fact is still answered.

    For the module in its dtype, rounding included; see `constructions.forms.noise_bounds`.

    Args:
        model: a construction as it was built, or what `widen` makes of it without noise; `queries`
            takes every form, with any weights.
        by: `norms`: from the margin that the construction claims, for all queries at once, at any
            size. `queries`: each query is followed by itself through the weights as they are,
            which takes about one pass over all N R^k of them; the radius is larger by far.
        progress: by `queries`, called with the number of queries done so far.

    Returns:
        The radius; 0 if even the rounding of this dtype cannot be bounded below the margin, or, by
        `queries`, if some fact is answered wrong.

    Raises:
        InputError: the parameters are not those of the model's shape; by `norms`, it has other
            weights, noise or another basis: the claim is not about those.
        DoesNotFit: the bounds need more memory than there is.

    Example:
        >>> noise_radius(selector(facts)) > 0
        True
    """
    given, _ = source_of(model)
    require_way(by)
    require_arithmetic(model, "a noise radius", TRANSFORMER)
    if by == "queries":
        return radius_by_queries(model, progress)
    return radius_by_norms(model, margin_as_built(model), selected_gap(given))
