"""The one-layer model of the paper's Section 5: a subject, a relation, one attention, one MLP.

With embeddings E of subjects (N, d), P of relations (R, d) and U of answers (A, d), the prompt
`s r` becomes at its last position

    uniform attention   x = V E[s] + P[r]
    softmax attention   x = P[r] + a V E[s] + (1 - a) V P[r],
                        (a, 1 - a) = softmax(<Q P[r], K E[s]>, <Q P[r], K P[r]>), scores / sqrt(d)

where V is a matrix or, by default, the identity; then

    y = x + MLP(norm(x)),    logits = U norm(y)

with an MLP of 1 to 3 hidden layers of ReLU with biases, and RMSNorm, LayerNorm or none. Uniform
attention looks at both positions alike, and its factor 1/2 is part of V and of the embeddings. The
text of the paper does not state its architecture in more detail; this is ours (docs/learned.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from constructions.decoders.standard_decoder import NORMS, Norm
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import require_integer_fields, whole

Looks = Literal["uniform", "softmax"]
MOST_HIDDEN_LAYERS = 3


@dataclass(frozen=True)
class OneLayerShape:
    """All sizes of a one-layer model.

    Attributes:
        n_entities, n_relations: subjects and relations that are asked for.
        n_answers: entities 0 to n_answers - 1 are answers.
        d_model: d, the dimension of all embeddings.
        d_mlp: units of each hidden layer.
        n_hidden_layers: of the MLP, 1 to 3.
        attention: "uniform" or "softmax".
        value: whether attention has a value matrix V.
        norm: "rmsnorm", "layernorm" or None.
        tied: whether the embeddings of the first n_answers entities are U.

    Example:
        >>> OneLayerShape.of(facts, d_model=4, d_mlp=8).n_answers
        8
    """

    n_entities: int
    n_relations: int
    n_answers: int
    d_model: int
    d_mlp: int
    n_hidden_layers: int = 1
    attention: Looks = "uniform"
    value: bool = False
    norm: Norm | None = None
    tied: bool = False

    def __post_init__(self) -> None:
        require_integer_fields(self)
        for name in ("n_entities", "n_relations", "n_answers", "d_model", "d_mlp"):
            whole(name, getattr(self, name), 1)
        whole("n_hidden_layers", self.n_hidden_layers, 1, MOST_HIDDEN_LAYERS)
        for name, known in (("attention", get_args(Looks)), ("norm", (None, *NORMS))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} must be one of {', '.join(map(repr, known))}; got"
                    f" {getattr(self, name)!r}"
                )
        if self.n_answers > self.n_entities:
            raise InputError(
                f"{self.n_answers} answers are more than the {self.n_entities} entities"
            )

    @classmethod
    def of(cls, facts: FactTable, d_model: int, d_mlp: int, **others: object) -> OneLayerShape:
        """The shape that a table needs: its answers are the entities up to the last one that is
        an answer. `others` are further fields by name.

        Raises:
            InputError: a size is out of range, or there is no such field.
        """
        further = [field.name for field in fields(cls)[5:]]
        if unknown := set(others) - set(further):
            raise InputError(
                f"a one-layer shape has no field {', '.join(sorted(unknown))}; further fields are"
                f" {', '.join(further)}"
            )
        sizes = (facts.n_entities, facts.n_relations, int(facts.answers.max()) + 1)
        return cls(*sizes, d_model, d_mlp, **others)  # type: ignore[arg-type]


class OneLayer(nn.Module):
    """One such model. Embeddings start Gaussian with standard deviation 1 / sqrt(d), matrices with
    sqrt(2 / n) for n inputs of a ReLU and 1 / sqrt(n) otherwise, biases at 0, gains at 1.

    Attributes:
        shape: its sizes.
        entities, relations: embeddings (N, d) and (R, d).
        unembedding: U (A, d), `tied` to the first rows of `entities` or a parameter of its own.
        query, key, value: matrices (d, d) of the attention, None where there are none.
        weights, biases: of the MLP, (out, in) and (out,); the last ones write the stream.
        mlp_norm, final_norm: modules, `nn.Identity` for none.
    """

    def __init__(self, shape: OneLayerShape, dtype: torch.dtype | None = None):
        super().__init__()
        self.shape = shape
        d = shape.d_model

        def drawn(rows: int, columns: int, scale: float) -> nn.Parameter:
            return nn.Parameter(scale * torch.randn(rows, columns, dtype=dtype))

        self.entities = drawn(shape.n_entities, d, d**-0.5)
        self.relations = drawn(shape.n_relations, d, d**-0.5)
        if not shape.tied:
            self.answers = drawn(shape.n_answers, d, d**-0.5)
        softmax = shape.attention == "softmax"
        self.query = drawn(d, d, d**-0.5) if softmax else None
        self.key = drawn(d, d, d**-0.5) if softmax else None
        self.value = drawn(d, d, d**-0.5) if shape.value else None
        widths = list(pairwise((d, *([shape.d_mlp] * shape.n_hidden_layers), d)))
        self.weights = nn.ParameterList(
            drawn(n_out, n_in, math.sqrt((2 if place < len(widths) - 1 else 1) / n_in))
            for place, (n_in, n_out) in enumerate(widths)
        )
        self.biases = nn.ParameterList(torch.zeros(n_out, dtype=dtype) for _, n_out in widths)
        self.mlp_norm, self.final_norm = (
            nn.Identity() if shape.norm is None else NORMS[shape.norm](d, dtype=dtype)
            for _ in range(2)
        )

    @property
    def unembedding(self) -> Tensor:
        """U (A, d)."""
        return self.entities[: self.shape.n_answers] if self.shape.tied else self.answers

    def tokens(self, subjects: Tensor, relations: Tensor) -> Tensor:
        """The prompts (..., 2) of subjects and relations (...), by their ids."""
        numbers = torch.broadcast_tensors(subjects, self.shape.n_entities + relations)  # type: ignore[no-untyped-call]
        return torch.stack(numbers, dim=-1)

    def attended(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The stream (..., d) after the attention, and the share of attention (..., 2) at the
        subject and at the relation.
        """
        subject = self.entities[tokens[..., 0]]
        relation = self.relations[tokens[..., 1] - self.shape.n_entities]
        if self.query is None or self.key is None:
            shares = torch.full_like(subject[..., :1], 0.5).expand(*subject.shape[:-1], 2)
            return self._valued(subject) + relation, shares
        seen = torch.stack([subject, relation], dim=-2)
        asked = (relation @ self.query.mT / math.sqrt(self.shape.d_model))[..., None, :]
        shares = (asked @ (seen @ self.key.mT).mT)[..., 0, :].softmax(-1)
        return relation + (shares[..., None] * self._valued(seen)).sum(-2), shares

    def hidden(self, stream: Tensor) -> list[Tensor]:
        """The MLP's layers from the stream (..., d) after the attention: each hidden layer after
        its ReLU, (..., d_mlp), and last what it writes, (..., d).
        """
        layers = [self.mlp_norm(stream)]
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layer = layers[-1] @ weight.mT + bias
            layers.append(layer if place == len(self.weights) - 1 else layer.relu())
        return layers[1:]

    def states(self, tokens: Tensor) -> Tensor:
        """What the unembedding reads (..., d) after prompts (..., 2)."""
        stream, _ = self.attended(tokens)
        return cast("Tensor", self.final_norm(stream + self.hidden(stream)[-1]))

    def forward(self, tokens: Tensor) -> Tensor:
        """Prompts `subject, N + relation` (..., 2), int64, to logits (..., A)."""
        return self.states(tokens) @ self.unembedding.mT

    def _valued(self, seen: Tensor) -> Tensor:
        """The value of what is attended to (..., d)."""
        return seen if self.value is None else seen @ self.value.mT
