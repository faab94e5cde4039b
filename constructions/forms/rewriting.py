"""The same function in another form: another basis, a wider model, noise, other facts.

    rotated = change_basis(model, orthogonal)         # dense superpositions, no feature on an axis
    wide = widen(model, d_model=256, d_mlp=1024, n_heads=8, n_layers=4)  # the very same logits
    radius = noise_radius(wide, "queries")              # certified
    noisy = widen(model, 256, 1024, 8, 4, noise=radius)     # every fact is still answered
    install(noisy, other_facts)
    normalized = normalize(model, "layernorm", "pre")  # norms that act as the identity

Each returns a new module; the model that was given is not changed, but by `install`. A form has no
certificate: its weights are no longer integers in named slots. It is verified by running it on all
queries (`verify.queries.recall`), and by `noise_radius`. Standard decoders and seeds in them are
in `constructions.decoders.seeding`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from constructions.decoders.model_form import ModelForm, as_form, margin_if_proven, write_into
from constructions.decoders.plain import require_construction, require_plain
from constructions.decoders.seeding import standard
from constructions.decoders.standard_decoder import Norm, Placement, StandardModel
from constructions.facts.table import FactTable
from constructions.following.queries import WAYS, By
from constructions.forms.basis_bounds import logit_error_of
from constructions.forms.noise_bounds import radius_by_norms, radius_by_queries
from constructions.guards.errors import InputError, InternalError
from constructions.guards.integers import whole
from constructions.guards.memory import require_memory
from constructions.model.fact_model import FactModel, MarginClaim, require_changeable
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.rebuild import planned
from constructions.model.stated import require_arithmetic
from constructions.model.transformer import (
    TRANSFORMER,
    HeadShape,
    LayerShape,
    Transformer,
    TransformerShape,
)

MOST_OFF = 1e-3
"""No entry of Q^T Q - I may be larger, whatever the dtype of Q."""

BYTES_PER_HEAD = 100
"""What a head of a planned layer costs at least."""


def _source_of(model: FactModel | ModelForm) -> tuple[FactModel, Tensor]:
    """The construction, and its basis in the model, whose parameters are those of its shape."""
    if not isinstance(model, ModelForm):
        require_construction(model)
    with torch.device("meta"):
        fresh = Transformer(model.shape)
    require_plain(model, fresh, finite=False)
    if any(
        layer.attention is not None and layer.attention.scaled for layer in model.layer_sequence()
    ):
        raise InputError(
            "the scores of an attention are scaled, which those of a construction are not"
        )
    if isinstance(model, ModelForm):
        return model.source, model.basis
    return model, torch.eye(model.shape.d_model, dtype=model.embedding.weight.dtype)


# -------------------------------------------------------------------- change of basis


@of_ordinary_tensors
@torch.no_grad()
def change_basis(
    model: FactModel | ModelForm, orthogonal: Tensor | ArrayLike, *, by: By | None = "norms"
) -> ModelForm:
    """Turn the residual stream: x becomes Q x, so that every slot is a superposition of all
    coordinates.

    What reads the stream is multiplied by Q^T, what writes to it by Q; heads and hidden units stay
    as they are. So all logits stay the same, up to the rounding of the new weights and of what is
    computed with them: `logit_error` of what is returned, see `constructions.forms.basis_bounds`.

    Args:
        model: any construction, or a form of one.
        orthogonal: Q, (d_model, d_model), with `Q^T Q = I` up to rounding.
        by: how it is proven that no answer is lost: `norms`, for a construction as it was built,
            or what `widen` makes of it without noise; `queries`, each by itself, for every form
            that answers right; None: not at all.

    Raises:
        InputError: Q has another shape, or is not orthogonal; by `norms`, the model has other
            weights.
        DoesNotFit: an answer may be lost in this dtype.
    """
    source, basis = _source_of(model)
    _require_way(by, None)
    q, d = _real_matrix(orthogonal), model.shape.d_model
    if q.shape != (d, d):
        raise InputError(
            f"the stream has {d} coordinates; the matrix has the shape {tuple(q.shape)}"
        )
    dtype, q = q.dtype, q.double()
    off = (q.mT @ q - torch.eye(d, dtype=torch.float64)).abs().max().item()
    most = min(
        64 * d * torch.finfo(dtype if dtype.is_floating_point else torch.float64).eps, MOST_OFF
    )
    if not off <= most:
        raise InputError(
            f"the matrix is not orthogonal: an entry of Q^T Q - I is {off:.3g}, and at most"
            f" {most:.3g} is rounding"
        )
    margin = _margin_as_built(model) if by == "norms" else margin_if_proven(model)
    turned = Transformer(model.shape, model.embedding.weight.dtype)
    for name, weight in model.named_parameters():
        given = weight.double().cpu()
        turned.get_parameter(name).copy_(
            q @ given
            if model.writes_stream(name)
            else given @ q.mT
            if model.reads_stream(name)
            else given
        )
    error = None if by is None else logit_error_of(model, turned, q, by, margin)
    claim = None if margin is None or error is None else margin.less(error)
    return as_form(turned, source, (q @ basis.double().cpu()).to(basis), claim, error)


def _real_matrix(given: object) -> Tensor:
    """A matrix of real numbers in its own dtype."""
    try:
        if isinstance(given, Tensor):
            matrix = given.detach().to_dense().cpu()
        else:
            array = np.array(given)
            native = array.dtype.newbyteorder("=") if array.dtype != np.longdouble else np.float64
            matrix = torch.from_numpy(np.ascontiguousarray(array, native))
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            f"a matrix of real numbers is needed; got a {type(given).__name__}"
        ) from None
    if matrix.is_complex() or matrix.dtype == torch.bool:
        raise InputError(f"a matrix of real numbers is needed; got {matrix.dtype}")
    return matrix


def _require_way(by: object, *others: None) -> None:
    if not isinstance(by, str | None) or by not in (*WAYS, *others):
        raise InputError(f"by must be one of {', '.join(map(str, (*WAYS, *others)))}; got {by!r}")


# -------------------------------------------------------------------- wider models


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
    """
    require_construction(model)
    margin = None if noise else margin_if_proven(model)
    wide = _zeros(
        _wider(model.shape, d_model, d_mlp, n_heads, n_layers), model.embedding.weight.dtype
    )
    _add_noise(wide, noise, seed)
    write_into(wide, model)
    return as_form(wide, model, margin=margin)


@of_ordinary_tensors
@torch.no_grad()
def add_noise(model: FactModel | ModelForm, noise: float, seed: int = 0) -> ModelForm:
    """The model with noise on all its weights, as `widen` puts it on the new ones: none changes by
    more than `noise`.
    """
    source, basis = _source_of(model)
    noisy = _zeros(model.shape, model.embedding.weight.dtype)
    _add_noise(noisy, noise, seed)
    for name, weight in model.named_parameters():
        changed: Tensor = noisy.get_parameter(name)
        changed.add_(weight.cpu())
        too_far = (changed.double() - weight.double().cpu()).abs() > noise  # by rounding
        changed[too_far] = weight.cpu()[too_far]
    return as_form(
        noisy.to(weight.device), source, basis.clone(), None if noise else margin_if_proven(model)
    )


def _zeros(shape: TransformerShape, dtype: torch.dtype) -> Transformer:
    require_memory(
        shape.n_parameters() * dtype.itemsize, f"{shape.n_parameters():,} weights in {dtype}"
    )
    return Transformer(shape, dtype)


@torch.no_grad()
def _add_noise(transformer: Transformer, noise: float, seed: int) -> None:
    if not isinstance(noise, int | float) or not 0 <= noise < float("inf"):
        raise InputError(f"noise must be a number of at least 0; got {noise!r}")
    seed = whole("seed", seed, 0, 2**63 - 1)
    if noise:
        most = torch.tensor(noise, dtype=transformer.embedding.weight.dtype)
        most = most if most.double() <= noise else torch.nextafter(most, torch.zeros_like(most))
        generator = torch.Generator().manual_seed(seed)
        for weight in transformer.parameters():
            nn.init.trunc_normal_(weight, 0, noise / 4, -noise, noise, generator).clamp_(
                -most, most
            )


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


@of_ordinary_tensors
def noise_radius(
    model: FactModel | ModelForm,
    by: By = "norms",
    progress: Callable[[int], None] = lambda queries: None,
) -> float:
    """A certified radius in the max norm: whatever weights change, each by at most this, every
    fact is still answered.

    For the module in its dtype, rounding included; see `constructions.forms.noise_bounds`.

    Args:
        model: a construction as it was built, or what `widen` makes of it without noise; `queries`
            takes every form, with any weights.
        by: `norms`: from the margin that the construction claims, for all queries at once, at any
            size. `queries`: each query is followed by itself through the weights as they are,
            which takes some forward passes over all N R^k of them; the radius is larger by far.
        progress: by `queries`, called with the number of queries done so far.

    Returns:
        The radius; 0 if even the rounding of this dtype cannot be bounded below the margin, or, by
        `queries`, if some fact is answered wrong.

    Raises:
        InputError: the parameters are not those of the model's shape; by `norms`, it has other
            weights, noise or another basis: the claim is not about those.
        DoesNotFit: the bounds need more memory than there is.
    """
    given, _ = _source_of(model)
    _require_way(by)
    require_arithmetic(model, "a noise radius", TRANSFORMER)
    if by == "queries":
        return radius_by_queries(model, progress)
    return radius_by_norms(model, _margin_as_built(model), given.positions is not None)


def _margin_as_built(model: FactModel | ModelForm) -> MarginClaim:
    """The construction's margin, if all weights are those of the construction in their dtype, and
    0 where it has none.

    Raises:
        InputError: they are not.
    """
    given, _ = _source_of(model)
    dtype = model.embedding.weight.dtype
    try:
        margin = given.margin_of_weights()
        if dtype != given.embedding.weight.dtype:
            given = planned(given.recipe, given.facts, given.codebooks, dtype).build()
            margin = given.margin_of_weights()
    except InputError as error:
        raise InputError(
            f"the proof by norms is about a construction as it was built: {error}; ask by"
            ' "queries"'
        ) from None
    if isinstance(model, FactModel):
        return margin
    clean = _zeros(model.shape, dtype)
    write_into(clean, given)
    for name, weight in model.named_parameters():
        if not torch.equal(weight.cpu(), clean.get_parameter(name)):
            raise InputError(
                "the proof by norms is about a construction without noise, in its own basis;"
                f' {name} has changed: ask by "queries"'
            )
    return margin


# -------------------------------------------------------------------- norms


def normalize(
    model: FactModel,
    kind: Norm = "rmsnorm",
    placement: Placement = "pre",
    *,
    slack: int | None = None,
    proven: bool = True,
) -> StandardModel:
    """The construction with standard norms, which act as the identity on every vector that occurs.

    `standard(model, norm=kind, placement=placement)`: the smallest standard decoder with
    `nn.RMSNorm` or `nn.LayerNorm` before or after each part. RMSNorm returns its argument bit for
    bit; how far a logit may be off with LayerNorm is stated in `logit_error`. For slack and proven
    see `constructions.decoders.seeding.seed_into`.

    Raises:
        DoesNotFit: that cannot be certified in this dtype, and it is to be proven.
    """
    return standard(model, norm=kind, placement=placement, slack=slack, proven=proven)


# -------------------------------------------------------------------- other facts


@of_ordinary_tensors
@torch.no_grad()
def install(model: FactModel | ModelForm, facts: FactTable) -> None:
    """Put other facts in place of the present ones: the paper's freeze-and-swap transfer without a
    gradient step.

    As `FactModel.install`, for constructions in any form: only the rows of tokens are written, and
    of these only what lies in the construction's part of the stream. No internal weight changes;
    that is asserted. `margin` and `logit_error` of a form were about the facts before: None then.

    Raises:
        InputError: as `FactModel.install`; nothing is changed then.
    """
    if not isinstance(facts, FactTable):
        raise InputError(f"facts must be a FactTable; got a {type(facts).__name__}")
    if not isinstance(model, ModelForm):
        require_construction(model)
        model.install(facts)
        return
    require_changeable(model)
    source, basis = copy.deepcopy(model.source), model.basis
    source.install(facts)
    if source.fact_tables is None:
        raise InternalError(
            f"{source.construction} has taken other facts, but names no tables that hold them"
        )
    before = {
        name: p._version for name, p in model.named_parameters() if name not in source.fact_tables
    }
    as_before = model.change() is None
    rows = {
        name: model.get_parameter(name)[: len(model.vocabulary)] for name in source.fact_tables
    }
    change = {
        name: (source.get_parameter(name).to(held) - held @ basis) @ basis.mT
        for name, held in rows.items()
    }
    for name, held in rows.items():
        held.add_(change[name])
    written = [
        name for name, version in before.items() if model.get_parameter(name)._version != version
    ]
    if written:
        raise InternalError(
            f"install must write {sorted(source.fact_tables)} only, but wrote {written}"
        )
    model.keep_source(source)
    model.facts = facts
    if as_before:
        model.state()
