"""Fine-tuning on grids: forward with the nearest levels, gradients as if nothing were rounded."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from constructions.learning.fit import share_of_rate
from verify.learned.answered import Answered
from verify.learned.tensor_grids import TensorGrid

RATE = 0.03
"""Of AdamW, times the step of a tensor's grid: by so many of these an entry moves at once."""
_EVERY = 10


@torch.enable_grad()
def tuned(
    answered: Answered,
    weights: Mapping[str, Tensor],
    grids: Mapping[str, TensorGrid],
    steps: int,
) -> dict[str, Tensor]:
    """Weights on the grids after at most so many full-batch steps, the best that were seen; the
    grids stay. It ends where every query is answered right.

    Tensors that lie on a grid of their own (step 0) stay as they are.
    """
    free = {
        name: value.clone().requires_grad_() for name, value in weights.items() if grids[name].step
    }
    best = {name: grids[name].nearest(value) for name, value in weights.items()}
    score = answered.score(best)
    if not free:
        return best
    optimizer = torch.optim.AdamW(
        [{"params": [value], "step": grids[name].step} for name, value in free.items()],
        weight_decay=0.0,
    )
    for step in range(steps + 1):
        if step % _EVERY == 0 or step == steps:
            now = best | {
                name: grids[name].nearest(value.detach()) for name, value in free.items()
            }
            found = answered.score(now)
            best, score = (now, found) if found > score else (best, score)
            if score.right == answered.n_queries or step == steps:
                break
        for group in optimizer.param_groups:
            group["lr"] = RATE * group["step"] * share_of_rate(step, _EVERY, steps)
        optimizer.zero_grad()
        passed = {
            name: value + (grids[name].nearest(value) - value).detach()
            for name, value in free.items()
        }
        answered.loss({**best, **passed}).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return best
