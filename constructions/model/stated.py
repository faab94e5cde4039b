"""Numbers that were proven of a module, and whether it still is that module.

A margin, an error or a radius is a theorem about certain weights in a certain arithmetic. The
module that carries the number can change afterwards: a weight is edited or trained, a dtype
converted, a part replaced. So the number is kept beside a fingerprint of the module as it was
when the number was proven, and each reading takes the fingerprint anew:

* the same: the number;
* another: `InputError`, which names what has changed. A number that was never proven is None.

**What counts.** The contents of all parameters and buffers, bit for bit (but the sign of a
zero), with their names, shapes, dtypes, kind of device and which of them are one tensor; of each
submodule its class and its settings (sizes, `eps`, whether scores are scaled); the facts.
Contents are digested at each reading: version counters do not see edits through `.data` or in
inference mode.

**What does not.** Which object it is, and how it came to its weights: a copy, a pickled one, one
that has been trained and whose old weights were loaded again state the number. On which device
of a kind it lies.

**Arithmetic.** The proofs are about products and sums in the dtype of the weights. Where that is
switched off for the caller, by autocast or by a lower precision of float32 products, reading
raises too. So it does where the module has hooks (torch's for all modules too), parametrizations
or another `forward`: what it computes is then not what its weights say.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from constructions.guards.errors import InputError
from constructions.model.arithmetic import autocast_dtype, rounded_products
from constructions.model.as_written import Kind, why_not_as_written

Value = TypeVar("Value")

_PLAIN = (bool, int, float, str, type(None))
_AT_ONCE = 2**15
"""Numbers that are digested together: few enough that torch starts no threads for them, which wait
for each other where another program has the other core.
"""


_WORTH_A_THREAD = 2**22


class Fingerprint:
    """A module as it is now: see the top of this file. It takes a pass over all weights."""

    def __init__(self, module: nn.Module):
        tensors = _named_tensors(module)
        self.settings = dict(_settings(module))
        self.sorts = _sorts(tensors)
        self.digests = dict(zip(tensors, _digests(tensors), strict=True))
        self.facts = getattr(module, "facts", None)

    def change(self, module: nn.Module) -> str | None:
        """The first thing that differs in a module, in words; None if it is the same."""
        return next(self._changes(module), None)

    def _changes(self, module: nn.Module) -> Iterator[str]:
        """Everything that differs in a module, in words."""
        parts, tensors = dict(_settings(module)), _named_tensors(module)
        for name in {**self.settings, **parts}:
            if name not in parts or name not in self.settings:
                yield f"{name} is {'new' if name in parts else 'gone'}"
                continue
            (kind, settings), (kind_then, settings_then) = parts[name], self.settings[name]
            if kind is not kind_then:
                yield (
                    f"{name or 'the module'} is a {kind.__name__}, and was a {kind_then.__name__}"
                )
            for key, then in settings_then.items():
                now = settings.get(key)
                if key not in settings or now != then:
                    yield f"{name}.{key} is {now!r}, and was {then!r}".removeprefix(".")
        sorts = _sorts(tensors)
        for name in {**self.sorts, **sorts}:
            if name not in sorts or name not in self.sorts:
                yield f"{name} is {'new' if name in sorts else 'gone'}"
                continue
            for now, then in zip(sorts[name], self.sorts[name], strict=True):
                if now != then:
                    yield f"{name} is {now}, and was {then}"
        for (name, tensor), digest in zip(tensors.items(), _digests(tensors), strict=True):
            if tensor.is_meta or digest != self.digests[name]:
                yield f"{name} has changed"
        facts = getattr(module, "facts", None)
        if facts is not self.facts and facts != self.facts:
            yield "the facts are others"


class Stated(Generic[Value]):
    """What was proven of a module as it is at this moment."""

    def __init__(self, module: nn.Module, value: Value):
        self.value = value
        self.fingerprint = Fingerprint(module)

    def of(self, module: nn.Module, name: str) -> Value:
        """The value, if the module is still the one that it was proven of.

        Raises:
            InputError: it is not; what has changed is named.
        """
        if (change := self.fingerprint.change(module)) is not None:
            raise InputError(
                f"{name} was proven of other weights: {change}. Nothing is proven of the module as"
                " it is now; make it anew, load the weights of then, or run all queries"
                " (verify.queries.recall, or verify.learned.proven.prove_recall for a proof)"
            )
        return self.value


class Stating(nn.Module):
    """A module that states what is proven of it, in attributes that raise where it has changed.
    `dir` does not list these: what looks at all attributes of a module, as TorchScript does, is to
    find no error.
    """

    may_raise: ClassVar[frozenset[str]]

    def __dir__(self) -> list[str]:
        listed = super().__dir__()  # type: ignore[no-untyped-call]
        return [name for name in listed if name not in self.may_raise]


def require_arithmetic(module: nn.Module, name: str, kind: Kind) -> None:
    """Raise InputError where the module does not compute what its weights say: torch does not
    multiply in their dtype, for the caller at this moment, or the module has hooks or code of its
    own.

    Args:
        module: of which something is proven.
        name: what that is, for the message.
        kind: whose forward pass the module has.
    """
    weight = next(module.parameters())
    if (products := autocast_dtype(weight)) is not None:
        raise InputError(
            f"{name} is proven for products in {weight.dtype}; under autocast they are in"
            f" {products}. Leave autocast"
        )
    if (precision := rounded_products(weight)) is not None:
        raise InputError(
            f"{name} is proven for products in torch.float32; here they may be in {precision}."
            ' Call torch.set_float32_matmul_precision("highest")'
        )
    if why := why_not_as_written(module, kind):
        raise InputError(
            f"{name} is proven of the weights, and the module may compute something else: {why}"
        )


def _settings(module: nn.Module) -> Iterator[tuple[str, tuple[type, dict[str, Any]]]]:
    """Of each submodule by name its class and its settings: all public attributes that are
    numbers, texts or sizes.
    """
    for name, part in module.named_modules(remove_duplicate=False):
        public = {
            key: value for key, value in vars(part).items() if key[0] != "_" and key != "training"
        }
        yield name, (type(part), {key: value for key, value in public.items() if _is_plain(value)})


def _is_plain(value: object) -> bool:
    """Whether a setting is a number, a text, or made of such."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if dataclasses.is_dataclass(value):
        return all(_is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    return isinstance(value, _PLAIN)


def _named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers; of one that has two names, both."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _sorts(tensors: dict[str, Tensor]) -> dict[str, tuple[str, str, str, str]]:
    """Of each in words: dtype, shape, kind of device, and the first name of the same tensor."""
    first: dict[int, str] = {}
    return {
        name: (
            str(tensor.dtype),
            f"of shape {tuple(tensor.shape)}",
            f"on {tensor.device.type}",
            f"the tensor {first.setdefault(id(tensor), name)}",
        )
        for name, tensor in tensors.items()
    }


def _digests(tensors: dict[str, Tensor]) -> list[bytes | None]:
    """Those of all tensors; where there is much to digest, two tensors at a time."""
    if sum(tensor.numel() for tensor in tensors.values()) < _WORTH_A_THREAD:
        return list(map(digest, tensors.values()))
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(digest, tensors.values()))


def digest(tensor: Tensor) -> bytes | None:
    """SHA-256 of the contents, minus zero taken for zero; None on the meta device, where there are
    none.
    """
    if tensor.is_meta:
        return None
    found = hashlib.sha256()
    for part in torch.split(tensor.detach().cpu().contiguous().reshape(-1), _AT_ONCE):
        numbers = part + 0.0 if part.is_floating_point() else part
        found.update(numbers.view(torch.uint8).numpy().data)
    return found.digest()
