"""The capacity plane as tables: the bounds by B_e, and every construction beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bounds.lower_bound import Bound, LowerBound
from bounds.theorem_4_2 import every_bound
from constructions.guards.wording import joined, shortened
from verify.cli.reports.columns import columns
from verify.cli.reports.plane import COLUMNS, Plane
from verify.cli.reports.rounding import down

_SOURCES = (
    "global and disjoint trees are the paper's, the others ours: docs/theorems/theorem_4_2.md"
)


def tables(shown: Plane) -> str:
    """The plane as text: the bounds by B_e, then the constructions with the bounds at their own
    B_e.
    """
    sizes = f"N = {shown.n_entities:,}, R = {shown.n_relations:,}, k = {shown.hops:,}"
    parts = [f"{sizes}: the facts are {down(shown.limit, 2)} bits (log2 N!^R)", ""]
    if shown.columns:
        parts += [
            (
                "B_T, the internal bits, of every model without chain-of-thought, at least, by"
                " B_e, the bits of one embedding"
            ),
            (
                "(fact-aware unembedding: for every unembedding, with B_u = B_e; the others for"
                " unembeddings that do not depend on the facts;"
            ),
            f"{_SOURCES})",
            *map(_in_words, shown.own),
            *_lines(bounds_table(shown.curves, shown.columns)),
            "",
        ]
    if shown.points:
        parts += [
            (
                "the constructions, and the largest bound that applies at their own B_e: in dense"
                " bits, then in bits of facts"
            ),
            *_lines(points_table(shown)),
        ]
    return joined(parts)


def bounds_at(
    n_entities: int,
    n_relations: int,
    hops: int,
    embedding_bits: int,
    unembedding_bits: int,
    own: Sequence[LowerBound] = (),
) -> str:
    """All bounds at one B_e and B_u, the user's as well, each with the numbers that attain it, or
    the condition that cannot be met.
    """
    sizes = (n_entities, n_relations, hops)
    found = every_bound(*sizes, embedding_bits, unembedding_bits)
    lines = [
        (
            f"N = {n_entities:,}, R = {n_relations:,}, k = {hops:,}, B_e = {embedding_bits:,}, B_u"
            f" = {unembedding_bits:,}: without chain-of-thought B_T, the internal bits, is at"
            " least"
        ),
        "with an unembedding that does not depend on the facts",
    ]
    width = max(map(len, COLUMNS.values())) + 2
    for name, bound in found.items():
        reported = bound if isinstance(bound, str) else f"{down(bound.bits)}{_where(bound)}"
        if name == "fact_aware_unembedding":
            lines.append("with any unembedding")
        lines.append(f"  {COLUMNS[name]:<{width}}{reported}")
    for mine in own:
        at = mine.at(*sizes, embedding_bits, unembedding_bits)
        lines.append(f"{_in_words(mine)}: {at if isinstance(at, str) else down(at.bits)}")
    return joined([*lines, f"rounded down; {_SOURCES}"])


def _in_words(bound: LowerBound) -> str:
    """A bound of the user's, with its hypotheses."""
    claim = f" ({bound.claim})" if bound.claim else ""
    unembedding = "fixed unembeddings" if bound.unembedding == "fixed" else "any unembedding"
    writing = ", with and without chain-of-thought" if bound.writing else ""
    return (
        f"{bound.name}{claim}, your own: of models that answer all {bound.facts}, with"
        f" {unembedding}{writing}"
    )


def bounds_table(
    at: list[tuple[int, dict[str, Bound | str]]], titles: Mapping[str, str]
) -> tuple[list[list[str]], list[str]]:
    """The bounds by B_e, a row for each below one of titles, and why a bound does not exist."""
    rows = [["B_e", *titles.values()]]
    for bits, found in at:
        cells = [found[name] for name in titles if name in found]
        rows.append(
            [
                shortened(bits),
                *("-" if isinstance(cell, str) else positive_bits(cell.bits) for cell in cells),
            ]
        )
        if set(rows[-1][1:]) <= {"-", "negative"}:  # and so it stays for more bits of embedding
            break
    notes = {
        name: cell for _, found in at for name, cell in found.items() if isinstance(cell, str)
    }
    return rows, [f"{titles[name]}: {why}" for name, why in notes.items()]


def points_table(shown: Plane) -> tuple[list[list[str]], list[str]]:
    """The constructions, a row for each with the largest bound beside each, below one of titles;
    and what the words in it mean.
    """
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
    for plan, against in shown.points:
        costs, checks = plan.costs, against.checks
        held = any(check.applies for check in checks)
        beside = [check for check in checks if check.applies] or (
            list(checks) if costs.written_tokens > 1 else []
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
    return rows, notes


def _lines(table: tuple[list[list[str]], list[str]]) -> list[str]:
    """A table and its notes as lines."""
    rows, notes = table
    return [*columns(rows), *notes]


def positive_bits(bits: float) -> str:
    """A bound; below 0 it says nothing."""
    return down(bits, 1) if bits >= 0 else "negative"


def _against(bound: float | None, bits: int, held: bool) -> tuple[str, str]:
    """A bound and the ratio of a model's bits to it; in parentheses where it does not apply."""
    if bound is None:
        return "exempt", "-"
    if bound <= 0:
        return "none", "-"
    reported = down(bound, 1), f"{bits / bound:.3f}"
    return reported if held else (f"({reported[0]})", f"({reported[1]})")


def _where(bound: Bound) -> str:
    """The numbers at which a bound is attained."""
    values = (("M", bound.M), ("Q", bound.Q), ("i", bound.i), ("j", bound.j))
    reported = ", ".join(
        f"{name} = {shortened(value)}" for name, value in values if value is not None
    )
    return f"  at {reported}" if reported else ""
