"""Every measure at every layer of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from constructions.facts.answers import MISSING
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from verify.cells.phases import Begin, unwatched
from verify.learned.intervention import intervention
from verify.learned.language_models.known import Known, known
from verify.learned.language_models.layer_decoder import LayerDecoder
from verify.learned.language_models.linear_relations import (
    EXAMPLES,
    Encoding,
    encodings,
    together,
)
from verify.learned.language_models.loading import LanguageModel
from verify.learned.language_models.prompts import Prompts, prompts
from verify.learned.language_models.templates import Template
from verify.learned.language_models.units import n_units
from verify.learned.measure import Measure
from verify.learned.recall import recall
from verify.learned.selection import NAME as SELECTION
from verify.learned.selection import selection
from verify.learned.superposition import superposition

SUBJECTS = 64
"""So many have their answers moved."""


@dataclass(frozen=True)
class Choices:
    """What is measured, and how.

    Attributes:
        layers: which; None for all.
        scoring: of answers, one of `verify.learned.language_models.prompts.SCORINGS`.
        n_subjects: how many have their answers moved.
        n_examples, rank, beta: of linear relation encodings.
        seed: of all that is drawn.
    """

    layers: tuple[int, ...] | None = None
    scoring: str = "auto"
    n_subjects: int = SUBJECTS
    n_examples: int = EXAMPLES
    rank: int | None = None
    beta: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class AtLayer:
    """What was measured at a layer.

    Attributes:
        layer: 0 for what the first decoder layer is given; the last one for what it returns.
        measures: R^2, move, keep, both, faithful, right, selection.
        encodings: of the relations that have one.
    """

    layer: int
    measures: tuple[Measure, ...]
    encodings: tuple[Encoding, ...]


@dataclass(frozen=True)
class Measured:
    """What was measured of a language model.

    Attributes:
        kind: the model's class.
        n_layers, d_model: its sizes.
        asked: the questions.
        accuracy: null: always the answer that the relation has most often; control: the stream of
            another subject, at layer 0.
        at: the layers.
    """

    kind: str
    n_layers: int
    d_model: int
    asked: Prompts
    accuracy: Measure
    at: tuple[AtLayer, ...]


def measured(
    language: LanguageModel,
    facts: FactTable,
    templates: Mapping[str, Template],
    choices: Choices = Choices(),
    control: LanguageModel | None = None,
    begin: Begin = unwatched,
) -> Measured:
    """Ask a language model for the facts of a table, and measure how it holds them.

    Args:
        language: the model.
        facts: a table whose names are words.
        templates: for each relation with facts.
        choices: what is measured.
        control: a model of the same shape, untrained, for the units that select.
        begin: the phases, for those who watch.

    Raises:
        InputError: names cannot be asked for (`prompts`), or a choice is out of range.
    """
    n_layers = len(language.layers)
    layers = tuple(range(n_layers + 1)) if choices.layers is None else choices.layers
    for layer in layers:
        if not 0 <= layer <= n_layers:
            raise InputError(f"there is no layer {layer}: they are 0 to {n_layers}")
    asked = prompts(language, facts, templates, choices.scoring)
    found = known(language, asked, begin("asking", asked.facts.size))
    d_model = found.streams.shape[-1]
    beside = None
    if control is not None:
        first = replace(asked, scoring="first")
        beside = known(control, first, begin("asking the untrained model", asked.facts.size))
    around = encodings(
        found,
        layers,
        n_examples=choices.n_examples,
        rank=choices.rank,
        beta=choices.beta,
        seed=choices.seed,
        advance=begin("linear relation encodings", len(asked.relations) * found.states.shape[-1]),
    )
    advance = begin("layers", len(layers))
    at = []
    for place, layer in enumerate(layers):
        at.append(_at(found, beside, layer, around[layer], choices))
        advance(place + 1)
    return Measured(
        type(language.model).__name__, n_layers, d_model, asked, _accuracy(found), tuple(at)
    )


def _accuracy(found: Known) -> Measure:
    """Recall, held against the most frequent answers."""
    facts = found.asked.facts
    most = sum(int(np.bincount(row[row != MISSING]).max()) for row in facts)
    measure = recall(LayerDecoder(found, 0), facts)
    return replace(measure, name="accuracy", null=Fraction(most, found.asked.n_facts))


def _at(
    found: Known,
    beside: Known | None,
    layer: int,
    around: Sequence[Encoding],
    choices: Choices,
) -> AtLayer:
    """All measures at a layer."""
    decoder, facts, seed = LayerDecoder(found, layer), found.asked.facts, choices.seed
    moved = intervention(decoder, facts, n_subjects=choices.n_subjects, seed=seed)
    return AtLayer(
        layer,
        (
            superposition(decoder, facts, seed=seed),
            moved.move,
            moved.keep,
            moved.both,
            *together(around, choices.n_examples),
            _selection(found, beside, layer, seed),
        ),
        tuple(around),
    )


def _selection(found: Known, beside: Known | None, layer: int, seed: int) -> Measure:
    """How far the units of the MLP of this layer are on for some relations alone."""
    layers = found.language.layers
    if layer == len(layers):
        return Measure.without(SELECTION, "the last stream is read by no decoder layer")
    if n_units(layers[layer], found.streams.shape[-1]) is None:
        return Measure.without(SELECTION, "the MLP's last matrix was not found")
    control = None if beside is None else LayerDecoder(beside, layer)
    return selection(LayerDecoder(found, layer), control=control, seed=seed).measure
