"""Which eps a norm may have: what stands beside a mean square must be a size."""

from __future__ import annotations

import torch
from torch import nn

from constructions.guards.wording import printable


def why_no_eps(norm: nn.RMSNorm | nn.LayerNorm, dtype: torch.dtype) -> str | None:
    """Why the eps of a norm with weights of this dtype is no size, in one line; None if it is one:
    a real number from 0, NaN not, to less than a quarter of the largest number of the dtype. The
    bounds of `constructions.following.norms` need that: the sum of the mean square and a negative
    eps may cancel, and a large one is infinite in the dtype. RMSNorm's None is the dtype's own.
    """
    eps: object = norm.eps
    if eps is None and isinstance(norm, nn.RMSNorm):
        return None
    most = torch.finfo(dtype).max / 4
    if not isinstance(eps, float | int) or isinstance(eps, bool):
        return f"eps of a norm is {printable(repr(eps))}; it must be an int or a float"
    if not 0 <= eps < most:
        said = "no size" if isinstance(eps, int) and abs(eps) > 2**1024 else eps
        return f"eps of a norm is {said}; it must be from 0 to {most:.3g}"
    return None
