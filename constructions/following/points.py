"""Numbers of a forward pass with derivatives, and how far the module's may be from them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from constructions.following.boxes import Box


class Point(NamedTuple):
    """Numbers (P, n) with their derivatives, and how far the module's may be from them."""

    at: Tensor
    error: Tensor

    def box(self) -> Box:
        """The number itself, off by the error."""
        at = self.at.detach()
        return Box(at, at, self.error)

    def exactly(self) -> Box:
        """The number itself."""
        at = self.at.detach()
        return Box(at, at, torch.zeros_like(at))

    def around(self) -> Box:
        """All that it may be."""
        at = self.at.detach()
        low, high = at - self.error, at + self.error
        ends = (
            torch.nextafter(low, torch.full_like(low, -torch.inf)),
            torch.nextafter(high, torch.full_like(high, torch.inf)),
        )
        return Box(*ends, torch.zeros_like(at))
