"""Coordinates that no weight touches are all alike: one stands for them all.

A coordinate of the stream is *idle* if its columns of both tables, and of all that read the
stream, and its rows of all that write to it are 0; a hidden unit, or a channel of a head's values,
if its row of the matrix before and its column of the matrix behind are. Idle coordinates hold 0
without a change of the weights; and a bound that depends on weights and sums alone says the same
of each of them, as it finds the same for each. So a network is followed in which one stands for
all, with their number beside it (`constructions.following.walk.Matrix.counts`): where coordinates
are summed, it counts so often.

Channels of several heads are alike if these heads have as many queries and keys, and all of these
are 0. Of the coordinates of a model that was widened to twice its size half are idle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from constructions.following.walk import Heads, Matrix, Network, Part, Units
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape


@dataclass(frozen=True)
class _Kept:
    """Which coordinates are followed, int64 (n,), and how many each stands for, float64 (n,)."""

    places: Tensor
    counts: Tensor

    def columns(self, matrix: Matrix) -> Matrix:
        """Those of a matrix that reads these coordinates, or of a table."""
        return Matrix(matrix.name, matrix.weight[:, self.places], self.counts)

    def rows(self, matrix: Matrix) -> Matrix:
        """Those of a matrix that writes these coordinates."""
        return Matrix(matrix.name, matrix.weight[self.places], matrix.counts)


@torch.no_grad()
def without_idle(network: Network) -> Network:
    """The network with one coordinate in place of idle ones that are alike; as it is, if it has
    norms, which read all coordinates, biases or pairs of tokens.

    For changes that treat coordinates alike: rounding, and noise of one size on all weights.
    """
    others = next(network.norms(), None), network.pair
    biases = (matrix.bias for matrix in network.matrices())
    if any(each is not None for each in (*others, *biases)):
        return network
    stream, made, shape = _kept(_idle_of_stream(network)), {}, network.shape
    for part in network.parts:
        if _name(part) not in made:
            made[_name(part)] = _smaller(part, stream)
    layers = tuple(map(_layer, made.values()))
    return Network(
        stream.columns(network.embedding),
        None if network.positions is None else stream.columns(network.positions),
        tuple(made[_name(part)] for part in network.parts),
        None,
        stream.columns(network.unembedding),
        TransformerShape(shape.d_vocab, len(stream.places), layers, shape.n_positions),
    )


def _layer(part: Part) -> LayerShape:
    """The sizes of a part."""
    if isinstance(part.adds, Heads):
        return LayerShape(part.adds.shapes)
    matrices = () if part.adds is None else part.adds.matrices[:-1]
    return LayerShape((), tuple(len(matrix.weight) for matrix in matrices))


def _name(part: Part) -> str:
    """That of its first matrix: a part that is applied again has the same."""
    if part.adds is None:
        return ""
    return (part.adds.query if isinstance(part.adds, Heads) else part.adds.matrices[0]).name


def _idle_of_stream(network: Network) -> Tensor:
    """Which coordinates of the stream are, bool (d_model,)."""
    reading, writing = [network.embedding, network.unembedding], []
    if network.positions is not None:
        reading.append(network.positions)
    for part in network.parts:
        if isinstance(part.adds, Heads):
            reading += [part.adds.query, part.adds.key, part.adds.value]
            writing.append(part.adds.output)
        elif part.adds is not None:
            reading.append(part.adds.matrices[0])
            writing.append(part.adds.matrices[-1])
    touched = [(matrix.weight != 0).any(0) for matrix in reading]
    touched += [(matrix.weight != 0).any(1) for matrix in writing]
    return ~torch.stack(touched).any(0)


def _kept(idle: Tensor, group: Tensor | None = None) -> _Kept:
    """All coordinates that are not idle, and the first idle one of each group, int64 (n,); by
    default all are of one.
    """
    each = torch.arange(len(idle), device=idle.device)
    group = torch.zeros_like(each) if group is None else group
    number = torch.where(idle, group, each + len(idle))
    _, which, counts = torch.unique(number, return_inverse=True, return_counts=True)
    first = torch.full_like(counts, len(idle)).scatter_reduce(0, which, each, "amin")
    places = first.sort().values
    return _Kept(places, counts[which[places]].double())


def _smaller(part: Part, stream: _Kept) -> Part:
    """The part between these coordinates of the stream."""
    if part.adds is None:
        return part
    return Part(
        _smaller_heads(part.adds, stream)
        if isinstance(part.adds, Heads)
        else _smaller_units(part.adds, stream)
    )


def _smaller_units(units: Units, stream: _Kept) -> Units:
    """An MLP between these coordinates of the stream."""
    matrices, reads = [], stream
    for index, matrix in enumerate(units.matrices):
        if matrix is units.matrices[-1]:
            writes = stream
        else:
            behind = units.matrices[index + 1].weight
            writes = _kept(~((matrix.weight != 0).any(1) | (behind != 0).any(0)))
        matrices.append(writes.rows(reads.columns(matrix)))
        reads = writes
    return Units(tuple(matrices))


def _smaller_heads(heads: Heads, stream: _Kept) -> Heads:
    """Heads between these coordinates of the stream; without those whose channels another head
    stands for.
    """
    query, key, value, output = heads.query, heads.key, heads.value, heads.output
    asks = ((query.weight != 0) | (key.weight != 0)).any(1)
    group = torch.zeros_like(value.weight[:, :1], dtype=torch.int64).ravel()
    blank: dict[int, int] = {}
    for number, (head, (scored, read)) in enumerate(
        zip(heads.shapes, heads.channels(), strict=True)
    ):
        group[read] = number if asks[scored].any() else blank.setdefault(head.d_qk, number)
    idle = ~((value.weight != 0).any(1) | (output.weight != 0).any(0))
    kept, shapes = _kept(idle, group), []
    rows: list[int] = []
    for head, (scored, read) in zip(heads.shapes, heads.channels(), strict=True):
        d_v = int(((read.start <= kept.places) & (kept.places < read.stop)).sum())
        if d_v or not head.d_v:
            rows += range(scored.start, scored.stop)
            shapes.append(HeadShape(head.d_qk, d_v))
    scores = torch.tensor(rows, dtype=torch.int64, device=idle.device)
    asked, held = (
        Matrix(matrix.name, matrix.weight[scores][:, stream.places], stream.counts)
        for matrix in (query, key)
    )
    return Heads(
        asked,
        held,
        kept.rows(stream.columns(value)),
        stream.rows(kept.columns(output)),
        tuple(shapes),
        heads.scaled,
    )
