"""Decoders of which every measure is known, and decoders that are broken in one place."""

import copy

import numpy as np
import torch

from constructions import (
    FactTable,
    attention_selector,
    change_basis,
    digit_selector,
    key_value,
    key_value_rows,
    normalize,
    precomputed,
    scalar_selector,
    selector,
    superposition,
)
from verify.learned.adapters import of
from verify.learned.claimed import claimed_by

N, R = 64, 4
BIJECTIONS = FactTable.random_bijections(N, R, seed=3)
DISJOINT = FactTable.random_disjoint(N, R, seed=3)
PARTIAL = FactTable.random_functions(N, R, seed=3, missing=0.2)


def orthogonal(d, seed=0):
    """A random orthogonal matrix (d, d), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q


def turned(model):
    """The model in a random basis."""
    return change_basis(model, orthogonal(model.shape.d_model), by=None)


GEOMETRIC = {
    "selector": lambda: selector(BIJECTIONS),
    "scalar_selector": lambda: scalar_selector(BIJECTIONS),
    "digit_selector": lambda: digit_selector(BIJECTIONS, bits_per_coordinate=3),
    "attention_selector": lambda: attention_selector(BIJECTIONS),
    "superposition": lambda: superposition(DISJOINT),
    "precomputed": lambda: precomputed(FactTable.random_bijections(N, 2, seed=3), hops=2),
    "selector of functions": lambda: selector(PARTIAL),
    "selector, turned": lambda: turned(selector(BIJECTIONS)),
    "digit_selector, turned": lambda: turned(digit_selector(BIJECTIONS, bits_per_coordinate=3)),
    "superposition, turned": lambda: turned(superposition(DISJOINT)),
    "selector with RMSNorm": lambda: normalize(selector(BIJECTIONS), "rmsnorm"),
}
"""Models whose subjects are superpositions of their attributes: 1 everywhere."""

MEMORIES = {
    "key_value": lambda: key_value(BIJECTIONS, hops=1),
    "key_value_rows": lambda: key_value_rows(BIJECTIONS, hops=1),
    "key_value_rows, turned": lambda: turned(key_value_rows(BIJECTIONS, hops=1)),
}
"""Models that know the same facts in their MLPs; subjects have codes of their own."""


def measured(model):
    """A model as a decoder, and what it claims."""
    return of(model), claimed_by(model)


def edited(model, name, change):
    """A copy in which a function has changed a parameter in place."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        change(other.get_parameter(name))
    return other


def generator(seed=0):
    """Numpy's, for what a test draws itself."""
    return np.random.default_rng(seed)
