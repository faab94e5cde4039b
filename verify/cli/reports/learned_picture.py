"""The outcome of experiments as a picture: a panel for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verify.cli.reports.pictures import Look, write_picture
from verify.learned.experiments.experiment import Experiment
from verify.learned.experiments.found import Found


def write(
    outcomes: Sequence[tuple[Experiment, Sequence[Found]]], path: Path, look: Look | None = None
) -> None:
    """Write a picture with a panel for each experiment.

    Raises:
        InputError: see `verify.cli.reports.pictures.write_picture`.
    """
    columns = min(2, len(outcomes))
    rows = math.ceil(len(outcomes) / columns)

    def fill(figure: Any) -> None:
        """All panels."""
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (experiment, found) in zip(panels, outcomes, strict=False):
            experiment.draw(axes, found)
            axes.set_title(experiment.title)
        for axes in panels[len(outcomes) :]:
            axes.set_axis_off()

    write_picture(fill, path, (4.8 * columns, 3.4 * rows), look, {"svg.hashsalt": "learned"})
