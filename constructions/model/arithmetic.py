"""In which precision torch multiplies at this moment, where the dtype of the weights alone does
not say it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from constructions.guards.wording import printable


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
    return None
