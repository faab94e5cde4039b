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
        (
            f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}: the facts"
            f" are {down(shown.limit, 2)} bits (log2 N!^R)"
        ),
        "",
        f"B_T, the internal bits, of models whose answers are wrong in a share {share} at most:",
        "global, sharpened global: of all queries, whatever the bijections are",
        "shared leaves: of the queries from each subject, whatever the bijections are",
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
    lines += [
        f"{column.title}: {cell}"
        for column, cell in zip(COLUMNS, shown.curves[0][1], strict=True)
        if isinstance(cell, str)
    ]
    if shown.all_tensors is not None:
        lines.append(f"all tensors together: at least {down(shown.all_tensors)} bits")
    lines += [
        "rounded down; B_e = 0: what all tensors together need, the unembedding among them",
        "of bijections drawn after the format was fixed, at most a share 2^-c is answered so well"
        " by models",
        "with c bits fewer than global says: docs/imperfect-recall.md",
    ]
    return joined(lines)


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
