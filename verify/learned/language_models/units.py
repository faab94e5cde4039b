"""The hidden units of a decoder layer's MLP: what its last matrix reads.

That matrix is found by its shape: among the modules of the layer with a weight of two axes, of
which one is d and the other is not, the last one in the order of definition. It must be given
(batch, tokens, n_units). A layer of several experts has none that would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from constructions.guards.errors import InputError


def n_units(layer: nn.Module, d_model: int) -> int | None:
    """How many hidden units there are; None where their matrix is not found."""
    found = _down(layer, d_model)
    return None if found is None else found[1]


@contextmanager
def units_of(layer: nn.Module, d_model: int) -> Iterator[list[Tensor]]:
    """Within, the units (batch, tokens, n_units) of each pass are appended to the list.

    Raises:
        InputError: there is no such matrix, or it reads something else.
    """
    found = _down(layer, d_model)
    if found is None:
        raise InputError("no matrix that leads from hidden units to the residual stream is known")
    seen: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Any, ...]) -> None:
        """Keep what is given."""
        if given[0].dim() != 3 or given[0].shape[-1] != found[1]:
            raise InputError(f"the MLP's last matrix reads {tuple(given[0].shape)}")
        seen.append(given[0])

    handle = found[0].register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def _down(layer: nn.Module, d_model: int) -> tuple[nn.Module, int] | None:
    """The matrix, and how many units it reads."""
    for module in reversed(list(layer.modules())):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() == 2 and d_model in weight.shape:
            others = [side for side in weight.shape if side != d_model]
            if others:
                return module, others[0]
    return None
