"""Whether a module is plain: whether what it computes is what its weights say, in the arithmetic
that is active now.
"""

from __future__ import annotations

import torch
from torch import nn

from constructions.decoders.standard_decoder import STANDARD_DECODER, StandardDecoder
from constructions.model.arithmetic import why_other_arithmetic
from constructions.model.as_written import class_name, why_not_as_written
from constructions.model.transformer import TRANSFORMER, Transformer


@torch.no_grad()
def why_not_plain(model: nn.Module) -> str | None:
    """Why `model(tokens)` may be something else than its weights say, in one line; None if nothing
    speaks for it.

    A plain module is a `Transformer` or a `StandardDecoder` with the submodules of a new one of
    its shape, each of the very type and with the same settings; its code is this library's and
    torch's, unchanged in class and instance; it has no hooks, nor has torch any for all modules;
    its weights are ordinary parameters of one floating dtype on one device that share no memory;
    and nothing is active that changes what torch computes: autocast, modes that intercept
    functions, products in less than float32, subnormal numbers read as 0. For plain modules
    `unembedding(states(tokens)[0])`, and the same position by position with a cache, is
    `model(tokens)`, but for the order in which sums are rounded.

    Hooks on the gradients of parameters and on the state dict are harmless; so are `train()` and
    `eval()`, and the default dtype and device, on which nothing here depends. Weights need not be
    finite.
    """
    if not isinstance(model, Transformer | StandardDecoder):
        return (
            f"a {class_name(type(model))} is neither a Transformer nor a StandardDecoder of this"
            " library"
        )
    kind = TRANSFORMER if isinstance(model, Transformer) else STANDARD_DECODER
    return why_not_as_written(model, kind) or why_other_arithmetic(next(model.parameters()))
