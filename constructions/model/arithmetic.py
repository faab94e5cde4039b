"""In which precision torch computes at this moment, where the dtype of the weights alone does not
say it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from constructions.guards.wording import printable

_A_THREAD_TAKES = 2**15
"""So many entries torch gives one thread before it asks for another: its grain size."""


def autocast_dtype(weight: Tensor) -> torch.dtype | None:
    """The dtype in which autocast multiplies with this weight, in the caller's context.

    None if it does not: outside of autocast, and for float64, which autocast leaves alone.
    """
    device = weight.device.type
    if weight.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return None
    return torch.get_autocast_dtype(device)


def rounded_products(weight: Tensor) -> str | None:
    """What torch may round float32 factors to on the weight's device, as the user has set it.

    None for nothing, and where a graph is traced, in which the setting cannot be read. The most
    specific setting counts.
    """
    if weight.dtype != torch.float32 or torch.compiler.is_compiling():
        return None
    if not hasattr(torch.backends, "fp32_precision"):  # before torch 2.9
        set_to = torch.get_float32_matmul_precision()
        return None if set_to == "highest" else set_to
    backend = {"cuda": torch.backends.cuda, "cpu": torch.backends.mkldnn}.get(weight.device.type)
    places: tuple[Any, ...] = (getattr(backend, "matmul", None), backend, torch.backends)
    named = [getattr(place, "fp32_precision", "none") for place in places]
    precision = next((str(name) for name in named if name != "none"), "ieee")
    return None if precision == "ieee" else precision


def why_other_arithmetic(weight: Tensor) -> str | None:
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
        name = printable(type(modes[-1]).__name__)
        return f"a {name} is active, which may change what torch computes"
    if (precision := rounded_products(weight)) is not None:
        return (
            f"torch computes products of float32 in {precision} on {device}; set the precision to"
            " 'highest'"
        )
    if flushes_subnormals():
        return (
            "numbers below the smallest normal one are read as 0 on this CPU; call"
            " torch.set_flush_denormal(False)"
        )
    return None


def flushes_subnormals() -> bool:
    """Whether a thread of this process reads or writes subnormal numbers as 0, as
    `torch.set_flush_denormal(True)` asks for: proofs then read other weights than there are, in
    whatever dtype and on whatever device.

    The setting belongs to threads, and those of torch's pool keep the one with which they were
    begun: so the product is large enough for all of them.
    """
    least = torch.finfo(torch.float32).smallest_normal
    tiny = torch.full((1,), least / 4, dtype=torch.float32, device="cpu")
    product = tiny.expand(_A_THREAD_TAKES * torch.get_num_threads()) * 0.5
    return bool((product.view(torch.int32).numpy() == 0).any())  # the bits: no number is read
