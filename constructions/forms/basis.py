"""Another basis of the stream: dense superpositions, no feature on an axis.

    rotated = change_basis(model, orthogonal)

What the other basis makes of every logit is bounded in `constructions.forms.basis_bounds`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from constructions.decoders.model_form import ModelForm, as_form, margin_if_proven
from constructions.following.queries import By, require_way
from constructions.forms.basis_bounds import logit_error_of
from constructions.forms.source import margin_as_built, source_of
from constructions.guards.errors import InputError
from constructions.model.fact_model import FactModel
from constructions.model.ordinary_tensors import of_ordinary_tensors
from constructions.model.transformer import Transformer

MOST_OFF = 1e-3
"""No entry of Q^T Q - I may be larger, whatever the dtype of Q."""


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

    Example:
        >>> q = torch.linalg.qr(torch.randn(7, 7)).Q
        >>> hidden = change_basis(selector(facts), q)
        >>> bool(hidden.answer(3, [1]) == facts.answer(3, [1]))
        True
    """
    source, basis = source_of(model)
    require_way(by, None)
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
    margin = margin_as_built(model) if by == "norms" else margin_if_proven(model)
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
