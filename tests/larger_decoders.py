"""Random decoders that have room for a construction."""

from dataclasses import replace

import pytest
import torch
from standard_decoders import built

from constructions import InputError, StandardDecoder, needed_shape, seed_into

EXTRA = {
    "d_vocab": 5,
    "d_model": 16,
    "n_layers": 3,
    "n_heads": 2,
    "d_head": 3,
    "d_mlp": 12,
    "n_positions": 4,
}


def larger(shape, dtype=torch.float64, scale=0.02, seed=0):
    """A random decoder with more of everything."""
    more = {name: getattr(shape, name) + extra for name, extra in EXTRA.items()}
    torch.manual_seed(seed)
    decoder = StandardDecoder(replace(shape, **more), dtype)
    decoder.reset_parameters(scale)
    return decoder


def is_refused(target, said, model=None, **options):
    before = {
        name: weight.detach().clone()
        for name, weight in target.named_parameters(remove_duplicate=False)
    }
    with pytest.raises(InputError, match=said):
        seed_into(target, model or built("selector", dtype=torch.float64)[0], **options)
    for name, weight in target.named_parameters(remove_duplicate=False):
        assert weight.is_meta or torch.equal(weight.nan_to_num(), before[name].nan_to_num())


def a_target(**form):
    return larger(needed_shape(built("selector")[0], **form))
