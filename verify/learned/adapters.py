"""Decoders for the measures, made of torch modules.

decoder = of(selector(facts))  # a construction, a form of one, a standard decoder with one
decoder = of_module(  # anything else: here a model of Hugging Face
    gpt2,
    lambda module, tokens: module(tokens).hidden_states[-1][:, -1],
    table="transformer.wte.weight",
    subjects=tokens_of_subjects,
    prompts=tokens_of_relations,
    unembedding=gpt2.lm_head.weight,
)
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from constructions.decoders.standard_decoder import Block, StandardDecoder
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.parts import MLP
from constructions.model.trace import Trace, Traced
from constructions.model.transformer import Transformer
from verify.learned.decoder import Floats, Ints, pieces

_NUMBERS_AT_ONCE = 2**24
"""So many numbers of one layer are computed at once."""


Way = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class Ways:
    """How a kind of module is read: functions of the module and of tokens (Q, L).

    Attributes:
        states: what the unembedding reads at the last position, (Q, d_state).
        units: activations of all hidden layers there, (Q, n_units).
        attention: from there to all positions, (Q, n_heads, L); these two are None where nobody
            has said how they are found.
    """

    states: Way
    units: Way | None = None
    attention: Way | None = None


class _Reading(nn.Module):
    """A module read in one of the ways, so that `functional_call` can exchange its parameters."""

    def __init__(self, module: nn.Module, way: Way):
        super().__init__()
        self.module, self._way = module, way

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (Q, L) to what is read."""
        return self._way(self.module, tokens)


@dataclass(frozen=True)
class ModuleDecoder:
    """A torch module with a table of embeddings as a decoder: `Differentiable` and `Watched`. The
    module is shared and never changed; other rows are handed to its forward pass.

    Attributes:
        module: any.
        ways: how it is read.
        table: the name of the parameter (tokens, d) that holds the rows of subjects.
        subjects: int64 (N,): which row of the table each subject has; its token.
        prompts: int64 (R, L - 1): the tokens that follow the subject.
        read: the unembedding (A, d_state).
        changed: rows (N, d) in place of those of the table; None for its own.
    """

    module: nn.Module
    ways: Ways
    table: str
    subjects: Ints
    prompts: Ints
    read: Tensor
    changed: Tensor | None = None

    @property
    def n_entities(self) -> int:
        """N."""
        return len(self.subjects)

    @property
    def n_relations(self) -> int:
        """R."""
        return len(self.prompts)

    @property
    def n_answers(self) -> int:
        """A."""
        return len(self.read)

    def rows(self) -> Floats:
        """The subjects' embeddings, float64 (N, d)."""
        return _numbers(self._rows())

    def with_rows(self, rows: Floats) -> ModuleDecoder:
        """The same module with other rows, rounded to its dtype; the unembedding stays."""
        own = self._rows()
        if rows.shape != own.shape:
            raise InputError(f"rows must be {tuple(own.shape)}; got {rows.shape}")
        return replace(self, changed=torch.from_numpy(np.array(rows)).to(own))

    def unembedding(self) -> Floats:
        """float64 (A, d_state)."""
        return _numbers(self.read)

    def states(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, d_state)."""
        return self._in_pieces(self.ways.states, subjects, relations)

    def logits(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, A), computed in the module's dtype."""

        def read(module: nn.Module, tokens: Tensor) -> Tensor:
            """The logits of tokens."""
            return self.ways.states(module, tokens) @ self.read.mT

        return self._in_pieces(read, subjects, relations)

    def units(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, n_units)."""
        return self._in_pieces(_known(self.ways.units, "hidden units"), subjects, relations)

    def attention(self, subjects: Ints, relations: Ints) -> Floats:
        """(Q, n_heads, L)."""
        return self._in_pieces(_known(self.ways.attention, "heads"), subjects, relations)

    def logits_of(self, rows: Tensor, subjects: Ints, relations: Ints) -> Tensor:
        """(Q, A) with gradients by the rows (N, d)."""
        return self._read(self.ways.states, rows, subjects, relations) @ self.read.mT

    def _rows(self) -> Tensor:
        """The subjects' embeddings as they are in the module, or those in their place."""
        if self.changed is not None:
            return self.changed
        return self.module.get_parameter(self.table).detach()[torch.from_numpy(self.subjects)]

    def _read(
        self,
        way: Way,
        rows: Tensor | None,
        subjects: Ints,
        relations: Ints,
    ) -> Tensor:
        """The module read in one way at queries (Q,), with rows in place of its own."""
        table = self.module.get_parameter(self.table)
        prompts = np.column_stack([self.subjects[subjects], self.prompts[relations]])
        tokens = torch.from_numpy(prompts).to(table.device)
        given = {}
        if rows is not None:
            places = torch.from_numpy(self.subjects).to(table.device)
            given[f"module.{self.table}"] = table.detach().index_put((places,), rows.to(table))
        return cast("Tensor", functional_call(_Reading(self.module, way), given, (tokens,)))

    @torch.no_grad()
    def _in_pieces(self, way: Way, subjects: Ints, relations: Ints) -> Floats:
        """The module read at queries (Q,), some at once, as float64."""
        widest = max(max(weight.shape) for weight in self.module.parameters() if weight.dim())
        at_once = _NUMBERS_AT_ONCE // (widest * (1 + self.prompts.shape[1]))
        found = [
            _numbers(self._read(way, self.changed, subjects[part], relations[part]))
            for part in pieces(len(subjects), at_once)
        ]
        return np.concatenate(found)


def of_module(
    module: nn.Module,
    states: Way,
    *,
    table: str,
    subjects: NDArray[np.int64],
    prompts: NDArray[np.int64],
    unembedding: Tensor,
) -> ModuleDecoder:
    """A decoder of any torch module, by a function of it and of tokens.

    Args:
        module: with a parameter that holds the embeddings of tokens.
        states: (module, tokens int64 (Q, L)) to what the unembedding reads at the last position,
            (Q, d_state). It is to run the module that it is given: rows of subjects are exchanged
            there.
        table: the name of that parameter, (tokens, d).
        subjects: int64 (N,), a token for each subject.
        prompts: int64 (R, L - 1), the tokens after the subject for each relation.
        unembedding: (A, d_state); which row is an answer's is said by the `answers` that measures
            are given.

    Raises:
        InputError: there is no such parameter, or a shape is another.
    """
    parameters = dict(module.named_parameters())
    if table not in parameters:
        raise InputError(f"there is no parameter {table!r}; there are {', '.join(parameters)}")
    for name, array, axes in (("subjects", subjects, 1), ("prompts", prompts, 2)):
        if array.ndim != axes or array.dtype.kind not in "iu":
            raise InputError(
                f"{name} must be integers with {axes} axes; got {array.dtype} {array.shape}"
            )
    tokens, followed = subjects.astype(np.int64), prompts.astype(np.int64)
    return ModuleDecoder(module, Ways(states), table, tokens, followed, unembedding.detach())


def of(model: Answering | nn.Module, subjects: NDArray[np.int64] | None = None) -> ModuleDecoder:
    """A decoder of one of our own modules.

    * A construction, a form of one, or a `StandardModel`: relations are its paths of `hops`
      relations, in lexicographic order; answers are all tokens of its unembedding.
    * Subjects are all entities, or those that are given.

    Raises:
        InputError: it is of another kind, or answers by a chain of thought.
    """
    if not isinstance(model, Answering):
        raise InputError(f"no decoder is known to be in a {type(model).__name__}: use `of_module`")
    if model.hops_per_token:
        raise InputError(
            f"{model.construction} writes a chain of thought: measures ask for one answer at the"
            " last position"
        )
    vocabulary = model.vocabulary
    words = vocabulary.n_entities + all_words(vocabulary.n_relations, model.hops)
    chosen = vocabulary.entities if subjects is None else subjects
    read = model.unembedding.weight.detach()
    return ModuleDecoder(model, TRACED, "embedding.weight", chosen, words, read)


@torch.no_grad()
def scrambled(decoder: ModuleDecoder, seed: int = 0) -> ModuleDecoder:
    """A decoder of the same shape and the same numbers that knows nothing: the entries of each
    parameter, and of the unembedding, in random order. A control for what a decoder has learned.
    """
    generator = torch.Generator().manual_seed(seed)
    module = copy.deepcopy(decoder.module)

    def mixed(values: Tensor) -> Tensor:
        """The same entries in another order."""
        order = torch.randperm(values.numel(), generator=generator).to(values.device)
        return values.flatten()[order].reshape(values.shape)

    for parameter in module.parameters():
        parameter.copy_(mixed(parameter))
    return replace(decoder, module=module, read=mixed(decoder.read), changed=None)


def _last_state(module: Traced, tokens: Tensor) -> Tensor:
    """Of a transformer or standard decoder of ours: (Q, d)."""
    return module.states(tokens)[0][..., -1, :]


def _hidden_units(module: Traced, tokens: Tensor) -> Tensor:
    """Of the same: all hidden units (Q, n_units) at the last position."""
    trace, found = Trace(), []
    module.states(tokens, trace=trace)
    for index, (mlp, block) in enumerate(_mlps(module)):
        x = trace.residual[f"layers.{index}.mid"][..., -1, :]
        if block is not None and block.pre:
            x = block.mlp_norm(x)
        if mlp is not None:
            for weight in list(mlp.weights)[:-1]:
                x = weight(x).relu()
                found.append(x)
    empty = torch.empty(len(tokens), 0, device=tokens.device)
    return torch.cat(found, dim=-1) if found else empty


def _mlps(module: Traced) -> list[tuple[MLP | None, Block | None]]:
    """The MLP of each layer in the order of application, and its block if it has norms."""
    if isinstance(module, StandardDecoder):
        return [(block.mlp, block) for block in module.block_sequence()]
    if isinstance(module, Transformer):
        return [(layer.mlp, None) for layer in module.layer_sequence()]
    raise InputError(f"the MLPs of a {type(module).__name__} are not known")


def _heads(module: Traced, tokens: Tensor) -> Tensor:
    """Of the same: attention (Q, n_heads, L) from the last position."""
    trace = Trace()
    module.states(tokens, trace=trace)
    found = [pattern[..., -1, :] for pattern in trace.patterns.values()]
    empty = torch.empty(len(tokens), 0, tokens.shape[-1], device=tokens.device)
    return torch.cat(found, dim=-2) if found else empty


TRACED = Ways(_last_state, _hidden_units, _heads)


def _known(way: Way | None, what: str) -> Way:
    """A way that somebody has said; InputError for none."""
    if way is None:
        raise InputError(f"nobody has said how the {what} of this decoder are found")
    return way


def _numbers(tensor: Tensor) -> Floats:
    """A tensor as float64 in numpy."""
    return tensor.detach().double().cpu().numpy()
