"""What was measured of a language model: lines, a table of its layers, and JSON."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from constructions.guards.wording import joined

if TYPE_CHECKING:  # which imports torch
    from verify.learned.language_models.linear_relations import Encoding
    from verify.learned.language_models.measured import Choices, Measured
    from verify.learned.measure import Measure, Number

KEYS = ("R^2", "move", "keep", "both", "faithful", "right", "selection")
TITLES = ("R^2", "move", "keep", "both", "LRE", "right", "units")
"""Of the measures of a layer, in their order, in JSON and in the table."""
SCORED = {
    "first": "the logits of their first tokens, which are distinct",
    "whole": "the sum of the log probabilities of their tokens",
}
LEGEND = (
    "R^2: the subject's state as a sum of one vector for each attribute, held out; null: shuffled",
    "  facts",
    "move, keep, both: with one attribute exchanged, its answer moves, the others stay, or both;",
    "  null: a random shift of equal length",
    "LRE: the linear relation encoding says what the model says, right: the fact; null: that of",
    "  another subject",
    "units: how far hidden units are on for some relations alone; null: relations shuffled;",
    "  untr.: an untrained model",
)


def heading(found: Measured) -> list[str]:
    """What was asked, and how well it was answered."""
    asked, accuracy = found.asked, found.accuracy
    lines = [
        f"{found.kind}: {found.n_layers} layers, d_model {found.d_model}",
        f"{asked.n_facts:,} facts, {len(asked.subjects):,} subjects, {len(asked.relations):,}"
        f" relations, {len(asked.answers):,} answers",
        f"answers are scored by {SCORED[asked.scoring]}",
        f"accuracy {_number(accuracy.value)}; always the most frequent answer"
        f" {_number(accuracy.null)}; the state of another subject {_number(accuracy.control)}",
    ]
    if not _above(accuracy):
        lines.append(
            "it answers no better than the most frequent answers: nothing below is about facts"
        )
    return lines


def layer_table(found: Measured) -> str:
    """A line for each layer: each measure, and its null after it."""
    rows = ["layer" + "".join(f"{title:>6}{'null':>6}" for title in TITLES) + "  untr."]
    for at in found.at:
        row = f"{at.layer:>5}"
        for measure in at.measures:
            row += f"{_number(measure.value):>6}{_number(measure.null):>6}"
        rows.append(row + f"{_number(at.measures[-1].control):>7}")
    return joined([*rows, *LEGEND])


def reasons(found: Measured) -> list[str]:
    """Why there are measures without a value, each reason once."""
    said: dict[str, list[int]] = {}
    for at in found.at:
        for key, measure in zip(KEYS, at.measures, strict=True):
            if measure.refused is not None:
                layers = said.setdefault(f"{key}: {measure.refused}", [])
                layers.append(at.layer)
    every = len(found.at)
    return [
        f"no {reason}"
        if len(layers) == every
        else f"no {reason} (layer {', '.join(map(str, layers))})"
        for reason, layers in said.items()
    ]


def as_json(found: Measured, choices: Choices) -> str:
    """All of it as JSON text."""
    asked = found.asked
    reported: dict[str, Any] = {
        "model": found.kind,
        "layers": found.n_layers,
        "d_model": found.d_model,
        "facts": asked.n_facts,
        "subjects": len(asked.subjects),
        "relations": list(asked.relations),
        "answers": list(asked.answers),
        "scored_by": asked.scoring,
        "choices": vars(choices),
        "accuracy": _measure(found.accuracy),
        "at": [
            {
                "layer": at.layer,
                **{key: _measure(measure) for key, measure in zip(KEYS, at.measures, strict=True)},
                "encodings": [
                    _encoding(asked.relations[one.relation], one) for one in at.encodings
                ],
            }
            for at in found.at
        ],
    }
    return json.dumps(reported, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _measure(measure: Measure) -> dict[str, Any]:
    """A measure as plain data."""
    if measure.refused is not None:
        return {"refused": measure.refused}
    parts = {"value": measure.value, "null": measure.null, "control": measure.control}
    return {name: None if part is None else float(part) for name, part in parts.items()}


def _encoding(relation: str, one: Encoding) -> dict[str, Any]:
    """A linear encoding of a relation, without its weights."""
    return {
        "relation": relation,
        "beta": one.beta,
        "examples": len(one.examples),
        "tested": len(one.tested),
        **{measure.name: _measure(measure) for measure in one.measures},
    }


def _above(measure: Measure) -> bool:
    """Whether a value is larger than its null."""
    return measure.value is not None and measure.value > (measure.null or Fraction(0))


def _number(part: Number | None) -> str:
    """Two digits after the point; a dash where there is none."""
    return "-" if part is None else f"{float(part):.2f}"
