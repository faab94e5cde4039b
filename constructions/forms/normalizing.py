"""A construction with standard norms, which act as the identity.

    normalized = normalize(model, "layernorm", "pre")

Why norms can do nothing is in `constructions.decoders.identity_norms`.
"""

from __future__ import annotations

from constructions.decoders.seeding import standard
from constructions.decoders.standard_decoder import Norm, Placement
from constructions.decoders.standard_model import StandardModel
from constructions.model.fact_model import FactModel


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

    Example:
        >>> int(normalize(selector(facts)).margin.real)
        2
    """
    return standard(model, norm=kind, placement=placement, slack=slack, proven=proven)
