"""The outcome of experiments in words, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from constructions import __version__
from verify.cli.reports.rows import as_data
from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
from verify.learned.measure import Number
from verify.runner.stored import encode


def lines(name: str, experiment: Experiment, found: Sequence[Found], full: bool) -> Iterator[str]:
    """What was asked and found, and, of the default size, what has become of what was expected."""
    yield f"{name}: {experiment.title}"
    yield from textwrap.wrap(experiment.question, 99)
    yield from experiment.table(found)
    for expectation in () if full else experiment.expectations:
        outcome = expectation.outcome(found)
        yield from textwrap.wrap(f"{outcome}: {expectation.text}", 99, subsequent_indent="    ")
        if outcome != "met":
            yield f"    refuted by: {expectation.refuted_by}"
    yield ""


def as_json(
    outcomes: Sequence[tuple[str, Experiment, Sequence[Found], int]],
    full: bool,
    seeds: Sequence[int],
) -> str:
    """All that was found, what was expected, and how many points of each experiment are left."""
    data = {
        "version": __version__,
        "full": full,
        "seeds": list(seeds),
        "experiments": {
            name: {
                "title": experiment.title,
                "question": experiment.question,
                "expectations": [
                    {
                        "expected": expectation.text,
                        "refuted by": expectation.refuted_by,
                        "outcome": _outcome(expectation, found, left, full),
                    }
                    for expectation in experiment.expectations
                ],
                "found": [encode(one) for one in found],
                "left": left,
            }
            for name, experiment, found, left in outcomes
        },
        "rows": as_data(rows(outcomes)),
    }
    return json.dumps(data, indent=1) + "\n"


@dataclass(frozen=True)
class LearnedRow:
    """A measure of one trained model, in long format.

    Attributes:
        experiment: its name.
        N, R, k: entities, relations, hops; of a graph its nodes, 1, 1.
        d_model, d_mlp: of the model; d_mlp is None where the experiment does not set it.
        settings: what else the point says of the model, as `name=value ...`.
        seed: of facts and weights.
        steps: after which training ended.
        measure: `recall`, `held out`, or one of the measures of docs/measures.md.
        value, null, control: what was measured, by chance, and where it should fail.
        why: where there is no value.
    """

    experiment: str
    N: int
    R: int
    k: int
    d_model: int
    d_mlp: int | None
    settings: str
    seed: int
    steps: int | None
    measure: str
    value: float | None
    null: float | None
    control: float | None
    why: str


def rows(outcomes: Sequence[tuple[str, Experiment, Sequence[Found], int]]) -> list[LearnedRow]:
    """A row for each experiment, point, seed and measure."""
    return [row for name, _, found, _ in outcomes for one in found for row in _rows_of(name, one)]


def _rows_of(experiment: str, found: Found) -> Iterator[LearnedRow]:
    """The rows of a point."""
    point = found.point
    apart = {"d_model", "d_mlp", "seeds", "edges"}
    settings = " ".join(
        f"{one.name}={getattr(point, one.name)}" for one in fields(point) if one.name not in apart
    )
    n, r, k = point.n_r_k
    for place, seed in enumerate(point.seeds):

        def row(
            measure: str,
            value: Number | None,
            null: Number | None = None,
            control: Number | None = None,
            why: str | None = None,
            place: int = place,
            seed: int = seed,
        ) -> LearnedRow:
            """One measure of this seed."""
            return LearnedRow(
                experiment=experiment,
                N=n,
                R=r,
                k=k,
                d_model=point.d_model,
                d_mlp=getattr(point, "d_mlp", None),
                settings=settings,
                seed=seed,
                steps=found.steps[place] if found.steps else None,
                measure=measure,
                value=None if value is None else float(value),
                null=None if null is None else float(null),
                control=None if control is None else float(control),
                why=why or "",
            )

        if found.lost:
            yield row("recall", None, why=found.lost)
            continue
        yield row("recall", found.recall[place])
        if found.held_out_of:
            yield row("held out", found.held_out_share[place])
        for name, of_seeds in found.measures.items():
            one = of_seeds[place]
            yield row(name, one.value, one.null, one.control, one.refused)


def _outcome(expectation: Expectation, found: Sequence[Found], left: int, full: bool) -> str:
    """What has become of an expectation; not known where points are left."""
    if full:
        return "of the default size"
    return "not known" if left else expectation.outcome(found)
