"""Small trained models, and their forward pass in exact or nearly exact numbers, by code of its own."""

from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache

import numpy as np
import torch

from constructions import FactTable, OneLayer, OneLayerShape, fit

FACTS = FactTable.random_bijections(64, 4, seed=5)
WIDE = OneLayerShape(4, 2, 4, 48, 96)


@cache
def trained():
    """A model that recalls all 256 facts, by a margin."""
    shape = OneLayerShape.of(FACTS, d_model=16, d_mlp=64)
    found = fit(shape, FACTS, steps=400, seeds=5, until=None)
    assert found.recall.tolist() == [1.0]
    return found.models[0]


def copied(model):
    """A model of its own with the same weights."""
    other = OneLayer(model.shape, model.entities.dtype)
    other.load_state_dict(model.state_dict())
    return other


def drawn(shape, seed, dtype=torch.float32, grid=None):
    """A model with random weights, biases and gains; on a grid of so many integers each way."""
    generator = torch.Generator().manual_seed(seed)
    model = OneLayer(shape, dtype)
    with torch.no_grad():
        for weight in model.parameters():
            values = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            if grid is not None:
                values = torch.randint(-grid, grid + 1, weight.shape, generator=generator)
            weight.copy_(values)
    return model


class Exact:
    """The logits of a one-layer model, computed number by number: in fractions where there is
    neither softmax nor norm, else in decimals of 60 digits.
    """

    def __init__(self, model):
        self.model, self.shape = model, model.shape
        rational = self.shape.attention == "uniform" and self.shape.norm is None
        self.number = Fraction if rational else Decimal

    def logits(self, subject, relation):
        """All logits, as fractions."""
        with localcontext() as context:
            context.prec = 60
            return [Fraction(logit) for logit in self._logits(subject, relation)]

    def _logits(self, subject, relation):
        model = self.model
        e, p = self.row(model.entities[subject]), self.row(model.relations[relation])
        seen = [e, p] if model.value is None else [self.times(model.value, v) for v in (e, p)]
        if model.query is None:
            x = [a + b for a, b in zip(seen[0], p, strict=True)]
        else:
            query = self.times(model.query, p)
            root = Decimal(self.shape.d_model).sqrt()
            scores = [self.dot(query, self.times(model.key, v)) / root for v in (e, p)]
            weights = [(score - max(scores)).exp() for score in scores]
            a, b = (weight / sum(weights) for weight in weights)
            x = [z + a * v + b * w for z, v, w in zip(p, *seen, strict=True)]
        h = self.normed(model.mlp_norm, x)
        for place, (weight, bias) in enumerate(zip(model.weights, model.biases, strict=True)):
            h = [a + b for a, b in zip(self.times(weight, h), self.row(bias), strict=True)]
            h = [max(a, self.number(0)) for a in h] if place < len(model.weights) - 1 else h
        y = self.normed(model.final_norm, [a + b for a, b in zip(x, h, strict=True)])
        return self.times(model.unembedding, y)

    def row(self, weights):
        return [self.number(value) for value in weights.tolist()]

    def dot(self, v, w):
        return sum((a * b for a, b in zip(v, w, strict=True)), self.number(0))

    def times(self, matrix, x):
        return [self.dot(self.row(row), x) for row in matrix]

    def normed(self, norm, x):
        if self.shape.norm is None:
            return x
        mean = sum(x) / len(x) if self.shape.norm == "layernorm" else self.number(0)
        x = [a - mean for a in x]
        eps = torch.finfo(norm.weight.dtype).eps if norm.eps is None else norm.eps
        root = (self.dot(x, x) / len(x) + self.number(eps)).sqrt()
        x = [g * a / root for g, a in zip(self.row(norm.weight), x, strict=True)]
        bias = getattr(norm, "bias", None)
        return x if bias is None else [a + b for a, b in zip(x, self.row(bias), strict=True)]


def one_after_the_other(model, subject, relation):
    """The logits (A,) in float32: biases first, then the products as they come."""
    weights = {name: w.numpy() for name, w in model.state_dict().items()}

    def layer(matrix, x, bias):
        total = bias.copy()
        for column, value in zip(matrix.T, x, strict=True):
            total = (total + column * value).astype(np.float32)
        return total

    x = weights["entities"][subject] + weights["relations"][relation]
    h = np.maximum(layer(weights["weights.0"], x, weights["biases.0"]), 0)
    y = x + layer(weights["weights.1"], h, weights["biases.1"])
    return layer(weights["answers"], y, np.zeros(len(weights["answers"]), np.float32))


@torch.no_grad()
def worst(large):
    """A model in which a sum that begins with 2^24 loses all its ones: in the unembedding, or
    after the bias of a hidden unit.
    """
    model = drawn(WIDE, 0)
    for weight in model.parameters():
        weight.zero_()
    model.entities.fill_(0.5)
    model.relations.fill_(0.5)
    if large == "unembedding":
        model.answers.fill_(1)
        model.answers[:, 0] = 2.0**24
    else:
        model.weights[0].fill_(1)
        model.biases[0].fill_(2.0**24)
        model.weights[1][:, 0] = 1
        model.answers[:, 0] = 1
    return model
