"""Which numbers of a forward pass are exact, whatever the order of summation.

While an `Exactness` is active it watches the calls of torch that a plain module makes, and notes
of each result whether it is proven: all its entries are multiples of one power of two, the grid,
and equal to those of real arithmetic, in which a softmax weight that underflows is 0. The rules:

* A weight is on the grid of its entries; rows of it, and views, are on the same one.
* Products of two grids are on the product of both. A sum of products is exact, in any order, if
  the sum of their absolute values is at most `2 / eps` steps of its grid: then every partial sum
  is such a multiple, and so is held exactly.
* A sum of two, and a quotient by a power of two, stays on a grid, and is exact while it is held.
* Softmax is exact where all scores but the largest are lower by at least `ONE_HOT_GAP`, so that
  their exponentials are 0 in every dtype, and the largest stands alone or is an exact tie of 2, 4,
  8, ... positions.
* RMSNorm beside a slack is exact, on a CPU, under the conditions at `_rms_norm`.
* What only moves entries (views, rows, heads side by side) or makes them 0 (ReLU) keeps what is
  known; of anything else nothing is known.
* *Loose entries.* A softmax that is not exact, as of a head that a position has no use for, makes
  its weights loose: of a loose entry only a bound on its absolute value is known, which holds in
  any order of summation and is followed through sums, products, mixtures and norms. What reads a
  loose entry is loose. What multiplies it by an exact 0 is not: it is finite, and adds 0. So it is
  exact what a head reads by weights of exactly 0 and 1, or at coordinates that are not loose,
  whatever stands beside it.

So a result that is proven is the same for every shape of the batch, with or without a cache. The
bounds are computed from the numbers of the very batch, hence are proofs about its queries and no
others.

The rules themselves, one for each function, are in `verify.queries.exact_rules`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from verify.queries.exact_arithmetic import Arithmetic
from verify.queries.exact_numbers import held_entries
from verify.queries.exact_rules import RULES


class Exactness(TorchFunctionMode):
    """Notes what is exact of the results of torch's functions while it is active (`with exactness:
    ...`).
    """

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.arithmetic = Arithmetic(dtype)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call it, and note what is known of the result."""
        result = func(*args, **(kwargs or {}))
        rule = RULES.get(func)
        if rule is not None and type(result) is Tensor:
            known = rule(self.arithmetic, result, *args, **(kwargs or {}))
            if known is not None:
                result.exactly = known  # type: ignore[attr-defined]
        return result

    def exact_product(self, x: Tensor, weight: Tensor) -> bool:
        """Whether `x @ weight.T` is exact, for x (..., in) and weight (out, in); it is not
        computed.
        """
        known, its = self.arithmetic.known(x), self.arithmetic.weight(weight)
        if known is None:
            return False
        if known.loose is not None:
            loose = (known.loose > 0).flatten(0, -2).any(0)
            if bool((loose & (its.columns > 0)).any()):  # a loose entry is read
                return False
        return self.arithmetic.product(held_entries(x, known), weight) is not None
