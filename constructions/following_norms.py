"""What rounding can make of every logit of a standard decoder: `constructions.following`, with norms.

RMSNorm makes `g_i x_i / sqrt(S)` of x, with the mean square `S = sum x^2 / D + eps`. Of an x that is off by e the sum of
squares is off by at most `sum (2 |x| + e) e`, and rounds by `(D + 8) u` of itself. If S is off by a ratio rho <= 1/2 in all,
its inverse root is off by a ratio of at most rho: `(1 - rho)^(-1/2) - 1 <= rho`. Products and the root round by 8 u.

LayerNorm does so with `c = x - mean x`. Of an x that is off by e, c is off by `e_i` and the mean of e; the mean rounds by
`(D + 8) u` times the mean of |x|. Some implementations compute `x r - mean r` and `mean x^2 - (mean x)^2`: so c counts as
off by a further `4 u (|x| + |mean|)`, and the variance by `4 (D + 8) u mean x^2`.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from constructions.following import UNIT, Box, Change, Follower
from constructions.memory import require_memory
from constructions.rounding import up
from constructions.standard_decoder import StandardDecoder
from constructions.transformer import Attention


class DecoderFollower(Follower):
    """Boxes of token sequences through a standard decoder; the changes are those of rounding.

    Raises:
        DoesNotFit: the bounds need more memory than there is.
    """

    def __init__(self, decoder: StandardDecoder, n_positions: int):
        count = sum(weight.numel() for weight in decoder.parameters())
        require_memory(16 * count, f"bounds for {count:,} weights")
        self.decoder = decoder
        self.weights = {
            name: weight.detach().double().cpu() for name, weight in decoder.named_parameters(remove_duplicate=False)
        }

    def logits(self, x: Box, change: Change, said: int, selects: bool = False) -> Box:
        """As `Follower.logits`; no head is known to select."""
        n_positions = x.low.shape[-2]
        rows = self.weights["positions.weight"][:n_positions]
        x = change.plus(x, Box(rows, rows, torch.zeros_like(rows)))
        for index, block in enumerate(self.decoder.block_sequence()):
            name = f"blocks.{index}"
            norms = [
                (block.attention_norm, f"{name}.attention_norm"),
                (block.mlp_norm, f"{name}.mlp_norm"),
            ]
            for (norm, norm_name), part in zip(norms, (block.attention, block.mlp), strict=True):
                read = self._normed(x, norm, norm_name, change) if block.pre else x
                if isinstance(part, Attention):
                    update = self._attend(read, part, f"{name}.attention", change, None)
                else:
                    update = self._mlp(read, part, f"{name}.mlp", change)
                x = change.plus(x, update)
                x = x if block.pre else self._normed(x, norm, norm_name, change)
        last = x.part(slice(n_positions - said, None), slice(None))
        last = self._normed(last, self.decoder.final_norm, "final_norm", change)
        return change.through("unembedding.weight", self.weights["unembedding.weight"], last)

    def _normed(self, x: Box, norm: nn.Module, name: str, change: Change) -> Box:
        if isinstance(norm, nn.Identity):
            return x
        gain = self.weights[f"{name}.weight"]
        eps = cast("nn.RMSNorm | nn.LayerNorm", norm).eps
        if isinstance(norm, nn.LayerNorm):
            return _layer_norm(x, gain, self.weights.get(f"{name}.bias"), float(norm.eps), change)
        return _scaled(x, _squares_error(x, change), gain, change.unit * 2 if eps is None else float(eps), change)


def _mean(values: Tensor) -> Tensor:
    return values.mean(-1, keepdim=True)


def _squares_error(x: Box, change: Change) -> Tensor:
    """How far the mean square is from that without the change: (..., L, 1)."""
    n = x.low.shape[-1]
    rounded = change.rounds((x.total * x.total).sum(-1, keepdim=True), n + 8) / n
    return up(_mean((2 * x.largest + x.error) * x.error) + rounded)


def _scaled(x: Box, off: Tensor, gain: Tensor, eps: float, change: Change) -> Box:
    """`gain x / sqrt(mean x^2 + eps)`, where the mean square is off by at most this."""
    n = x.low.shape[-1]
    slack = 4 * (n + 16) * UNIT
    least = torch.maximum(x.low, -x.high).clamp(min=0)
    below = (_mean(least * least) + eps) * (1 - slack)
    above = (_mean(x.largest * x.largest) + eps) * (1 + slack)
    small, large = above.rsqrt() * (1 - slack), below.rsqrt() * (1 + slack)  # factors without the change
    low = torch.minimum(x.low * small, x.low * large)
    high = torch.maximum(x.high * small, x.high * large)
    ratio = up((off + 8 * change.unit * (eps + off)) / below)
    ratio = torch.where(ratio <= 0.5, ratio + 8 * change.unit * (1 + ratio), torch.nan)
    error = up((x.error + x.total * ratio) * large) + 4 * change.underflow * (1 + large)
    ends = torch.stack([low * gain, high * gain])
    spread = 4 * UNIT * ends.abs().amax(0)
    error = up(error * gain.abs() + change.underflow)
    held = torch.where(x.total * large * gain.abs() < change.most, error, torch.nan)
    return Box(ends.amin(0) - spread, ends.amax(0) + spread, held)


def _layer_norm(x: Box, gain: Tensor, bias: Tensor | None, eps: float, change: Change) -> Box:
    n = x.low.shape[-1]
    slack = 2 * (n + 8) * UNIT * _mean(x.largest)
    low, high = _mean(x.low) - slack, _mean(x.high) + slack
    rounded = change.rounds(x.total.sum(-1, keepdim=True), n + 8) / n
    error = x.error + _mean(x.error) + rounded + 4 * change.unit * (x.total + _mean(x.total)) + 4 * change.underflow
    spread = 4 * UNIT * (x.largest + torch.maximum(high, -low))
    centered = Box(x.low - high - spread, x.high - low + spread, up(error))
    squares = change.rounds((x.total * x.total).sum(-1, keepdim=True), 4 * (n + 8)) / n
    off = up(_squares_error(centered, change) + squares)
    y = _scaled(centered, off, gain, eps, change)
    return y if bias is None else change.plus(y, Box(bias, bias, torch.zeros_like(bias)))
