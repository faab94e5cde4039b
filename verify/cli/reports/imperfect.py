"""The bounds for imperfect recall as a table: of models that answer some queries wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from bounds.average_error import average_global_bound, average_shared_leaves_bound
from bounds.imperfect import (
    imperfect_global_bound,
    imperfect_shared_leaves_bound,
    imperfect_sharpened_global_bound,
    recall_bound,
)
from bounds.logarithms import round_down
from bounds.lower_bound import Bound
from bounds.theorem_4_2 import information_limit
from constructions.guards.errors import InputError
from constructions.guards.wording import joined, shortened
from verify.cli.output import folded
from verify.cli.reports.columns import columns
from verify.cli.reports.plane import embedding_bits
from verify.cli.reports.plane_tables import positive_bits
from verify.cli.reports.rounding import down


class _Column(NamedTuple):
    """A bound and its title in the table."""

    title: str
    bound: Callable[[int, int, int, int, Fraction], Bound]


COLUMNS = (
    _Column("global", imperfect_global_bound),
    _Column("sharpened global", imperfect_sharpened_global_bound),
    _Column("shared leaves", imperfect_shared_leaves_bound),
    _Column("average global", average_global_bound),
    _Column("average shared leaves", average_shared_leaves_bound),
)


@dataclass(frozen=True)
class ImperfectRecall:
    """What is shown, for N entities, R relations and k hops.

    Attributes:
        n_entities, n_relations, hops: N, R, k.
        wrong_share: of the answers that may be wrong.
        limit: `log2 (N!)^R`, rounded down.
        all_tensors: for one hop, the bits of all tensors together; None for more hops.
        curves: (B_e, the bounds there, or why there is none).
    """

    n_entities: int
    n_relations: int
    hops: int
    wrong_share: Fraction
    limit: float
    all_tensors: float | None
    curves: list[tuple[int, list[Bound | str]]]


def imperfect_recall(
    n_entities: int,
    n_relations: int,
    hops: int,
    wrong_share: Fraction,
    one: int | None = None,
) -> ImperfectRecall:
    """Evaluate the bounds at one B_e, or at the powers of two times log2 N up to beyond R^k
    log2 N.
    """
    sizes = (n_entities, n_relations, hops)
    at = embedding_bits(*sizes, 1) if one is None else [one]
    wrong = int(wrong_share * n_entities * n_relations)
    return ImperfectRecall(
        *sizes,
        wrong_share,
        round_down(information_limit(n_entities, n_relations).lower),
        recall_bound(n_entities, n_relations, wrong).bits if hops == 1 else None,
        [(bits, [_at(column, sizes, bits, wrong_share) for column in COLUMNS]) for bits in at],
    )


def _at(
    column: _Column, size: tuple[int, int, int], bits: int, wrong_share: Fraction
) -> Bound | str:
    """A bound, or why there is none."""
    try:
        return column.bound(*size, bits, wrong_share)
    except InputError as error:
        return str(error)


def table(shown: ImperfectRecall) -> str:
    """The bounds by B_e, a line for each."""
    share = shortened(shown.wrong_share)
    lines = [
        *folded(
            f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}: the facts"
            f" are {down(shown.limit, 2)} bits (log2 N!^R)"
        ),
        "",
        f"B_T, the internal bits, of models whose answers are wrong in a share {share} at most:",
        "global, sharpened global: of all queries, whatever the bijections are",
        f"shared leaves: {_of_each_subject(shown)}, whatever the bijections are",
        "average: of all queries and all bijections, on average",
        "(without chain-of-thought, for unembeddings that do not depend on the facts; all ours)",
    ]
    rows = [["B_e", *(column.title for column in COLUMNS)]]
    for bits, found in shown.curves:
        cells = ["-" if isinstance(cell, str) else positive_bits(cell.bits) for cell in found]
        rows.append([shortened(bits), *cells])
        if set(cells) <= {"-", "negative"} and len(shown.curves) > 1:
            break
    lines += columns(rows)
    for column, cell in zip(COLUMNS, shown.curves[0][1], strict=True):
        if isinstance(cell, str):
            lines += folded(f"{column.title}: {cell}")
    if shown.all_tensors is not None:
        lines.append(f"all tensors together: at least {down(shown.all_tensors)} bits")
    lines += [
        "rounded down; B_e = 0 says what all tensors together need, under the same hypothesis",
        "if facts are drawn at random after the number format is fixed, a model c bits below",
        "global is so often right with probability at most 2^-c: docs/imperfect-recall.md",
    ]
    return joined(lines)


def _of_each_subject(shown: ImperfectRecall) -> str:
    """Of how many queries from each subject how many may be wrong, in whole numbers."""
    count = shown.n_relations**shown.hops if shown.hops < 64 else None
    if count is None or count >= 10**6:
        return "of the queries from each subject"
    return f"{int(shown.wrong_share * count):,} of the {count:,} queries from each subject"


def as_json(shown: ImperfectRecall) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "N": shown.n_entities,
        "R": shown.n_relations,
        "k": shown.hops,
        "wrong_share": str(shown.wrong_share),
        "information_limit": shown.limit,
        "all_tensors": shown.all_tensors,
        "curves": [
            {
                "embedding_bits": bits,
                "bounds": [
                    {"name": column.title, "why": cell} if isinstance(cell, str) else asdict(cell)
                    for column, cell in zip(COLUMNS, found, strict=True)
                ],
            }
            for bits, found in shown.curves
        ],
    }
