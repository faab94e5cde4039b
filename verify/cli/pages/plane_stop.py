"""The capacity plane at one stop of the sliders: curves and points by their places in a drawing,
and the tables of its numbers.

What is drawn is that of `verify.cli.reports.plane_picture`: the same curves, points and axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bounds.theorem_4_2 import LOWER_BOUNDS
from constructions.catalogue import CATALOGUE
from constructions.guards.wording import shortened
from verify.cli.pages.marks import MARKS
from verify.cli.reports import plane_picture
from verify.cli.reports.plane import Plane
from verify.cli.reports.plane_tables import bounds_table, points_table
from verify.cli.reports.rounding import down

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 12, 48
"""Around the plane, in units of the drawing."""
POINTS = 60
"""At which each curve is evaluated, about."""
COLOURS = 8
"""That the style sheet has for constructions."""


@dataclass(frozen=True)
class Mark:
    """How a construction is drawn: the number of its colour and the path of its shape."""

    colour: int
    path: str


@dataclass(frozen=True)
class Curve:
    """A bound: the number of its colour, its words, and the points of the curve as SVG has
    them; "" where it says nothing.
    """

    colour: int
    label: str
    points: str


@dataclass(frozen=True)
class Point:
    """A construction with settled options, twice: in bits of facts (filled) and in all bits."""

    mark: Mark
    x: float
    y: float
    filled: bool
    text: str


@dataclass(frozen=True)
class Tick:
    """A number on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class PlaneStop:
    """The plane at a stop of the sliders.

    Attributes:
        n_entities, n_relations, hops: N, R, k.
        limit: `log2 (N!)^R` in words, rounded down.
        limit_y: where it is drawn.
        band: where the grey band of B_e = 0 ends.
        curves, chains, points, x_ticks, y_ticks: what is drawn; chains are the lines between the
            options of one construction.
        bounds, bounds_notes: the bounds by B_e, and why one does not exist.
        constructions, constructions_notes: the constructions and what the words beside them mean;
            the first rows are titles.
        marks: of the rows of `constructions`.
    """

    n_entities: int
    n_relations: int
    hops: int
    limit: str
    limit_y: float
    band: float
    curves: Sequence[Curve]
    chains: Sequence[tuple[int, str]]
    points: Sequence[Point]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    bounds: Sequence[Sequence[str]]
    bounds_notes: Sequence[str]
    constructions: Sequence[Sequence[str]]
    constructions_notes: Sequence[str]
    marks: Sequence[Mark]


@dataclass(frozen=True)
class _Axis:
    """An axis that is linear up to `first`, from `low` to `high`, at `start` to `end`."""

    first: int
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        low, high = (plane_picture.place(one, self.first) for one in (self.low, self.high))
        share = (plane_picture.place(value, self.first) - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, many: int) -> list[Tick]:
        """About so many numbers on it."""
        found = plane_picture.ticks(self.high, self.first, many)
        return [Tick(self.at(one), _short(one)) for one in found]


def plane_stop(shown: Plane) -> PlaneStop:
    """What is drawn and said of a plane."""
    unit = max(1, (shown.n_entities - 1).bit_length())
    curves = {
        name: plane_picture.corners(LOWER_BOUNDS[name], shown, POINTS)
        for name in plane_picture.LINES
        if name in shown.columns
    }
    costs = [plan.costs for plan, _ in shown.points]
    far = [at for curve in curves.values() for at, _ in curve] + [float(unit)]
    far += [float(bits) for one in costs for bits in (one.embedding_bits, one.embedding_fact_bits)]
    high = [value for curve in curves.values() for _, value in curve] + [shown.limit, float(unit)]
    high += [float(bits) for one in costs for bits in (one.internal_bits, one.internal_fact_bits)]
    x = _Axis(unit, -plane_picture.BAND * unit, 2 * max(far), LEFT, WIDTH - RIGHT)
    first = unit * shown.n_relations
    y = _Axis(first, -0.2 * first, 2 * max(high), HEIGHT - BOTTOM, TOP)
    points, chains = _points(shown, x, y, plane_picture.zero_places(shown, unit))
    bounds, bounds_notes = bounds_table(shown.curves, shown.columns)
    constructions, constructions_notes = points_table(shown)
    return PlaneStop(
        shown.n_entities,
        shown.n_relations,
        shown.hops,
        limit=down(shown.limit, 2),
        limit_y=y.at(shown.limit),
        band=x.at(0),
        curves=[
            Curve(i, plane_picture.LINES[name][2].replace("$", ""), _drawn(curve, x, y))
            for i, (name, curve) in enumerate(curves.items())
        ],
        chains=chains,
        points=points,
        x_ticks=x.ticks(7),
        y_ticks=y.ticks(7),
        bounds=bounds,
        bounds_notes=bounds_notes,
        constructions=constructions,
        constructions_notes=constructions_notes,
        marks=[mark_of(plan.entry.name) for plan, _ in shown.points],
    )


def mark_of(name: str) -> Mark:
    """The mark of a construction, the same in every plane."""
    place = list(CATALOGUE).index(name)
    return Mark(place % COLOURS, MARKS[place % len(MARKS)])


def _points(
    shown: Plane, x: _Axis, y: _Axis, at_zero: dict[str, float]
) -> tuple[list[Point], list[tuple[int, str]]]:
    """All points, those of all bits first, and the lines between the options of a construction:
    (colour, points as SVG has them).
    """
    facts, dense = list[Point](), list[Point]()
    lines: dict[str, list[str]] = {}
    for plan, _ in shown.points:
        name, costs, mark = plan.entry.name, plan.costs, mark_of(plan.entry.name)
        for said, b_e, b_t, into in (
            ("bits of facts", costs.embedding_fact_bits, costs.internal_fact_bits, facts),
            ("all bits", costs.embedding_bits, costs.internal_bits, dense),
        ):
            text = f"{plan.label}, {said}: B_e = {shortened(b_e)}, B_T = {shortened(b_t)}"
            left = x.at(float(b_e) if b_e else at_zero.get(name, 0.0))
            into.append(Point(mark, left, y.at(float(b_t)), into is facts, text))
        if not (costs.unembedding_fact_bits or costs.written_tokens > 1):
            lines.setdefault(name, []).append(f"{facts[-1].x},{facts[-1].y}")
    chains = [
        (mark_of(name).colour, " ".join(some)) for name, some in lines.items() if len(some) > 1
    ]
    return dense + facts, chains


def _drawn(curve: Sequence[tuple[float, float]], x: _Axis, y: _Axis) -> str:
    """A curve as SVG has it, each place once."""
    places = dict.fromkeys((x.at(at), y.at(value)) for at, value in curve)
    return " ".join(f"{left},{up}" for left, up in places)


def _short(value: float) -> str:
    """A power of ten, or a number below a thousand."""
    if value < 1000:
        return f"{value:g}"
    exponent = f"{value:.0e}".partition("e+")[2].lstrip("0")
    return "10" + exponent.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
