"""What must hold of a module whose weights are to be believed: before a construction is written
into another module, one by one; and before the weights are taken for what the module computes
(`why_not_plain`).
"""

from __future__ import annotations

import torch
from torch import nn

from constructions.decoders.standard_decoder import STANDARD_DECODER, StandardDecoder
from constructions.guards.errors import InputError
from constructions.model.arithmetic import why_other_arithmetic
from constructions.model.as_written import class_name, memory_range, why_not_as_written
from constructions.model.fact_model import FactModel
from constructions.model.transformer import TRANSFORMER, Transformer


@torch.no_grad()
def why_not_plain(model: nn.Module) -> str | None:
    """Why `model(tokens)` may be something else than its weights say, in one line; None if nothing
    speaks for it.

    A plain module is a `Transformer` or a `StandardDecoder` with the submodules of a new one of
    its shape, each of the very type and with the same settings; its code is this library's and
    torch's, unchanged in class and instance; it has no hooks, nor has torch any for all modules;
    its weights are ordinary parameters of one floating dtype on one device that share no memory;
    and nothing is active that changes what torch computes: autocast, modes that intercept
    functions, products in less than float32. For plain modules `unembedding(states(tokens)[0])`,
    and the same position by position with a cache, is `model(tokens)`, but for the order in which
    sums are rounded.

    Hooks on the gradients of parameters and on the state dict are harmless; so are `train()` and
    `eval()`, and the default dtype and device, on which nothing here depends. Weights need not be
    finite.
    """
    if not isinstance(model, Transformer | StandardDecoder):
        return (
            f"a {class_name(type(model))} is neither a Transformer nor a StandardDecoder of this"
            " library"
        )
    kind = TRANSFORMER if isinstance(model, Transformer) else STANDARD_DECODER
    return why_not_as_written(model, kind) or why_other_arithmetic(next(model.parameters()))


def require_construction(model: object) -> None:
    """Raise InputError unless it is a construction as a builder makes it."""
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
    ranges = sorted((*memory_range(has[name]), name) for name in own.values() if has[name].numel())
    end, before = 0, ""
    for start, stop, name in ranges:
        if start < end or stop - start < has[name].numel() * first.element_size():
            raise InputError(
                f"{name} of the target shares memory with {before if start < end else 'itself'}, "
                f"in a new {kind} of its shape it does not; {what}"
            )
        end, before = stop, name
    for name, weight in has.items() if finite else ():
        if not weight.double().isfinite().all():
            raise InputError(
                f"{name} of the target is not finite everywhere; give it finite numbers first"
            )
