"""A standard decoder as the parts that bounds are followed through."""

from __future__ import annotations

from torch import nn

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.following.walk import Matrix, Network, Norm, Part, heads_of, units_of
from constructions.guards.errors import InputError


def network_of_decoder(decoder: StandardDecoder) -> Network:
    """Its blocks: two parts each, with their norms before or after.

    Raises:
        InputError: what stands for a norm is none.
    """
    parts = []
    for index, block in enumerate(decoder.block_sequence()):
        name = f"blocks.{index}"
        for adds, norm in (
            (
                heads_of(block.attention, f"{name}.attention"),
                _norm(block.attention_norm, f"{name}.attention_norm"),
            ),
            (units_of(block.mlp, f"{name}.mlp"), _norm(block.mlp_norm, f"{name}.mlp_norm")),
        ):
            parts.append(Part(adds, before=norm) if block.pre else Part(adds, after=norm))
    return Network(
        Matrix("embedding.weight", decoder.embedding.weight),
        Matrix("positions.weight", decoder.positions.weight),
        tuple(parts),
        _norm(decoder.final_norm, "final_norm"),
        Matrix("unembedding.weight", decoder.unembedding.weight),
        decoder.shape,
    )


def _norm(module: nn.Module, name: str) -> Norm | None:
    """The norm of this name; None where there is none."""
    if isinstance(module, nn.Identity):
        return None
    if not isinstance(module, nn.RMSNorm | nn.LayerNorm):
        raise InputError(
            f"a norm is a {type(module).__name__}; RMSNorm, LayerNorm or Identity is expected"
        )
    return Norm(name, module)
