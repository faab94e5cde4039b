"""Sweeps as pictures: what constructions cost against N, and separations against k.

from verify.cli.reports.sweeps import plan_rows
from verify.cli.reports.sweeps_picture import draw_dimension

axes = draw_dimension(plan_rows([2**i for i in range(4, 21)], R=8, k=1))
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bounds.dimension import least_dimension
from bounds.theorem_4_2 import information_limit
from constructions.catalogue import CATALOGUE
from constructions.guards.errors import InputError
from constructions.guards.wording import printable
from verify.cli.reports.pictures import (
    MARKERS,
    Look,
    add_legend,
    require_matplotlib,
    write_picture,
)
from verify.cli.reports.sweeps import BoundRow, PlanRow, SeparationRow
from verify.cli.reports.trained_rows import TrainedModels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PANELS = 9
"""Of one picture: a panel for each R and k."""
_PANEL, _LEGEND = (4.2, 3.4), 2.6
"""Inches."""
Row = TypeVar("Row", PlanRow, BoundRow)


def draw_dimension(
    rows: Sequence[PlanRow], ax: Axes | None = None, trained: Sequence[TrainedModels] = ()
) -> Axes:
    """d_model against N, of each construction's choice of options with the fewest bits; beside
    them the least dimension that `bounds.dimension` leaves where only the rows of entities hold
    facts, at one bit a coordinate: the information limit of such models.

    Args:
        rows: of one R and one k.
        ax: axes to draw into; by default those of a new figure.
        trained: what training finds, as `verify.cli.reports.trained_rows.read_trained` reads it: a
            mark at the median over seeds of the least dimension that recalls all facts, with a
            line from the least to the greatest. Those of another R or k are left out.

    Raises:
        InputError: rows of several R or k, or matplotlib is not installed.
    """
    ax = _of_rows(rows, ax, "d_model", "$d_{model}$")
    _trained(ax, [one for one in trained if (one.R, one.k) in {(r.R, r.k) for r in rows}])
    limit = [(n, _least(n, r, k)) for n, r, k in _sizes(rows)]
    return _limit(ax, limit, "least $d$ at 1 bit a coordinate, facts in the embedding alone")


def draw_bits(rows: Sequence[PlanRow], ax: Axes | None = None) -> Axes:
    """All dense bits for each fact against N, and `log2 (N!)^R / (N R)`; as `draw_dimension`."""
    ax = _of_rows(rows, ax, "bits_a_fact", "bits a fact, all tensors")
    limit = [(n, float(information_limit(n, r).lower) / (n * r)) for n, r, _ in _sizes(rows)]
    return _limit(ax, limit, r"information limit, $\log_2 (N!)^R$")


def draw_ratio(rows: Sequence[BoundRow], ax: Axes | None = None) -> Axes:
    """B_T over the largest bound that applies, at the construction's own B_e, against N: where
    that bound is positive, the choice of options that comes nearest; as `draw_dimension`.
    """
    held: dict[tuple[int, str], BoundRow] = {}
    for row in rows:
        best = held.get((row.N, row.name))
        if row.ratio is not None and (best is None or row.ratio < (best.ratio or math.inf)):
            held[row.N, row.name] = row
    ax = _of_rows(list(held.values()), ax, "ratio", "$B_T$ / bound", rows)
    return _limit(ax, [(n, 1.0) for n, _, _ in _sizes(rows)], "the bound")


def draw_separation(rows: Sequence[SeparationRow], ax: Axes | None = None) -> Axes:
    """The fewest entities with which a chain of thought is separated, against k: a line for each R
    and each kind of unembedding.
    """
    ax = _axes(ax)
    for place, relations in enumerate(dict.fromkeys(row.R for row in rows)):
        for which, words, style, fill in (
            ("fixed", "fixed unembeddings", "-", "full"),
            ("every", "any unembedding, with rows as small", "--", "none"),
        ):
            found = [
                (row.k, float(row.N))
                for row in rows
                if relations == row.R and row.unembeddings == which and row.N is not None
            ]
            if found:
                ax.plot(
                    *zip(*found, strict=True),
                    linestyle=style,
                    color=f"C{place % 10}",
                    marker=MARKERS[place % len(MARKERS)],
                    fillstyle=fill,
                    markersize=5,
                    label=f"R = {relations:,}, {words}",
                )
    hops = sorted({row.k for row in rows})
    ax.set_yscale("log")
    ax.set_xticks(hops[:: max(1, len(hops) // 8)])
    ax.set(xlabel="k: hops", ylabel="N: fewest entities that are separated")
    ax.grid(alpha=0.25, linewidth=0.5)
    return ax


FIGURES: dict[str, Callable[[Sequence[PlanRow], Any], Any]] = {
    "dimension": draw_dimension,
    "bits": draw_bits,
}
"""What `plan --plot` draws."""


def require_panels(relations: Sequence[int], hops: Sequence[int]) -> None:
    """Raise InputError where there would be more panels than a picture has room for."""
    if len(relations) * len(hops) > MOST_PANELS:
        raise InputError(
            f"a picture has a panel for each R and k, at most {MOST_PANELS}; there are"
            f" {len(relations)} R and {len(hops)} k: give fewer, or leave out --plot"
        )


def write_panels(
    draw: Callable[[Sequence[Row], Any], Any],
    rows: Sequence[Row],
    path: Path,
    look: Look | None = None,
) -> None:
    """Write a picture with a panel for each R and k, in the format that the name of the file says.

    Raises:
        InputError: see `require_panels` and `verify.cli.reports.pictures.write_picture`.
    """
    cells = sorted({(row.R, row.k) for row in rows})
    require_panels([r for r, _ in cells], [1])
    hops = len({k for _, k in cells})
    across = min(3, hops if hops > 1 else len(cells))
    down = math.ceil(len(cells) / across)
    size = (across * _PANEL[0] + _LEGEND, max(5.4, down * _PANEL[1]))

    def fill(figure: Any) -> None:
        """All panels, and their legend."""
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for ax, cell in zip(panels, cells, strict=False):
            draw([row for row in rows if (row.R, row.k) == cell], ax)
        for ax in panels[len(cells) :]:
            ax.set_axis_off()
        add_legend(figure, panels)

    write_picture(fill, path, size, look)


def write_separation(rows: Sequence[SeparationRow], path: Path, look: Look | None = None) -> None:
    """Write the picture of separations; errors as of `write_panels`."""

    def fill(figure: Any) -> None:
        """One panel, and its legend."""
        add_legend(figure, [draw_separation(rows, figure.add_subplot())])

    write_picture(fill, path, (7.6, 4.6), look)


def _axes(ax: Any) -> Any:
    """The axes that are given, or those of a new figure."""
    require_matplotlib()
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(6.4, 4.8), layout="constrained").add_subplot()


def _sizes(rows: Sequence[Row]) -> list[tuple[int, int, int]]:
    """The sizes of rows, by N; InputError if they are of several R or k."""
    sizes = sorted({(row.N, row.R, row.k) for row in rows})
    if len({size[1:] for size in sizes}) > 1:
        raise InputError(
            "a panel is of one R and one k; got (R, k) ="
            f" {', '.join(str(one) for one in sorted({size[1:] for size in sizes}))}"
        )
    return sizes


def _of_rows(
    rows: Sequence[Row], ax: Any, column: str, label: str, every: Sequence[Row] = ()
) -> Any:
    """A column against N, a line for each construction; `every` are all rows of the panel, where
    `rows` are some of them.
    """
    ax, sizes = _axes(ax), _sizes(every or rows)
    names: list[str] = list(dict.fromkeys(_name_of(row) for row in every or rows))
    own: list[str] = sorted(name for name in names if name not in CATALOGUE)
    for name in names:
        place = [*CATALOGUE, *own].index(name)  # the same in every panel and picture
        at: dict[int, float] = {}
        for row in rows:
            if _name_of(row) == name:
                at.setdefault(row.N, float(getattr(row, column)))
        if at:
            ax.plot(
                *zip(*sorted(at.items()), strict=True),
                color=f"C{place % 10}",
                linewidth=1.1,
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                label=name,
            )
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set(xlabel="N: entities", ylabel=label)
    if sizes:
        ax.set_title(f"R = {sizes[0][1]:,}, k = {sizes[0][2]:,}")
    ax.grid(alpha=0.25, linewidth=0.5)
    return ax


def _name_of(row: PlanRow | BoundRow) -> str:
    """The construction of a row."""
    return row.construction if isinstance(row, PlanRow) else row.name


def _trained(ax: Any, models: Sequence[TrainedModels]) -> None:
    """Trained models, with their spread over seeds."""
    for place, memory in enumerate(dict.fromkeys(one.memory for one in models)):
        found = [one for one in models if one.memory == memory]
        middle = [statistics.median(one.dimensions) for one in found]
        seeds = sum(len(one.dimensions) for one in found), sum(one.seeds for one in found)
        lost = "" if seeds[0] == seeds[1] else f", {seeds[1] - seeds[0]} of {seeds[1]} found none"
        ax.errorbar(
            [one.N for one in found],
            middle,
            yerr=[
                [at - min(one.dimensions) for at, one in zip(middle, found, strict=True)],
                [max(one.dimensions) - at for at, one in zip(middle, found, strict=True)],
            ],
            color="black",
            linestyle="none",
            marker=(5 + place, 1),
            markersize=9,
            markeredgecolor="white",
            capsize=3,
            zorder=4,
            label=f"{printable(memory)}, median and range of seeds{lost}",
        )


def _limit(ax: Axes, points: Sequence[tuple[int, float | None]], label: str) -> Axes:
    """A limit as a dashed line, where there is one that is positive."""
    known = [(n, value) for n, value in points if value]
    if known:
        ax.plot(
            *zip(*known, strict=True), color="black", linewidth=1.2, linestyle="--", label=label
        )
    return ax


def _least(n_entities: int, n_relations: int, hops: int) -> float | None:
    """The least dimension at one bit a coordinate; None where there is no such bound."""
    try:
        return float(least_dimension(n_entities, n_relations, 1, hops))
    except InputError:
        return None
