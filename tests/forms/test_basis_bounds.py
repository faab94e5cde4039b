"""What another basis may make of a logit, step by step: with numbers whose rounding is known, and
all goes one way.
"""

import copy

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard

from constructions import CATALOGUE, change_basis
from constructions.following import queries
from constructions.following.boxes import Box
from constructions.following.changes import Entries
from constructions.following.follower import Follower
from constructions.following.queries import positions_of
from constructions.following.walk import network_of
from constructions.forms.basis_bounds import Turned
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer

D = 64
Q = torch.from_numpy(hadamard(D) / D**0.5)  # exact in every dtype
U = 2.0**-24
ODD = 1 + 2.0**-12  # its square, 1 + 2^-11 + 2^-24, rounds down to float32 by 2^-24
QUERY, OUTPUT = "layers.0.attention.query.weight", "layers.0.attention.output.weight"


def pair(dtype):
    """A transformer and a turned one, all weights zero."""
    shape = TransformerShape(3, D, (LayerShape((HeadShape(1, 1),)),))
    return Transformer(shape, torch.float64), Transformer(shape, dtype)


def point(values, error=0.0):
    values = values.double()[None]
    return Box(values, values, torch.full_like(values, error))


@torch.no_grad()
def test_what_writes_rounds_by_a_vector_that_is_turned():
    model, turned = pair(torch.float32)
    turned.get_parameter(OUTPUT)[:] = ODD
    model.get_parameter(OUTPUT).copy_(Q.mT @ turned.get_parameter(OUTPUT).double())
    hidden = torch.tensor([ODD])
    written = turned.get_parameter(OUTPUT) @ hidden
    assert (written.double() - ODD**2 == -U).all()
    box = Turned(model, turned, Q).through(
        OUTPUT, Entries(model.get_parameter(OUTPUT)), point(hidden)
    )
    moved = (Q.mT @ written.double() - model.get_parameter(OUTPUT) @ hidden.double()).abs()
    assert moved[0] == D**0.5 * U  # more than any coordinate has rounded
    assert (moved <= box.error).all()
    assert (box.error <= 4 * D**0.5 * U * ODD**2).all()


@torch.no_grad()
def test_what_reads_rounds_by_the_lengths():
    model, turned = pair(torch.float32)
    turned.get_parameter(QUERY)[0, :2] = ODD
    model.get_parameter(QUERY).copy_(turned.get_parameter(QUERY).double() @ Q)
    stream = torch.zeros(D)
    stream[:2] = ODD
    read = turned.get_parameter(QUERY) @ stream
    z = Q.mT @ stream.double()
    box = Turned(model, turned, Q).through(QUERY, Entries(model.get_parameter(QUERY)), point(z))
    moved = (read.double() - model.get_parameter(QUERY) @ z).abs()
    assert 0 < moved <= box.error
    assert box.error <= 1.01 * (D + 2) * U * 2 * ODD**2


@torch.no_grad()
def test_sums_of_streams_round_by_a_vector_that_is_turned():
    model, turned = pair(torch.float32)
    one, little = torch.ones(D), torch.full((D,), 1.5 * U)
    total = one + little
    assert (total.double() - (one.double() + little.double()) == U / 2).all()
    first, second = point(Q.mT @ one.double()), point(Q.mT @ little.double())
    box = Turned(model, turned, Q).plus(first, second)
    moved = (Q.mT @ total.double() - first.low - second.low).abs()
    assert moved.max() == D**0.5 * U / 2
    assert (moved <= box.error).all()
    assert (box.error <= 1.01 * D**0.5 * U).all()


@torch.no_grad()
def test_small_numbers_round_too():
    """Their squares underflow in float64, in which the bounds are computed."""
    model, turned = pair(torch.float64)
    one = torch.full((D,), 2.0**-600, dtype=torch.float64)
    little = 1.5 * 2.0**-53 * one
    box = Turned(model, turned, Q).plus(point(Q.mT @ one), point(Q.mT @ little))
    moved = (Q.mT @ (((one + little) - one) - little)).abs()
    assert 0 < moved[0] <= box.error[0, 0]
    turned.get_parameter(OUTPUT)[:] = 2.0**-600
    model.get_parameter(OUTPUT).copy_(Q.mT @ turned.get_parameter(OUTPUT))
    hidden = point(torch.ones(1).double())
    assert (
        Turned(model, turned, Q)
        .through(OUTPUT, Entries(model.get_parameter(OUTPUT)), hidden)
        .error
        > 2.0**-652
    ).all()


@torch.no_grad()
@pytest.mark.parametrize("off", [1e-6, 1e-3, 0.1])
def test_a_basis_that_is_not_quite_orthogonal(off):
    """In float64, with `W' Q = W`, so that only `W' (I - Q Q^T) x''` is left."""
    model, turned = pair(torch.float64)
    generator = torch.Generator().manual_seed(0)
    stretched = Q.clone()
    stretched[:, 0] *= 1 + off
    weight = torch.randn(1, D, dtype=torch.float64, generator=generator)
    turned.get_parameter(QUERY).copy_(weight)
    model.get_parameter(QUERY).copy_(weight @ stretched)
    change = Turned(model, turned, stretched)
    assert (1 + off) ** 2 - 1 <= change.omega <= 1.01 * ((1 + off) ** 2 - 1)
    stream = weight[0] + 0.1 * Q[:, 0]
    z = stretched.mT @ stream
    box = change.through(QUERY, Entries(model.get_parameter(QUERY)), point(z))
    moved = (weight @ stream - model.get_parameter(QUERY) @ z).abs()
    assert 0 < moved <= box.error
    assert (stream.norm() <= change._length(z)).all()


@pytest.mark.parametrize("name", CATALOGUE)
def test_rounded_weights_are_followed_without_the_rounding_of_sums(name):
    """The turned weights of float32, computed with in float64: what moves the logits is only that
    they were rounded.
    """
    entry = CATALOGUE[name]
    hops = 2 if entry.multi_hop else 1
    model = entry.build(entry.random_facts(7, 2, 0), hops, dtype=torch.float64)
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(model.shape.d_model,) * 2))[0]
    narrow = copy.deepcopy(model).float()
    turned = change_basis(narrow, q, by=None).double()
    follower = Follower(network_of(model), positions_of(model))
    change = Turned(model, turned, torch.from_numpy(q))
    for tokens, said in queries.sequences(model):
        box = follower.logits(follower.points(tokens, change), change, said.shape[1])
        with torch.no_grad():
            before, after = (module(tokens)[:, -said.shape[1] :] for module in (model, turned))
        moved = (after - before).abs()
        assert moved.max() > 1e-8
        assert (moved <= box.error).all()
        assert box.error.max() < 1e6 * moved.max()


def test_the_largest_error_of_all_batches_is_stated(monkeypatch):
    entry = CATALOGUE["hybrid"]
    model = entry.build(entry.random_facts(5, 2, 0), 2)
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(model.shape.d_model,) * 2))[0]
    stated = change_basis(model, q, by="queries").logit_error
    monkeypatch.setattr(queries, "_MEMORY", 1)
    assert change_basis(model, q, by="queries").logit_error == pytest.approx(stated, rel=1e-6)
