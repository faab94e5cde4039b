"""A decoder as parts in a row, and the one walk over them that everything takes which follows a
bound through the layers.

    x = embedding                     for each part:   read = norm(x) where a norm stands before it
                                                       x = x + part(read)
                                                       x = norm(x) where a norm stands after it
    logits = unembedding(norm(x) where there is a last norm)

A `Network` holds these parts: matrices by their names, whatever module they come from
(`network_of` for a transformer of ours, `constructions.decoders.network` for a standard decoder).
What is known of the stream, and what each step makes of it, `Rules` say:

* `constructions.following.largest`: the largest absolute value of each coordinate, for all tokens;
* `constructions.following.sizes`: beside it how far the coordinate may be off: what a softmax
  leaks (`constructions.writing.position_reading`), what norms and rounding do to a seeded
  construction (`constructions.decoders.logit_error`);
* `constructions.following.boxes`: an interval and an error for each coordinate at each position,
  under any change of the weights: rounding, noise, another basis (`constructions.forms`);
* `constructions.following.slopes`: numbers with derivatives, by which errors are followed
  backwards;
* `constructions.decoders.vector_sizes`: Euclidean norms.

Biases, and pairs of tokens that enter as one vector, are followed by boxes and slopes, and in
rational numbers (`verify.learned.rational`); the other rules refuse them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor, nn

from constructions.guards.errors import InputError, InternalError
from constructions.model.answering import Widths
from constructions.model.parts import MLP, Attention
from constructions.model.shapes import HeadShape
from constructions.model.transformer import Transformer

State = TypeVar("State")
"""What is known of the stream, or of hidden numbers."""


@dataclass(frozen=True)
class Matrix:
    """A weight (out, in), or a table (rows, d_model), by its name in `named_parameters`.

    Attributes:
        counts: float64 (in,), how many alike columns each column stands for, of which those that
            stand for several are 0; None if each stands for itself.
        bias: (out,), what is added; None for nothing. Only rules that say so take one.
    """

    name: str
    weight: Tensor
    counts: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class Heads:
    """Attention: the rows of query, key and value, and the columns of output, are the channels of
    head 0, then of head 1, and so on; scores are divided by the root of a head's width if
    `scaled`.
    """

    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    shapes: tuple[HeadShape, ...]
    scaled: bool

    def channels(self) -> Iterator[tuple[slice, slice]]:
        """Of each head: those of its queries and keys, and those of its values."""
        at_qk = at_v = 0
        for head in self.shapes:
            yield slice(at_qk, at_qk + head.d_qk), slice(at_v, at_v + head.d_v)
            at_qk, at_v = at_qk + head.d_qk, at_v + head.d_v


@dataclass(frozen=True)
class Units:
    """An MLP: its matrices, with a ReLU between any two."""

    matrices: tuple[Matrix, ...]


@dataclass(frozen=True)
class Pair:
    """A subject and a relation that enter as one vector, `V E[s] + E[r]`: the one-layer model with
    uniform attention. V is the identity where it is None.
    """

    value: Matrix | None


@dataclass(frozen=True)
class Norm:
    """`nn.RMSNorm` or `nn.LayerNorm`, by the name of the submodule."""

    name: str
    module: nn.RMSNorm | nn.LayerNorm

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """Its gain, and its bias if it has one, by the names of the parameters."""
        for name, weight in self.module.named_parameters():
            yield f"{self.name}.{name}", weight


@dataclass(frozen=True)
class Part:
    """What is added to the stream (nothing, if None), and the norms around it."""

    adds: Heads | Units | None
    before: Norm | None = None
    after: Norm | None = None


@dataclass(frozen=True)
class Network:
    """A decoder as parts in the order in which they are applied, with the sizes of its module.

    Attributes:
        pair: how two tokens enter as one vector; None where each position has its own.
    """

    embedding: Matrix
    positions: Matrix | None
    parts: tuple[Part, ...]
    last: Norm | None
    unembedding: Matrix
    shape: Widths
    pair: Pair | None = None

    def matrices(self) -> Iterator[Matrix]:
        """All matrices, tables included; those that are applied again come again."""
        yield from (self.embedding, *((self.positions,) if self.positions else ()))
        if self.pair is not None and self.pair.value is not None:
            yield self.pair.value
        for part in self.parts:
            if isinstance(part.adds, Heads):
                yield from (part.adds.query, part.adds.key, part.adds.value, part.adds.output)
            elif part.adds is not None:
                yield from part.adds.matrices
        yield self.unembedding

    def norms(self) -> Iterator[Norm]:
        """All norms."""
        around = [norm for part in self.parts for norm in (part.before, part.after)]
        yield from (norm for norm in (*around, self.last) if norm is not None)


class Rules(ABC, Generic[State]):
    """What each step of the walk makes of what is known."""

    @abstractmethod
    def attended(self, x: State, heads: Heads) -> State:
        """What heads that read x add to the stream."""

    @abstractmethod
    def computed(self, x: State, units: Units) -> State:
        """What an MLP that reads x adds to the stream."""

    @abstractmethod
    def plus(self, x: State, update: State) -> State:
        """The stream after an update."""

    def normed(self, x: State, norm: Norm) -> State:
        """What a norm returns."""
        raise InternalError(f"{type(self).__name__} knows no norms, and met {norm.name}")


class MatrixRules(Rules[State]):
    """Rules for one matrix after the other."""

    @abstractmethod
    def through(self, matrix: Matrix, x: State) -> State:
        """W x."""

    def layer(self, matrix: Matrix, x: State) -> State:
        """W x + b: a layer of an MLP."""
        if matrix.bias is not None:
            raise InternalError(
                f"{type(self).__name__} knows no biases, and met that of {matrix.name}"
            )
        return self.through(matrix, x)

    @abstractmethod
    def mixed(self, heads: Heads, query: State, key: State, value: State) -> State:
        """What heads read, before their output matrix; from the queries, keys and values."""

    def relu(self, x: State) -> State:
        """ReLU enlarges no absolute value and no difference."""
        return x

    def attended(self, x: State, heads: Heads) -> State:
        """Queries, keys and values; what is read; the output."""
        query, key, value = (
            self.through(matrix, x) for matrix in (heads.query, heads.key, heads.value)
        )
        return self.through(heads.output, self.mixed(heads, query, key, value))

    def computed(self, x: State, units: Units) -> State:
        """The first matrix, then ReLU and the next one."""
        first, *rest = units.matrices
        x = self.layer(first, x)
        for matrix in rest:
            x = self.layer(matrix, self.relu(x))
        return x


def follow(network: Network, x: State, rules: Rules[State]) -> State:
    """From what is known of the embedded tokens, positions included, to what is known of the
    vectors that the unembedding reads.
    """
    for part in network.parts:
        read = x if part.before is None else rules.normed(x, part.before)
        if isinstance(part.adds, Heads):
            x = rules.plus(x, rules.attended(read, part.adds))
        elif part.adds is not None:
            x = rules.plus(x, rules.computed(read, part.adds))
        x = x if part.after is None else rules.normed(x, part.after)
    return x if network.last is None else rules.normed(x, network.last)


def network_of(model: Transformer) -> Network:
    """A transformer of ours; layers that are applied again stand there again."""
    parts = []
    for index, layer in enumerate(model.layer_sequence()):
        name = f"layers.{index % len(model.layers)}"
        if layer.attention is not None:
            parts.append(Part(heads_of(layer.attention, f"{name}.attention")))
        if layer.mlp is not None:
            parts.append(Part(units_of(layer.mlp, f"{name}.mlp")))
    return Network(
        Matrix("embedding.weight", model.embedding.weight),
        None if model.positions is None else Matrix("positions.weight", model.positions.weight),
        tuple(parts),
        None,
        Matrix("unembedding.weight", model.unembedding.weight),
        model.shape,
    )


def norm_of(module: nn.Module, name: str) -> Norm | None:
    """The norm of this name; None where there is none.

    Raises:
        InputError: what stands for a norm is none.
    """
    if isinstance(module, nn.Identity):
        return None
    if not isinstance(module, nn.RMSNorm | nn.LayerNorm):
        raise InputError(
            f"a norm is a {type(module).__name__}; RMSNorm, LayerNorm or Identity is expected"
        )
    return Norm(name, module)


def heads_of(attention: Attention, name: str) -> Heads:
    """The heads of an attention of this name."""
    query, key, value, output = (
        Matrix(f"{name}.{part}.weight", getattr(attention, part).weight)
        for part in ("query", "key", "value", "output")
    )
    return Heads(query, key, value, output, attention.heads, attention.scaled)


def units_of(mlp: MLP, name: str) -> Units:
    """The matrices of an MLP of this name."""
    return Units(
        tuple(
            Matrix(f"{name}.weights.{index}.weight", mlp.matrix(index))
            for index in range(len(mlp.weights))
        )
    )
