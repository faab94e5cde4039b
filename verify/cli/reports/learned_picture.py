"""The outcome of experiments as a picture: a panel for each."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constructions.files.whole_file import write_atomically
from verify.cli.reports.plane_picture import require_matplotlib
from verify.learned.experiments.experiment import Experiment
from verify.learned.experiments.found import Found


def draw(outcomes: Sequence[tuple[Experiment, Sequence[Found]]], path: Path) -> None:
    """Write an SVG.

    Raises:
        InputError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(2, len(outcomes))
    rows = math.ceil(len(outcomes) / columns)
    settings: dict[Any, Any] = {"svg.hashsalt": "learned", "svg.fonttype": "path", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.8 * columns, 3.4 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (experiment, found) in zip(panels, outcomes, strict=False):
            experiment.draw(axes, found)
            axes.set_title(experiment.title)
        for axes in panels[len(outcomes) :]:
            axes.set_axis_off()
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    write_atomically(path, iter([written.getvalue().decode()]))
