"""A one-layer model as the parts that bounds are followed through."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from constructions.following.walk import Heads, Matrix, Network, Pair, Part, Units, norm_of
from constructions.learning.one_layer import OneLayer, OneLayerShape
from constructions.model.as_written import Kind
from constructions.model.shapes import HeadShape

ONE_LAYER = Kind(OneLayer, OneLayerShape)


@dataclass(frozen=True)
class OneLayerWidths:
    """The sizes of a one-layer model that whoever follows it needs: see
    `constructions.model.answering.Widths`. Its logits are over the answers alone.
    """

    d_vocab: int
    d_model: int
    d_mlp: int
    widest_layer: int
    cached_widths: int = 0
    n_positions: int = 0


def network_of_one_layer(model: OneLayer) -> Network:
    """Its attention, if that is softmax, and its MLP; with uniform attention subject and relation
    enter as one vector.

    The embedding is the table of the entities and then of the relations, so that the tokens are
    those of the model; the unembedding has a row for each answer.

    Raises:
        InputError: what stands for a norm is none.
    """
    shape, d = model.shape, model.shape.d_model
    table = torch.cat([model.entities, model.relations])
    value = None if model.value is None else Matrix("value", model.value)
    units = Units(
        tuple(
            Matrix(f"weights.{place}", weight, bias=bias)
            for place, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True))
        )
    )
    parts = [Part(units, before=norm_of(model.mlp_norm, "mlp_norm"))]
    pair: Pair | None = Pair(value)
    if model.query is not None and model.key is not None:
        identity = torch.eye(d, dtype=table.dtype, device=table.device)
        heads = Heads(
            Matrix("query", model.query),
            Matrix("key", model.key),
            value or Matrix("no_value", identity),
            Matrix("output", identity),
            (HeadShape(d, d),),
            scaled=True,
        )
        parts, pair = [Part(heads), *parts], None
    return Network(
        Matrix("embeddings", table),
        None,
        tuple(parts),
        norm_of(model.final_norm, "final_norm"),
        Matrix("unembedding", model.unembedding),
        OneLayerWidths(shape.n_answers, d, shape.d_mlp, 4 * d * len(parts) + shape.d_mlp),
        pair,
    )
