"""Room for a construction in a standard decoder, and its weights into that room."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from constructions.decoders.blocks import BlockPlan, PlannedHead
from constructions.decoders.embedding_map import EmbeddingMap
from constructions.decoders.standard_decoder import StandardDecoder
from constructions.model.fact_model import FactModel
from constructions.model.parts import Attention


def make_room(target: StandardDecoder, embedding_map: EmbeddingMap, closed: bool = False) -> None:
    """Nothing writes into the construction's columns, adds to the logits or reads the slack; if
    `closed`, nothing reads the construction's columns either.
    """
    own, slack = torch.from_numpy(embedding_map.own), torch.from_numpy(embedding_map.slack)
    target.unembedding.weight.zero_()  # tied: the rest of the stream must not add to the logits
    for table in (target.embedding, target.positions):
        table.weight[:, own] = 0
    for block in target.block_sequence():
        for written in (block.attention.output.weight, block.mlp.matrix(1)):
            written[own] = 0
    for read in target.readers():
        read[:, own if closed else slack] = 0


def write_plan(
    target: StandardDecoder, model: FactModel, plan: BlockPlan, embedding_map: EmbeddingMap
) -> None:
    """All weights of the construction, into the room made for it."""
    target.embedding.weight[: embedding_map.d_vocab] += _writing(
        plan.embedding.T, embedding_map
    ).T.to(target.embedding.weight)
    target.positions.weight[: len(plan.positions)] += _writing(
        plan.positions.T, embedding_map
    ).T.to(target.positions.weight)
    for block, planned in zip(
        target.block_sequence()[embedding_map.first_block :], plan.blocks, strict=False
    ):
        _write_heads(block.attention, planned.heads, embedding_map)
        units, read, write = len(planned.read), block.mlp.matrix(0), block.mlp.matrix(1)
        read[:units] = _reading(planned.read, embedding_map).to(read)
        write[:, :units] = _writing(planned.write, embedding_map).to(write)
    rows = _reading(plan.unembedding, embedding_map).to(target.unembedding.weight)
    target.unembedding.weight[: embedding_map.d_vocab] += rows
    # relation 0, never an answer
    target.unembedding.weight[embedding_map.d_vocab :] += rows[model.vocabulary.n_entities]


def _write_heads(
    attention: Attention, heads: tuple[PlannedHead, ...], embedding_map: EmbeddingMap
) -> None:
    """The first heads: scores are divided by the root of d_head, so that queries are multiplied by
    it.
    """
    d_head = attention.heads[0].d_v
    for index, head in enumerate(heads):
        start = index * d_head
        channels = slice(start, start + d_head)
        for weight, matrix in (
            (attention.query.weight, head.query * math.sqrt(d_head)),
            (attention.key.weight, head.key),
            (attention.value.weight, head.value),
        ):
            weight[channels] = 0
            weight[start : start + len(matrix)] = _reading(matrix, embedding_map).to(weight)
        attention.output.weight[:, channels] = 0
        attention.output.weight[:, start : start + len(head.value)] = _writing(
            head.output, embedding_map
        ).to(weight)


def _reading(matrix: Tensor, embedding_map: EmbeddingMap) -> Tensor:
    """(n, width) on the construction's coordinates to (n, d_model): of mirrored coordinates half
    of x minus half of -x.
    """
    wide = matrix.new_zeros(len(matrix), embedding_map.d_model)
    if len(embedding_map.mirror):
        matrix = matrix / 2
        wide[:, embedding_map.mirror] = -matrix
    wide[:, embedding_map.columns] = matrix
    return wide


def _writing(matrix: Tensor, embedding_map: EmbeddingMap) -> Tensor:
    """(width, n) on the construction's coordinates to (d_model, n); what is written is also
    written as its negative.
    """
    tall = matrix.new_zeros(embedding_map.d_model, matrix.shape[1])
    tall[embedding_map.columns] = matrix
    if len(embedding_map.mirror):
        tall[embedding_map.mirror] = -matrix
    return tall
