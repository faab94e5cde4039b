"""Whether a module is what its weights say: its parts, code, hooks and parameters are those of a
new one of its shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from constructions.guards.wording import printable
from constructions.model.norm_eps import why_no_eps
from constructions.model.own_code import is_code, is_own


class Kind(NamedTuple):
    """A class of modules that are made from their shape alone, `module(shape)`.

    Attributes:
        module: the class; its instances have the attribute `shape`.
        shape: the class of that.
    """

    module: Any
    shape: type


@torch.no_grad()
def why_not_as_written(model: nn.Module, kind: Kind) -> str | None:
    """Why `model(tokens)` may be something else than its weights say, in one line; None if nothing
    speaks for it. Which arithmetic is active does not count: see
    `constructions.decoders.plain.why_not_plain`, which says what a plain module is.

    Args:
        model: an instance of the kind, or of a class derived from it.
        kind: whose forward pass it should have.
    """
    found = model.__dict__.get("shape")
    if type(found) is not kind.shape:
        return f"the shape of the {kind.module.__name__} is {printable(repr(found))}"
    with torch.device("meta"):
        fresh: nn.Module = kind.module(found)
    return (
        _why_global_hooks()
        or _why_other_parts(model, fresh)
        or _why_other_weights(model)
        or _why_other_eps(model)
    )


def _why_other_eps(model: nn.Module) -> str | None:
    """A norm whose eps is no size: see `constructions.model.norm_eps`."""
    dtype = next(model.parameters()).dtype
    for name, norm in model.named_modules():
        if isinstance(norm, nn.RMSNorm | nn.LayerNorm) and (why := why_no_eps(norm, dtype)):
            return f"{printable(name)}: {why}"
    return None


def why_not_plain_part(
    module: nn.Module, fresh: nn.Module, known: _Known | None = None
) -> str | None:
    """As `why_not_as_written`, for one submodule.

    Args:
        module: the submodule.
        fresh: a new one, which it should be like.
        known: what was found of classes before; see `_Known`.
    """
    if type(module) is not type(fresh):
        return f"it is a {class_name(type(module))}, not a {class_name(type(fresh))}"
    return (
        _why_other_code(module, {} if known is None else known)
        or _why_hooks(module)
        or _why_other_settings(module, fresh)
    )


_HOOKS = {
    "_forward_hooks": "a forward hook",
    "_forward_pre_hooks": "a forward pre-hook",
    "_backward_hooks": "a backward hook",
    "_backward_pre_hooks": "a backward pre-hook",
}


def _why_global_hooks() -> str | None:
    """Hooks that torch calls for every module."""
    for name, what in _HOOKS.items():
        if getattr(nn.modules.module, name.replace("_", "_global_", 1)):
            return f"{what} is registered for all modules of torch; remove it"
    return None


def _why_hooks(module: nn.Module) -> str | None:
    """Hooks of this module, or a compiled form of it."""
    for name, what in _HOOKS.items():
        if module.__dict__.get(name):
            return f"it has {what}; remove it"
    return (
        "it is compiled; take the module as it was before"
        if module._compiled_call_impl is not None
        else None
    )


def _why_other_parts(model: nn.Module, fresh: nn.Module) -> str | None:
    """Submodules that are not those of a new module of this shape."""
    has, needs = (dict(module.named_modules(remove_duplicate=False)) for module in (model, fresh))
    known: _Known = {}
    for name in {**needs, **has}:
        where = f"{printable(name)} of the {type(fresh).__name__}"
        if name not in needs or name not in has:
            return f"{where} {'is missing' if name in needs else 'is not one of its parts'}"
        if name and (why := why_not_plain_part(has[name], needs[name], known)):
            return f"{where}: {why}"
    why = (
        _why_other_code(model, known)
        or _why_hooks(model)
        or _why_other_settings(model, fresh, whole=True)
    )
    return why and f"the {class_name(type(model))}: {why}"


_HARMLESS = {"__init__", "__module__", "__doc__", "__qualname__", "__dict__", "__weakref__"}
_HARMLESS |= {"__repr__", "extra_repr", "__firstlineno__", "__static_attributes__"}
_HARMLESS |= {"__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
_HARMLESS |= {"__orig_bases__", "__orig_class__", "__parameters__", "__type_params__"}
_HARMLESS |= {"__abstractmethods__", "_abc_impl"}
"""What a class may define without changing what its modules compute."""
_ADDED = frozenset({"smart_apply"})
"""What transformers adds to torch's Module where it makes or loads a model, and leaves there.
Nothing of torch or of this library has or calls a method of that name.
"""
_OURS = ("constructions", "torch", "builtins", "typing")
_Known = dict[Any, frozenset[str] | str]
"""Classes, and the orders in which they are looked up, that were looked at before, and what was
found: see `_code_of`.
"""


def _why_other_code(module: nn.Module, known: _Known) -> str | None:
    """Code that is not this library's or torch's: of the instance, of its class, or written over
    theirs.
    """
    kind, own = type(module), module.__dict__
    if kind.__mro__ not in known:
        known[kind.__mro__] = _code_of(kind, known)
    code = known[kind.__mro__]
    if isinstance(code, str):
        return code
    held = {name for group in ("_parameters", "_modules", "_buffers") for name in own[group]}
    for name in own:
        if name in held or name in code:
            return f"{printable(name)} of the instance was replaced"
    return None


def _code_of(kind: type, known: _Known) -> frozenset[str] | str:
    """The names of all code of a class, which an instance must not shadow; or what is wrong with
    it.
    """
    names: set[str] = set()
    for place, cls in enumerate(kind.__mro__):
        if cls.__module__.partition(".")[0] not in _OURS:
            later = {name for other in kind.__mro__[place + 1 :] for name in vars(other)}
            for name in vars(cls):
                if name in later and name not in _HARMLESS:
                    return f"its class {class_name(cls)} overrides {printable(name)}"
        elif cls not in known:
            known[cls] = _own_code_of(cls)
        code = known.get(cls, frozenset())
        if isinstance(code, str):
            return code
        names |= code
    return frozenset(names)


def _own_code_of(cls: type) -> frozenset[str] | str:
    """The names of the code that a class itself defines; or which of it was replaced, if the class
    is ours or torch's.
    """
    top, names = cls.__module__.partition(".")[0], set()
    for name, value in vars(cls).items():
        if is_code(value):
            names.add(name)
            foreign = top in ("constructions", "torch") and not is_own(value, top)
            if foreign and name not in _ADDED:
                return f"{class_name(cls)}.{printable(name)} was replaced"
    return frozenset(names)


_STATE = frozenset({"training", "eps", "shape"})
"""What may differ from a new module: nothing depends on the first; the second is looked at by
itself, in `_why_other_eps`; the third was what the new one was made from."""


def _why_other_settings(module: nn.Module, fresh: nn.Module, whole: bool = False) -> str | None:
    """Attributes, or shapes of weights, that are not those of a new module."""
    has, needs = module.__dict__, fresh.__dict__
    for name, value in needs.items():
        if name.startswith("_") or name in _STATE:
            continue
        if name not in has or type(has[name]) is not type(value) or has[name] != value:
            found = printable(repr(has[name])) if name in has else "missing"
            return f"{name} is {found}, in a new one of its shape {value!r}"
    kinds: tuple[str, ...] = ("_parameters",) if whole else ("_parameters", "_buffers")
    for kind in kinds:
        mine, its = (
            {name: _size(held) for name, held in part[kind].items()} for part in (has, needs)
        )
        if mine != its:
            return f"its {kind[1:]} are {printable(mine)}, in a new one of its shape {its}"
    return None


def _size(weight: Tensor | None) -> tuple[int, ...] | None:
    """The shape of a weight; None for none."""
    return None if weight is None else tuple(weight.shape)


def _why_other_weights(model: nn.Module) -> str | None:
    """Weights that are no ordinary numbers of one kind in memory of their own."""
    first_name, first = next(iter(model.named_parameters()))
    for name, weight in model.named_parameters():
        if type(weight) is not nn.Parameter or type(weight.data) is not Tensor:
            return f"{printable(name)} is a {class_name(type(weight))}, not an ordinary parameter"
        if (
            weight.layout != torch.strided
            or weight.is_quantized
            or not weight.is_floating_point()
            or weight.is_meta
        ):
            return (
                f"{printable(name)} is {weight.layout}, {weight.dtype} on {weight.device}, not"
                " floating point numbers"
            )
        if (weight.dtype, weight.device) != (first.dtype, first.device):
            return (
                f"{printable(name)} is {weight.dtype} on {weight.device}, {printable(first_name)}"
                f" {first.dtype} on {first.device}"
            )
    if shared := shared_memory(model.named_parameters()):
        return (
            f"{printable(shared[0])} shares memory with {printable(shared[1])}; load its weights"
            " into a new one"
        )
    return None


def shared_memory(weights: Iterable[tuple[str, Tensor]]) -> tuple[str, str] | None:
    """Two of these tensors of which one begins before the other ends; or a tensor twice, two of
    whose entries are one.
    """
    ranges: Iterator[tuple[int, int, str, int]] = (
        (*memory_range(weight), name, weight.numel() * weight.element_size())
        for name, weight in weights
        if weight.numel()
    )
    end, before = 0, ""
    for start, stop, name, size in sorted(ranges):
        if start < end or stop - start < size:
            return name, before if start < end else name
        end, before = stop, name
    return None


def memory_range(weight: Tensor) -> tuple[int, int]:
    """Where the memory of a weight begins, and ends."""
    last = sum((n - 1) * stride for n, stride in zip(weight.shape, weight.stride(), strict=True))
    return weight.data_ptr(), weight.data_ptr() + (last + 1) * weight.element_size()


def class_name(cls: type) -> str:
    """The name of a class on one printable line."""
    return printable(cls.__name__)
