"""A standard decoder as the parts that bounds are followed through."""

from __future__ import annotations

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.following.walk import Matrix, Network, Part, heads_of, norm_of, units_of


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
                norm_of(block.attention_norm, f"{name}.attention_norm"),
            ),
            (units_of(block.mlp, f"{name}.mlp"), norm_of(block.mlp_norm, f"{name}.mlp_norm")),
        ):
            parts.append(Part(adds, before=norm) if block.pre else Part(adds, after=norm))
    return Network(
        Matrix("embedding.weight", decoder.embedding.weight),
        Matrix("positions.weight", decoder.positions.weight),
        tuple(parts),
        norm_of(decoder.final_norm, "final_norm"),
        Matrix("unembedding.weight", decoder.unembedding.weight),
        decoder.shape,
    )
