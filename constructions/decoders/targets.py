"""What must hold before a construction is written into another module, or a module is re-written:
that its parameters are those of a new module of its shape.
"""

from __future__ import annotations

import torch
from torch import nn

from constructions.guards.errors import InputError
from constructions.model.as_written import shared_memory
from constructions.model.fact_model import FactModel
from constructions.model.set_model import require_paths


def require_construction(model: object) -> None:
    """Raise InputError unless it is a construction as a builder makes it, and answers paths."""
    require_paths(model, "forms, decoders and exports are made")
    if not isinstance(model, FactModel):
        raise InputError(
            "the construction must be a FactModel, as a builder makes it; got a"
            f" {type(model).__name__}"
        )


def require_dtype(model: FactModel, narrow: object) -> None:
    """Raise InputError unless the weights of the construction can be held in this dtype."""
    if not isinstance(narrow, torch.dtype) or not narrow.is_floating_point:
        raise InputError(f"dtype must be one of floating point; got {narrow!r}")
    wide = model.embedding.weight.dtype
    if torch.finfo(narrow).eps > torch.finfo(wide).eps:
        raise InputError(
            f"{model.construction} was built in {wide}, and the target is in {narrow}; build it in"
            f" {narrow}"
        )


@torch.no_grad()
def require_plain(target: nn.Module, fresh: nn.Module, finite: bool = True) -> None:
    """Raise InputError unless the target's parameters are those of `fresh`, a module of its shape
    (on the meta device will do): the same names and shapes, memory shared by the same names only,
    one floating dtype, one device, finite numbers if asked for.
    """
    kind, what = type(fresh).__name__, "load its weights into a new one"
    has, needs = (
        dict(module.named_parameters(remove_duplicate=False)) for module in (target, fresh)
    )
    for name in {**needs, **has}:
        mine, its = (
            "none" if name not in group else str(tuple(group[name].shape))
            for group in (has, needs)
        )
        if mine != its:
            raise InputError(
                f"{name} of the target has the shape {mine}, in a new {kind} of its shape {its};"
                f" {what}, without parametrizations"
            )
    first_name, first = next(iter(has.items()))
    for name, weight in has.items():
        if not weight.is_floating_point() or weight.is_meta:
            raise InputError(
                f"{name} of the target is {weight.dtype} on {weight.device}; floating point"
                " numbers are needed"
            )
        if weight.is_inference():
            raise InputError(
                f"{name} of the target was made in torch.inference_mode, and cannot be changed"
                " outside of it; make the target outside, or take a copy of it there"
                " (copy.deepcopy)"
            )
        if (weight.dtype, weight.device) != (first.dtype, first.device):
            raise InputError(
                f"{name} of the target is {weight.dtype} on {weight.device}, {first_name}"
                f" {first.dtype} on {first.device}; move it to one of them"
            )
    own: dict[int, str] = {}
    for name, weight in needs.items():
        other = own.setdefault(id(weight), name)
        if has[name] is not has[other]:
            raise InputError(
                f"{name} of the target is not {other}, in a new {kind} of its shape it is; {what}"
            )
    if shared := shared_memory((name, has[name]) for name in own.values()):
        name, other = shared
        raise InputError(
            f"{name} of the target shares memory with {'itself' if other == name else other}, in a"
            f" new {kind} of its shape it does not; {what}"
        )
    for name, weight in has.items() if finite else ():
        if not weight.double().isfinite().all():
            raise InputError(
                f"{name} of the target is not finite everywhere; give it finite numbers first"
            )
