"""In which arithmetic an export to Hugging Face transformers still answers as it did: the exported
dtype, or one that holds all of its numbers.
"""

from __future__ import annotations

import torch

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.export.huggingface_config import FactualRecallConfig
from constructions.guards.errors import InputError
from constructions.model.arithmetic import autocast_dtype, rounded_products


def note_narrow_weights(config: FactualRecallConfig, decoder: StandardDecoder) -> None:
    """Note in the config a dtype of the weights that is narrower than the exported one."""
    narrow = _narrow_weights(config, decoder)
    if narrow is not None:
        config.narrowed_to = _name(narrow)


def require_exported_arithmetic(config: FactualRecallConfig, decoder: StandardDecoder) -> None:
    """Raise InputError where weights, or an arithmetic, may round and the exported did not."""
    if config.exported_dtype is None or config.allow_other_dtype:
        return
    exported, narrow = getattr(torch, config.exported_dtype), _narrow_weights(config, decoder)
    weight = decoder.embedding.weight
    if narrow is not None:
        found = f"its weights are {_name(narrow)}"
    elif config.narrowed_to is not None:
        found = f"its weights have been {config.narrowed_to} since then"
    elif (products := autocast_dtype(weight)) is not None and not _holds(products, exported):
        found = f"matrices are multiplied in {_name(products)} (autocast)"
    elif (precision := rounded_products(weight)) is not None:
        found = f"torch.backends allows {precision} for products of float32 matrices"
    else:
        return
    raise InputError(
        f"this model was exported in {_name(exported)}, in which its answers are right;"
        f" {found}, which rounds, and answers may be wrong. Load it anew with"
        f" dtype=torch.{_name(exported)}, and compute in that; or, if wrong answers do not"
        " matter (in training, say), set model.config.allow_other_dtype = True, or give"
        " from_pretrained(..., allow_other_dtype=True)"
    )


def _narrow_weights(config: FactualRecallConfig, decoder: StandardDecoder) -> torch.dtype | None:
    """The dtype of some weight that cannot hold all numbers of the exported dtype."""
    if config.exported_dtype is None:
        return None
    exported = getattr(torch, config.exported_dtype)
    return next((p.dtype for p in decoder.parameters() if not _holds(p.dtype, exported)), None)


def _holds(wide: torch.dtype, exported: torch.dtype) -> bool:
    """Whether every number of the exported dtype is one of the other: what was exact stays so."""
    if not wide.is_floating_point:
        return False
    if wide == exported:
        return True
    try:
        return (
            torch.finfo(wide).eps <= torch.finfo(exported).eps
            and torch.finfo(wide).max >= torch.finfo(exported).max
        )
    except NotImplementedError:
        return False


def _name(dtype: torch.dtype) -> str:
    """The name of a dtype, such as float32."""
    return str(dtype).removeprefix("torch.")
