"""A construction inside a larger model of the same architecture.

    wide = widen(model, d_model=256, d_mlp=1024, n_heads=8, n_layers=4)  # the very same logits

All weights beside the construction's are 0, or noise.
"""

from __future__ import annotations

from dataclasses import replace

from constructions.decoders.model_form import ModelForm, as_form, margin_if_proven
from constructions.decoders.targets import require_construction
from constructions.decoders.transformer_seeding import write_into, zeros
from constructions.forms.noise import put_noise_on
from constructions.guards.errors import InputError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape

BYTES_PER_HEAD = 100
"""What a head of a planned layer costs at least."""


@of_ordinary_tensors
def widen(
    model: FactModel,
    d_model: int | None = None,
    d_mlp: int | None = None,
    n_heads: int | None = None,
    n_layers: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> ModelForm:
    """The construction inside a larger model of the same architecture; all other weights are 0, or
    noise.

    The construction has the first coordinates of the stream, the first heads and hidden units of
    each layer, the first layers. Without noise the logits are the same, bit for bit. With noise of
    at most `noise_radius(widen(model, ...))` every fact is answered: that is certified.

    Args:
        model: any construction.
        d_model, d_mlp, n_heads, n_layers: the new sizes; by default as they are. d_mlp is the
            width of every hidden layer, and a layer without an MLP gets one of one hidden layer;
            further heads are as wide as the widest; n_layers counts stored layers (see
            `TransformerShape.repeats`).
        noise: the largest absolute value of a new weight: Gaussian, with a quarter of that for a
            standard deviation, cut off.
        seed: of the noise.

    Raises:
        InputError: a size is smaller than the construction's, or the noise is negative.
        DoesNotFit: the weights need more memory than there is.

    Example:
        >>> widen(selector(facts), d_model=16).shape.d_model
        16
    """
    require_construction(model)
    margin = None if noise else margin_if_proven(model)
    wide = zeros(
        _wider(model.shape, d_model, d_mlp, n_heads, n_layers), model.embedding.weight.dtype
    )
    put_noise_on(wide, noise, seed)
    write_into(wide, model)
    return as_form(wide, model, margin=margin)


def _wider(
    shape: TransformerShape,
    d_model: int | None,
    d_mlp: int | None,
    n_heads: int | None,
    n_layers: int | None,
) -> TransformerShape:
    """The shape with larger sizes."""
    d_model, d_mlp, n_heads, n_layers = (
        None if size is None else whole(name, size, 0)
        for name, size in (
            ("d_model", d_model),
            ("d_mlp", d_mlp),
            ("n_heads", n_heads),
            ("n_layers", n_layers),
        )
    )
    planned = BYTES_PER_HEAD * (1 + (n_layers or 0)) * (1 + (n_heads or 0))
    require_memory(planned, f"{n_layers} layers of {n_heads} heads")
    heads = [head for layer in shape.layers for head in layer.heads]
    new_head = HeadShape(
        max((h.d_qk for h in heads), default=0) or 1, max((h.d_v for h in heads), default=0) or 1
    )

    def layer(old: LayerShape) -> LayerShape:
        """The layer with more heads and wider hidden layers."""
        more = 0 if n_heads is None else n_heads - len(old.heads)
        if more < 0 or any(d_mlp is not None and d_mlp < width for width in old.d_mlp):
            raise InputError(
                f"the construction has layers of up to {shape.n_heads} heads and {shape.d_mlp}"
                f" hidden units; {n_heads} and {d_mlp} were asked for"
            )
        widths = old.d_mlp if d_mlp is None else (d_mlp,) * max(len(old.d_mlp), 1)
        return LayerShape(
            (*old.heads, *[new_head] * more), tuple(width for width in widths if width)
        )

    wanted = (
        shape.d_model if d_model is None else d_model,
        len(shape.layers) if n_layers is None else n_layers,
    )
    if wanted[0] < shape.d_model or wanted[1] < len(shape.layers):
        raise InputError(
            f"the construction has {shape.d_model} coordinates and {len(shape.layers)} layers;"
            f" {wanted[0]} and {wanted[1]} were asked for"
        )
    layers = [
        layer(old) for old in (*shape.layers, *[LayerShape()] * (wanted[1] - len(shape.layers)))
    ]
    return replace(shape, d_model=wanted[0], layers=tuple(layers))
