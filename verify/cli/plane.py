"""The capacity plane: bits of one embedding against internal bits, with all bounds and all
constructions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import ROUND_FLOOR, Context, Decimal
from pathlib import Path
from typing import Any

from bounds.logarithms import round_down
from bounds.lower_bound import Bound
from bounds.plans import Plan, plans
from bounds.theorem_4_2 import every_bound, information_limit
from constructions.guards.errors import InputError
from constructions.guards.wording import shortened
from verify.cli.output import joined
from verify.runner.against_bounds import BoundCheck, hold_against_bounds

_SOURCES = (
    "global and disjoint trees are the paper's, the others ours: docs/theorems/theorem_4_2.md"
)
# every float is an integer part of at most 309 digits and six decimals
_WIDE = Context(prec=400, rounding=ROUND_FLOOR)
COLUMNS = {
    "global": "global",
    "sharpened_global": "sharpened global",
    "disjoint_trees": "disjoint trees",
    "shared_leaves": "shared leaves",
    "fact_aware_unembedding": "fact-aware unembedding",
}


@dataclass(frozen=True)
class Plane:
    """Everything that is drawn, for N entities, R relations and k hops.

    Attributes:
        n_entities, n_relations, hops: N, R, k.
        limit: `log2 (N!)^R`, rounded down.
        curves: (B_e, all bounds there); the bound for fact-aware unembeddings with B_u = B_e.
        points: every construction with every choice of options, and the bounds beside it.
    """

    n_entities: int
    n_relations: int
    hops: int
    limit: float
    curves: list[tuple[int, dict[str, Bound | str]]]
    points: list[tuple[Plan, list[BoundCheck]]]


def plane(n_entities: int, n_relations: int, hops: int) -> Plane:
    """Evaluate the bounds at the powers of two times log2 N up to beyond R^k log2 N, and all
    constructions.
    """
    sizes = (n_entities, n_relations, hops)
    # A construction that does not take bijections stands in the table as well, without bounds.
    points = [
        (plan, hold_against_bounds(plan.costs, *sizes, plan.entry.takes_bijections))
        for plan in plans(*sizes)
    ]
    return Plane(
        *sizes,
        round_down(information_limit(n_entities, n_relations).lower),
        _curves(*sizes, 1),
        points,
    )


def _curves(
    n_entities: int, n_relations: int, hops: int, steps: int
) -> list[tuple[int, dict[str, Bound | str]]]:
    """The bounds at B_e = 0 and at `2^(i / steps) log2 N`, rounded up."""
    unit = max(1, (n_entities - 1).bit_length())
    doublings = min(64, math.ceil(hops * math.log2(n_relations))) + 1
    at = sorted({0, *(math.ceil(unit * 2 ** (i / steps)) for i in range(doublings * steps + 1))})
    return [(bits, every_bound(n_entities, n_relations, hops, bits, bits)) for bits in at]


def tables(shown: Plane) -> str:
    """The plane as text: the bounds by B_e, then the constructions with the bounds at their own
    B_e.
    """
    sizes = f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}"
    parts = [
        f"{sizes}: the facts are {down(shown.limit, 2)} bits (log2 N!^R)",
        "",
        (
            "B_T, the internal bits, of every model without chain-of-thought, at least, by B_e,"
            " the bits of one embedding"
        ),
        (
            "(fact-aware unembedding: for every unembedding, with B_u = B_e; the others for"
            " unembeddings that do not depend on the facts;"
        ),
        f"{_SOURCES})",
        *_bounds_table(shown.curves),
        "",
        (
            "the constructions, and the largest bound that applies at their own B_e: in dense"
            " bits, then in bits of facts"
        ),
        *_points_table(shown),
    ]
    return joined(parts)


def bounds_at(
    n_entities: int, n_relations: int, hops: int, embedding_bits: int, unembedding_bits: int
) -> str:
    """All bounds at one B_e and B_u, each with the numbers that attain it, or the condition that
    cannot be met.
    """
    found = every_bound(n_entities, n_relations, hops, embedding_bits, unembedding_bits)
    lines = [
        (
            f"N = {n_entities:,}, R = {n_relations:,}, k = {hops:,}, B_e = {embedding_bits:,}, B_u"
            f" = {unembedding_bits:,}: without chain-of-thought B_T, the internal bits, is at"
            " least"
        ),
        "with an unembedding that does not depend on the facts",
    ]
    for name, bound in found.items():
        reported = bound if isinstance(bound, str) else f"{down(bound.bits)}{_where(bound)}"
        if name == "fact_aware_unembedding":
            lines.append("with any unembedding")
        lines.append(f"  {COLUMNS[name]:<20}{reported}")
    return joined([*lines, f"rounded down; {_SOURCES}"])


def as_json(shown: Plane) -> dict[str, Any]:
    """The plane as plain data."""
    return {
        "N": shown.n_entities,
        "R": shown.n_relations,
        "k": shown.hops,
        "information_limit": shown.limit,
        "curves": [
            {
                "embedding_bits": bits,
                "bounds": [
                    {"name": n, "why": b} if isinstance(b, str) else asdict(b)
                    for n, b in found.items()
                ],
            }
            for bits, found in shown.curves
        ],
        "constructions": [
            {
                "construction": plan.entry.name,
                "options": dict(plan.options),
                **asdict(plan.costs),
                "total_bits": plan.total_bits,
                "bounds": [asdict(check) for check in checks],
            }
            for plan, checks in shown.points
        ],
    }


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each of the rows, which are of equal length: the first column left, the others
    right.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            [
                f"{row[0]:<{widths[0]}}",
                *(f"{cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]


def _bounds_table(curves: list[tuple[int, dict[str, Bound | str]]]) -> list[str]:
    rows = [["B_e", *COLUMNS.values()]]
    for bits, found in curves:
        cells = [found[name] for name in COLUMNS]
        rows.append(
            [
                shortened(bits),
                *("-" if isinstance(cell, str) else _positive(cell.bits) for cell in cells),
            ]
        )
        if set(rows[-1][1:]) <= {"-", "negative"}:  # and so it stays for more bits of embedding
            break
    notes = {
        name: cell for _, found in curves for name, cell in found.items() if isinstance(cell, str)
    }
    return [*columns(rows), *(f"{COLUMNS[name]}: {why}" for name, why in notes.items())]


def _points_table(shown: Plane) -> list[str]:
    rows = [
        [
            "construction",
            "B_e",
            "B_u",
            "B_T",
            "bound",
            "ratio",
            "facts: B_e",
            "B_T",
            "bound",
            "ratio",
            "all/limit",
        ]
    ]
    for plan, checks in shown.points:
        costs = plan.costs
        held = any(check.applies for check in checks)
        beside = [check for check in checks if check.applies] or (
            checks if costs.written_tokens > 1 else []
        )
        dense = max((check.bits for check in beside if check.bits is not None), default=None)
        facts = max(
            (check.fact_bits for check in beside if check.fact_bits is not None), default=None
        )
        all_facts = costs.internal_fact_bits + shown.n_entities * (
            costs.embedding_fact_bits + costs.unembedding_fact_bits
        )
        rows.append(
            [
                plan.label,
                *map(
                    shortened, (costs.embedding_bits, costs.unembedding_bits, costs.internal_bits)
                ),
                *_against(dense, costs.internal_bits, held),
                *map(shortened, (costs.embedding_fact_bits, costs.internal_fact_bits)),
                *_against(facts, costs.internal_fact_bits, held),
                f"{all_facts / shown.limit:.3f}" if shown.limit else "-",
            ]
        )
    notes = [
        (
            "bound: the largest that applies; none: it is not positive; exempt: none applies;"
            " all/limit: facts / log2 N!^R"
        ),
        (
            "in parentheses: exempt, tokens are written before the answer; dense ratio below 1:"
            " separated, for fixed unembeddings"
        ),
    ]
    return [*columns(rows), *notes]


def _positive(bits: float) -> str:
    return down(bits, 1) if bits >= 0 else "negative"


def _against(bound: float | None, bits: int, held: bool) -> tuple[str, str]:
    if bound is None:
        return "exempt", "-"
    if bound <= 0:
        return "none", "-"
    reported = down(bound, 1), f"{bits / bound:.3f}"
    return reported if held else (f"({reported[0]})", f"({reported[1]})")


def down(bits: float, digits: int = 6) -> str:
    """A number rounded down to so many decimals: what is printed is still a lower bound."""
    if math.isinf(bits):  # below the smallest float
        return "-inf"
    return f"{Decimal(bits).quantize(Decimal(1).scaleb(-digits), context=_WIDE):,}"


def _where(bound: Bound) -> str:
    values = (("M", bound.M), ("Q", bound.Q), ("i", bound.i), ("j", bound.j))
    reported = ", ".join(
        f"{name} = {shortened(value)}" for name, value in values if value is not None
    )
    return f"  at {reported}" if reported else ""


# -------------------------------------------------------------------- the picture

_LINES = {
    "global": ("#999999", "-", "global (paper)"),
    "sharpened_global": ("#555555", "--", "sharpened global (ours)"),
    "disjoint_trees": ("#d95f02", "-", "disjoint trees (paper)"),
    "shared_leaves": ("#1b9e77", "-", "shared leaves (ours)"),
    "fact_aware_unembedding": ("#7570b3", "-", "fact-aware unembedding, $B_u = B_e$ (ours)"),
}
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*", "<", ">", "p", "h", "d", "8")


def require_matplotlib() -> None:
    """Raise InputError if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(
            "--plot needs matplotlib: pip install '.[plot]' in a clone of this project"
        ) from None


def draw(shown: Plane, path: Path) -> None:
    """Write the plane as an SVG: bounds as curves; constructions as points, filled in bits of
    facts, hollow in dense bits.

    Raises:
        InputError: see `require_matplotlib`.
    """
    require_matplotlib()
    import io

    import matplotlib
    from matplotlib.figure import Figure

    from constructions.files.whole_file import write_atomically

    shown = replace(shown, curves=_curves(shown.n_entities, shown.n_relations, shown.hops, 16))
    settings: dict[Any, Any] = {
        "svg.hashsalt": "capacity plane",
        "svg.fonttype": "path",
        "font.size": 9,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(8.2, 5.2), layout="constrained")
        axes = figure.add_subplot()
        _draw_curves(axes, shown)
        _draw_points(axes, shown)
        unit = max(1, (shown.n_entities - 1).bit_length())
        axes.set_xscale("symlog", linthresh=unit, linscale=0.5)
        axes.set_yscale("symlog", linthresh=unit * shown.n_relations, linscale=0.3)
        axes.set_xlim(left=-0.15 * unit)
        axes.set_ylim(bottom=-0.2 * unit * shown.n_relations)
        axes.set_xlabel("$B_e$: bits of one token's embedding")
        axes.set_ylabel("$B_T$: bits inside (attention, MLPs, positions)")
        axes.set_title(f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}")
        axes.grid(alpha=0.25, linewidth=0.5)
        title = "filled: bits of facts\nhollow: all bits, dense"
        figure.legend(
            loc="outside right upper", frameon=False, fontsize=7.5, title=title, alignment="left"
        )
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_atomically(path, iter([text.getvalue()]))


def _draw_curves(axes: Any, shown: Plane) -> None:
    for name, (color, style, label) in _LINES.items():
        at = [(bits, found[name]) for bits, found in shown.curves]
        points = [
            (bits, bound.bits) for bits, bound in at if isinstance(bound, Bound) and bound.bits > 0
        ]
        if points:
            axes.plot(
                *zip(*points, strict=True),
                color=color,
                linestyle=style,
                linewidth=1.6,
                label=label,
                zorder=2,
            )
    axes.axhline(
        shown.limit,
        color="black",
        linewidth=0.8,
        linestyle=":",
        label=r"$\log_2 (N!)^R$",
        zorder=1,
    )


def _draw_points(axes: Any, shown: Plane) -> None:
    names = list(dict.fromkeys(plan.entry.name for plan, _ in shown.points))
    for index, name in enumerate(names):
        costs = [plan.costs for plan, _ in shown.points if plan.entry.name == name]
        color, marker = f"C{index % 10}", _MARKERS[index % len(_MARKERS)]
        exempt = " (unembedding knows facts)" * any(cost.unembedding_fact_bits for cost in costs)
        exempt += " (writes tokens)" * any(cost.written_tokens > 1 for cost in costs)
        if len(costs) > 1 and not exempt:
            bits = [(cost.embedding_fact_bits, cost.internal_fact_bits) for cost in costs]
            axes.plot(*zip(*bits, strict=True), color=color, linewidth=0.7, zorder=3)
        axes.scatter(
            [cost.embedding_fact_bits for cost in costs],
            [cost.internal_fact_bits for cost in costs],
            s=26,
            color=color,
            marker=marker,
            label=name + exempt,
            zorder=4,
            clip_on=False,
        )
        axes.scatter(
            [cost.embedding_bits for cost in costs],
            [cost.internal_bits for cost in costs],
            s=26,
            facecolors="none",
            edgecolors=color,
            marker=marker,
            linewidths=0.8,
            zorder=3,
        )
