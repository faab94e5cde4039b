"""The figures of a report, each drawn by what draws it for its own command."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from constructions.asking.readings import Reading
from constructions.catalogue import CATALOGUE, writing_tokens
from constructions.entry import Construction
from verify.cli.pages.report import Figure
from verify.cli.reports import plane_picture, sweeps_picture
from verify.cli.reports.plane import Plane
from verify.cli.reports.rows import as_csv, columns_of
from verify.cli.reports.sweeps import (
    BoundRow,
    PlanRow,
    SeparationRow,
    plan_rows,
    rows_of,
    separation_rows,
)

if TYPE_CHECKING:  # which imports torch
    from constructions.model.fact_model import FactModel

Size = tuple[int, int, int]
PANELS = 3
"""Relations, and hops, of a figure with a panel for each."""
SEPARATED = (2, 3, 4, 5, 6)
"""Hops of the figure of separations."""


def svg_of(write: Callable[[Path], object]) -> str:
    """The picture that a function writes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        write(path)
        return path.read_text("utf-8")


def figures(planes: Mapping[Size, Plane], start: Size) -> Iterator[Figure]:
    """The figures of the formulas at the sizes of the planes, of at most three relations and
    three hops.

    Raises:
        InputError: matplotlib is not installed.
    """
    n, r, k = (tuple(sorted({size[place] for size in planes})) for place in range(3))
    some = (n, _few(r), _few(k))
    sizes = f"-N {_words(n)} -R {_words(some[1])} -k {_words(some[2])}"
    yield _plane(planes[start], start)
    plans = plan_rows(*some)
    plan_csv = as_csv(columns_of(PlanRow), plans)
    yield Figure(
        "dimension",
        "Dimension",
        "The dimension of each construction against the number of entities, a panel for each"
        " number of relations and hops. A dashed line is the least dimension at one bit a"
        " coordinate if the embedding alone holds the facts.",
        f"python -m verify plan {sizes} --plot dimension.svg",
        svg_of(
            lambda path: sweeps_picture.write_panels(sweeps_picture.draw_dimension, plans, path)
        ),
        plan_csv,
    )
    yield Figure(
        "bits",
        "Bits a fact",
        "All dense bits of each construction for each fact against the number of entities. A"
        " dashed line is the information limit of the facts themselves.",
        f"python -m verify plan {sizes} --figure bits --plot bits.svg",
        svg_of(lambda path: sweeps_picture.write_panels(sweeps_picture.draw_bits, plans, path)),
        plan_csv,
    )
    bounds = [
        row
        for (_, relations, hops), shown in planes.items()
        if relations in some[1] and hops in some[2]
        for row in rows_of(shown)
    ]
    yield Figure(
        "ratio",
        "Bits inside over the largest bound",
        "Internal bits of each construction over the largest lower bound that applies to it and is"
        " positive, against the number of entities. Below the dashed line at 1 there is no such"
        " model.",
        f"python -m verify bound {sizes} --plot ratio.svg",
        svg_of(lambda path: sweeps_picture.write_panels(sweeps_picture.draw_ratio, bounds, path)),
        as_csv(columns_of(BoundRow), bounds),
    )
    yield _separation([one for one in some[1] if one > 1] or [2])


def _plane(shown: Plane, start: Size) -> Figure:
    """The capacity plane at one size."""
    n, r, k = start
    return Figure(
        "plane",
        "The capacity plane",
        f"Bits inside against bits of one embedding at N = {n:,}, R = {r:,}, k = {k:,}: every"
        " lower bound as a curve, below which no model lies that it applies to, and every"
        " construction as two points, filled in bits of facts and hollow in all bits.",
        f"python -m verify bound -N {n} -R {r} -k {k} --plot plane.svg",
        svg_of(lambda path: plane_picture.write(shown, path)),
    )


def _separation(relations: Sequence[int]) -> Figure:
    """Where a chain of thought takes fewer bits than any model without."""
    rows = separation_rows(relations, SEPARATED, writing_tokens()[0])
    words = f"-R {_words(relations)} -k {_words(SEPARATED)}"
    return Figure(
        "separation",
        "Where a chain of thought takes fewer bits",
        "The fewest entities with which a chain of thought has fewer bits inside than every model"
        " without one needs, against the number of hops: a line for each number of relations and"
        " each kind of unembedding.",
        f"python -m verify separation {words} --plot separation.svg",
        svg_of(lambda path: sweeps_picture.write_separation(rows, path)),
        as_csv(columns_of(SeparationRow), rows),
    )


def mechanisms(
    small_model: Callable[[Construction], tuple[FactModel, Reading]],
) -> Iterator[Figure]:
    """One query in a small model of the paper's own construction for each theorem; `small_model`
    builds it and names the query.
    """
    from verify.cli.reports.mechanism_picture import draw
    from verify.queries.showing import shown

    seen = set[str]()
    for name, entry in CATALOGUE.items():
        if "ours" in entry.theorem or entry.theorem in seen:
            continue
        seen.add(entry.theorem)
        model, asked = small_model(entry)
        found = shown(model, asked.subject, list(asked.path))
        yield Figure(
            f"mechanism-{name.replace('_', '-')}",
            f"Theorem {entry.theorem}: one query, block by block",
            f"One query as it passes through a small {name}: the residual stream by blocks and"
            f" layers, what heads copy, which hidden units fire, and the logits."
            f" {entry.claim[0].upper()}{entry.claim[1:]}.",
            f"python -m verify show {name} --plot mechanism.svg",
            svg_of(partial(draw, found)),
        )


def _few(values: Sequence[int]) -> tuple[int, ...]:
    """The first, the middle and the last of several."""
    last = len(values) - 1
    return tuple(
        values[i] for i in sorted({round(last * i / (PANELS - 1)) for i in range(PANELS)})
    )


def _words(values: Sequence[int]) -> str:
    """Values as the command line takes them."""
    return ",".join(map(str, values))
