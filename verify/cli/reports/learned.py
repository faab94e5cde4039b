"""The outcome of experiments in words, and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence

from constructions import __version__
from verify.learned.experiments.experiment import Expectation, Experiment
from verify.learned.experiments.found import Found
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
    }
    return json.dumps(data, indent=1) + "\n"


def _outcome(expectation: Expectation, found: Sequence[Found], left: int, full: bool) -> str:
    """What has become of an expectation; not known where points are left."""
    if full:
        return "of the default size"
    return "not known" if left else expectation.outcome(found)
