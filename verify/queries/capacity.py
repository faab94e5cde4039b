"""Bits of a built model, dense or of facts: read from its weights, without trusting its builder.

See `bounds.capacity` for what the numbers mean. Fact bits are found by comparing models of several
fact tuples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bounds.capacity import Capacity, TensorBits
from bounds.grids import Grid, fixed_point_width, grid_of, natural_bits
from constructions.decoders.targets import require_plain
from constructions.guards.errors import InputError
from constructions.model.shapes import TransformerShape
from constructions.model.stated import digest
from constructions.model.transformer import Transformer

DTYPES = ("float32", "float64", "float16", "bfloat16")
"""Whose place in this list describes a dtype, in two bits."""
_ENTRIES_AT_ONCE = 2**17
"""Few enough for the caches."""


@dataclass(frozen=True)
class Format:
    """How bits become a model: all of it that is not counted, and so must not depend on the facts.

    Attributes:
        shape: all sizes.
        dtype: of the weights, one of `DTYPES`.
        grids: name of the parameter to its grid.
        unembedding: a digest of the unembedding, which a fixed unembedding shares with all facts.
    """

    shape: TransformerShape
    dtype: str
    grids: Mapping[str, Grid]
    unembedding: bytes

    def excludes(self, other: Format) -> str:
        """Why a model of the other format is none of this one, the unembedding's values aside;
        empty if it is one.
        """
        if other.shape != self.shape:
            return f"the sizes are {other.shape}, those of the format {self.shape}"
        if other.dtype != self.dtype:
            return f"the dtype is {other.dtype}, that of the format {self.dtype}"
        for name, grid in self.grids.items():
            if not grid.holds(other.grids[name]):
                return (
                    f"{name} lies on {other.grids[name]}, which the format's {grid} does not hold"
                )
        return ""


def capacity(
    model: Transformer, within: Format | None = None, own: Format | None = None
) -> Capacity:
    """The dense bits of a model.

    Args:
        model: a transformer of ours.
        within: a format that does not depend on the facts, such as `format_of` a model that the
            same builder makes of facts that the sizes alone determine (`FactTable.rotations`). A
            model that is not in it is counted alone.
        own: what `format_of` says of the model, if it is known already.

    Raises:
        ValueError: a weight is not a finite number.
        InputError: the parameters are not those of a new transformer of its shape, or scores are
            scaled.
    """
    own = format_of(model) if own is None else own
    outside = "" if within is None else within.excludes(own)
    alone = within is None or bool(outside)
    grids = own.grids if within is None or outside else within.grids
    tensors = {}
    for name, parameter in model.named_parameters():
        per_row = parameter[0].numel() if parameter.numel() else 0
        tensors[name] = TensorBits(parameter.numel(), per_row, grids[name].width)
    other_unembedding = within is not None and within.unembedding != own.unembedding
    return Capacity(tensors, description_bits(own) if alone else 0, outside, other_unembedding)


def format_of(model: Transformer) -> Format:
    """The narrowest format that a model is in. Raises ValueError and InputError as `capacity`."""
    _require_transformer(model)
    with ThreadPoolExecutor(1) as beside:
        unembedding = beside.submit(digest, model.unembedding.weight)
        grids = {name: grid_of(_pieces(parameter)) for name, parameter in model.named_parameters()}
        return Format(model.shape, _dtype_of(model), grids, unembedding.result() or b"")


def description_bits(described: Format) -> int:
    """The bits of a prefix-free description of a format, the unembedding's values aside.

    Two for the dtype; all sizes in the order of `TransformerShape`, each list after its length;
    then the grid of each tensor. Each natural number takes `natural_bits`.
    """
    shape = described.shape
    sizes = [shape.d_vocab, shape.d_model, shape.n_positions, shape.repeats, len(shape.layers)]
    for layer in shape.layers:
        sizes += [
            len(layer.heads),
            *(width for head in layer.heads for width in (head.d_qk, head.d_v)),
        ]
        sizes += [len(layer.d_mlp), *layer.d_mlp]
    grids = sum(grid.description_bits() for grid in described.grids.values())
    return 2 + sum(map(natural_bits, sizes)) + grids


def fact_capacity(models: Sequence[Transformer]) -> Capacity:
    """The fact bits of models that answer different fact tuples of one size, built alike: a lower
    estimate of what changes.

    An entry that changes with the facts may by chance be the same for the given tuples: give
    enough of them.

    Raises:
        ValueError: fewer than two models, models of different shapes, or a weight that is not a
            finite number.
    """
    tables = [dict(model.named_parameters()) for model in models]
    kinds = [
        (model.shape, *((name, weight.shape, weight.dtype) for name, weight in table.items()))
        for model, table in zip(models, tables, strict=True)
    ]
    if len(models) < 2 or any(kind != kinds[0] for kind in kinds):
        raise ValueError(
            "fact bits are measured from two models or more with the same shapes and dtypes"
        )
    tensors = {}
    for name in tables[0]:
        values = [table[name].detach().double().cpu().numpy() for table in tables]
        changed = np.zeros(values[0].shape, dtype=bool)
        for other in values[1:]:
            changed |= other != values[0]
        counts = changed.sum(axis=tuple(range(1, changed.ndim)))
        width = fixed_point_width(value[changed] for value in values)
        tensors[name] = TensorBits(int(counts.sum()), int(counts.max(initial=0)), width)
    return Capacity(tensors)


def _pieces(weight: Tensor) -> Iterator[NDArray[np.float64]]:
    """All entries in their order, some at once."""
    flat = weight.detach().flatten()
    for start in range(0, len(flat), _ENTRIES_AT_ONCE):
        piece = flat[start : start + _ENTRIES_AT_ONCE].cpu()
        yield (piece.float() if piece.dtype == torch.bfloat16 else piece).numpy().astype(float)


def _require_transformer(model: Transformer) -> None:
    """Raise InputError unless the parameters, and the heads of each attention, are those of the
    model's shape.
    """
    with torch.device("meta"):
        fresh = Transformer(model.shape)
    require_plain(model, fresh, finite=False)
    for mine, its in zip(model.layer_sequence(), fresh.layer_sequence(), strict=True):
        if mine.attention is None or its.attention is None:
            continue
        if mine.attention.scaled or mine.attention.heads != its.attention.heads:
            raise InputError(
                f"an attention has the heads {mine.attention.heads} (scaled:"
                f" {mine.attention.scaled}), by the model's shape {its.attention.heads} (scaled:"
                " False); its bits are counted by the shape"
            )


def _dtype_of(model: Transformer) -> str:
    """The name of the weights' dtype; InputError where no format has it."""
    name = str(model.embedding.weight.dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(
            f"bits are counted of weights in {', '.join(DTYPES)}; these are in {name}"
        )
    return name
