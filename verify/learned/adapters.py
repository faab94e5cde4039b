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
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from constructions.decoders.standard_decoder import StandardDecoder
from constructions.facts.table import FactTable
from constructions.facts.vocabulary import Vocabulary
from constructions.facts.words import all_words
from constructions.guards.errors import InputError
from constructions.learning.one_layer import OneLayer
from constructions.model.answering import Answering
from verify.learned.module_decoder import ModuleDecoder
from verify.learned.ways import ONE_LAYER, TRACED, Way, Ways


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
            are given. Of an unembedding with a bias, let states end with a 1 and rows with the
            bias.


    Raises:
        InputError: there is no such parameter, or a shape is another.
    """
    parameters = dict(module.named_parameters())
    if table not in parameters:
        raise InputError(f"there is no parameter {table!r}; there are {', '.join(parameters)}")
    subjects, prompts = np.asarray(subjects), np.asarray(prompts)
    for name, array, axes in (("subjects", subjects, 1), ("prompts", prompts, 2)):
        if array.ndim != axes or array.dtype.kind not in "iu":
            raise InputError(
                f"{name} must be integers with {axes} axes; got {array.dtype} {array.shape}"
            )
    tokens, followed = subjects.astype(np.int64), prompts.astype(np.int64)
    rows = len(parameters[table])
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < rows:
        raise InputError(
            f"subjects are tokens 0 to {rows - 1}, the rows of {table}; got {tokens.min()} to"
            f" {tokens.max()}"
        )
    return ModuleDecoder(
        module, Ways(states), table, tokens, followed, unembedding.detach().clone()
    )


def of(model: nn.Module, facts: FactTable | None = None, hops: int = 1) -> ModuleDecoder:
    """A decoder of one of our own modules; its subjects are all entities.

    * A construction, a form of one, or a `StandardModel`: relations are its paths of `hops`
      relations, in lexicographic order; answers are all tokens of its unembedding.
    * A `OneLayer`: its relations and its answers.
    * A trained `StandardDecoder`: as a construction, in the vocabulary of the facts.

    Args:
        model: any of these.
        facts: what a `StandardDecoder` was trained on, hops: of how many hops.

    Raises:
        InputError: it is of another kind, answers by a chain of thought, or its facts are missing.
    """
    if isinstance(model, OneLayer):
        n, r = model.shape.n_entities, model.shape.n_relations
        prompts = n + np.arange(r)[:, None]
        read = model.unembedding.detach().clone()
        return ModuleDecoder(model, ONE_LAYER, "entities", np.arange(n), prompts, read)
    if isinstance(model, Answering):
        if model.hops_per_token:
            raise InputError(
                f"{model.construction} writes a chain of thought: measures ask for one answer at"
                " the last position"
            )
        vocabulary, hops = model.vocabulary, model.hops
    elif isinstance(model, StandardDecoder):
        if facts is None:
            raise InputError("a StandardDecoder is measured with the facts it was trained on")
        vocabulary = Vocabulary(facts.n_entities, facts.n_relations)
    else:
        raise InputError(f"no decoder is known to be in a {type(model).__name__}: use `of_module`")
    words = vocabulary.n_entities + all_words(vocabulary.n_relations, hops)
    read = model.unembedding.weight.detach().clone()
    return ModuleDecoder(model, TRACED, "embedding.weight", vocabulary.entities, words, read)


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
