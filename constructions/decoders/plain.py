"""Whether a module is plain: whether what it computes is what its weights say, before these are
taken for the module.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from constructions.decoders.shared_memory import shared_memory
from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.guards.wording import printable
from constructions.model.arithmetic import rounded_products
from constructions.model.transformer import Transformer, TransformerShape


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
    return why_not_as_written(model) or _why_other_arithmetic(next(model.parameters()))


@torch.no_grad()
def why_not_as_written(model: nn.Module) -> str | None:
    """As `why_not_plain`, whatever arithmetic is active: of the module's parts, code, hooks and
    parameters alone.
    """
    if not isinstance(model, Transformer | StandardDecoder):
        return (
            f"a {_name_of(type(model))} is neither a Transformer nor a StandardDecoder of this"
            " library"
        )
    kind, shape = (
        ("Transformer", TransformerShape)
        if isinstance(model, Transformer)
        else ("StandardDecoder", StandardShape)
    )
    found = model.__dict__.get("shape")
    if type(found) is not shape:
        return f"the shape of the {kind} is {printable(repr(found))}"
    with torch.device("meta"):
        fresh = (
            Transformer(found) if isinstance(found, TransformerShape) else StandardDecoder(found)
        )
    return _why_global_hooks() or _why_other_parts(model, fresh) or _why_other_weights(model)


def why_not_plain_part(
    module: nn.Module, fresh: nn.Module, known: _Known | None = None
) -> str | None:
    """As `why_not_plain`, for one submodule, held against a new one that it should be like; known:
    by `_why_other_code`.
    """
    if type(module) is not type(fresh):
        return f"it is a {_name_of(type(module))}, not a {_name_of(type(fresh))}"
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
    """Hooks that torch calls for all modules."""
    for name, what in _HOOKS.items():
        if getattr(nn.modules.module, name.replace("_", "_global_", 1)):
            return f"{what} is registered for all modules of torch; remove it"
    return None


def _why_hooks(module: nn.Module) -> str | None:
    """Hooks of the module itself, or a compiled call in place of its own."""
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
    return why and f"the {_name_of(type(model))}: {why}"


_HARMLESS = {
    *(
        "__init__",
        "__module__",
        "__doc__",
        "__qualname__",
        "__annotations__",
        "__annotate__",
        "__dict__",
    ),
    *(
        "__annotate_func__",
        "__annotations_cache__",
        "__weakref__",
        "__firstlineno__",
        "__static_attributes__",
    ),
    *(
        "__orig_bases__",
        "__parameters__",
        "__abstractmethods__",
        "__orig_class__",
        "__type_params__",
    ),
    *("_abc_impl", "__repr__", "extra_repr"),
}
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
                    return f"its class {_name_of(cls)} overrides {printable(name)}"
        elif cls not in known:
            known[cls] = _own_code_of(cls)
        code = known.get(cls, frozenset())
        if isinstance(code, str):
            return code
        names |= code
    return frozenset(names)


def _own_code_of(cls: type) -> frozenset[str] | str:
    """The names of the code that a class itself defines; or which of it was replaced by others."""
    top, names = cls.__module__.partition(".")[0], set()
    for name, value in vars(cls).items():
        if _is_code(value):
            names.add(name)
            foreign = _module_of(value) not in (top, "functools", "builtins")
            if top in ("constructions", "torch") and foreign and name not in _ADDED:
                return f"{_name_of(cls)}.{printable(name)} was replaced"
    return frozenset(names)


def _is_code(value: object) -> bool:
    """Whether an attribute of a class is a function, or made of one; no inner class."""
    value = _inside(value)
    return callable(value) and not isinstance(value, type)


def _inside(value: Any) -> Any:
    """The function of a property, a static method or a class method."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def _module_of(value: object) -> str:
    """The package in which a function was written."""
    return str(getattr(_inside(value), "__module__", None)).partition(".")[0]


_STATE = frozenset({"training", "eps", "shape"})
"""What may differ from a new module: nothing depends on the first; the second is read where it
matters; the third was what the new one was made from."""


def _why_other_settings(module: nn.Module, fresh: nn.Module, whole: bool = False) -> str | None:
    """Attributes, parameters or buffers that are not as in a new module; of a whole model, which
    may have further buffers, parameters alone.
    """
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
    """The shape; None where no weight is."""
    return None if weight is None else tuple(weight.shape)


def _why_other_weights(model: nn.Module) -> str | None:
    """Weights that are no ordinary numbers of one kind in memory of their own."""
    first_name, first = next(iter(model.named_parameters()))
    for name, weight in model.named_parameters():
        if type(weight) is not nn.Parameter or type(weight.data) is not Tensor:
            return f"{printable(name)} is a {_name_of(type(weight))}, not an ordinary parameter"
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


def _why_other_arithmetic(weight: Tensor) -> str | None:
    """What is active now and changes what torch computes with such weights."""
    device = weight.device.type
    if torch.is_autocast_enabled(device):
        return (
            f"autocast is active on {device}: products are computed in"
            f" {torch.get_autocast_dtype(device)}"
        )
    active: list[object] = _get_current_function_mode_stack()  # type: ignore[no-untyped-call]
    modes = [mode for mode in active if type(mode) is not DeviceContext]
    modes += _get_current_dispatch_mode_stack()
    if modes:
        return f"a {_name_of(type(modes[-1]))} is active, which may change what torch computes"
    if (precision := rounded_products(weight)) is not None:
        return (
            f"torch computes products of float32 in {precision} on {device}; set the precision to"
            " 'highest'"
        )
    return None


def _name_of(cls: type) -> str:
    """The name of a class in one printable line."""
    return printable(cls.__name__)
