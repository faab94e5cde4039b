"""The table of cells: a line for each, and the reasons of those that did not pass."""

from __future__ import annotations

from constructions.guards.wording import joined
from verify.cells.results import CellResult
from verify.cli.reports.checks import margin_line, proof_line
from verify.cli.reports.columns import Column, row
from verify.cli.reports.rounding import factor

WIDE = (
    Column("theorem", 13, left=True),
    Column("construction", 27, left=True),
    Column("form", 15),
    Column("N", 7),
    Column("R", 4),
    Column("k", 2),
    Column("facts", 8, left=True),
    Column("dtype", 8, left=True),
    Column("d_model=formula", 16),
    Column("d_mlp", 6),
    Column("layers", 7),
    Column("heads", 6),
    Column("parameters", 12),
    Column("B_T", 10),
    Column("B_e", 7),
    Column("B_T/bound", 9),
    Column("queries", 9),
    Column("wrong", 6),
    Column("margin", 8),
    Column("proof", 6),
    Column("seconds", 8),
    Column("verdict", 8, left=True),
)
NARROW = (
    Column("construction", 38, left=True),
    Column("N", 6),
    Column("R", 3),
    Column("k", 2),
    Column("queries", 10),
    Column("wrong", 5),
    Column("margin", 8),
    Column("verdict", 7, left=True),
    Column("seconds", 7),
)
"""Under 100 characters. What is not usual of a cell (partial facts, a form) is named beside the
construction.
"""


def header(wide: bool) -> str:
    """The column titles of `line`."""
    columns = WIDE if wide else NARROW
    return row([column.title for column in columns], columns)


def line(result: CellResult, wide: bool) -> str:
    """One cell in one line."""
    values = _values(result)
    if wide:
        return joined([row([values[column.title] for column in WIDE], WIDE)])
    cell = result.cell
    unusual = ", ".join([*(["partial"] * (cell.facts == "partial")), *filter(None, [cell.form])])
    values["construction"] += f" ({unusual})" if unusual else ""
    return joined([row([values[column.title] for column in NARROW], NARROW)])


def notes(result: CellResult) -> str:
    """What is to be said of a cell beside its line, in lines of their own: why it did not pass,
    a separation, wrong answers. Empty if there is nothing.
    """
    said = []
    if (verdict := result.verdict) != "PASS":
        said.append(f"    why {verdict}: {result.reason}")
    if result.sizes is not None and result.sizes.expected is None:
        said.append(
            f"    sizes are counted and compared with nothing: {result.entry.name} has no size"
            " formulas"
        )
    if result.not_claimed:
        said.append(f"    {result.claimed}")
    if result.bounds is not None and result.bounds.separation is not None:
        costs = result.bounds.costs
        said.append(
            f"    separated: {costs.internal_bits:,} internal bits; without chain-of-thought,"
            f" with embeddings of {costs.embedding_bits:,} bits and a fixed unembedding, no model"
            f" has fewer than {factor(result.bounds.separation)} times as many"
        )
    if result.recall is not None:
        said += [f"    {counterexample}" for counterexample in result.recall.counterexamples]
    return joined(said)


def way(result: CellResult, saved: bool) -> str:
    """What has decided the answers, in lines of their own; empty if nothing has. `saved`: whether
    the model was saved for the user.
    """
    if result.form is not None:
        return joined(f"    {line}" for line in result.form.ways())
    if result.by is None:
        return ""
    weights = "the weights, as saved" if saved else "the weights, saved to a temporary folder"
    opinion = f"{weights}, are proven"
    if result.proof is not None and result.proof.proven.verdict != "PASS":
        opinion = f"the checker says {result.proof.proven.verdict} of {weights}"
    every, all_queries = "all", "all queries"
    if result.not_claimed:
        every, all_queries = "all stored ones", "all stored queries"
    said = {
        "queries": f"by queries: {every} were run",
        "proof": f"by proof: {opinion}",
        "both": f"by both: {all_queries} were run, and {opinion}",
    }
    lines = [said[result.by]]
    if result.proof is not None and result.proof.sample is not None:
        if result.by_proof_alone:
            lines.append("proof: " + proof_line(result.proof.proven))
            if result.proof.proven.verdict == "PASS":
                lines.append(margin_line(result.proof.proven))
        lines.append(result.proof.sample.in_words())
    return joined(f"    {line}" for line in lines)


def _values(result: CellResult) -> dict[str, str]:
    """What stands in each column, by its title; `-` for what was not found."""
    cell, sizes, form = result.cell, result.sizes, result.form
    entry = result.entry
    built = form.sizes if form is not None else sizes.found if sizes is not None else None
    best = None if result.bounds is None else result.bounds.tightest
    given = dict(cell.options)
    options = [(o.symbol, given[o.name]) for o in entry.options if o.name in given]
    d_model = None if built is None else str(built.d_model)
    if sizes is not None:
        found = sizes.found.d_model
        d_model = str(found)
        if sizes.expected is not None:
            formula = sizes.expected.d_model
            d_model += f"{'=' if found == formula else '!='}{formula}"
    return {
        "theorem": entry.theorem,
        "construction": entry.name + "".join(f" {symbol}={value}" for symbol, value in options),
        "form": cell.form or "-",
        "N": str(cell.entities),
        "R": str(cell.relations),
        "k": str(cell.hops),
        "facts": cell.facts,
        "dtype": result.dtype,
        "d_model=formula": _or_dash(d_model),
        "d_mlp": _or_dash(built and built.d_mlp),
        "layers": _or_dash(built and built.n_layers),
        "heads": _or_dash(built and built.n_heads),
        "parameters": _or_dash(built and built.parameters),
        "B_T": _or_dash(sizes and sizes.found.internal_bits),
        "B_e": _or_dash(sizes and sizes.found.embedding_bits),
        "B_T/bound": "-" if best is None or best.ratio is None else f"{best.ratio:.4g}",
        "queries": _or_dash(result.queries),
        "wrong": _or_dash(result.wrong),
        "margin": "-" if result.margin is None else f"{result.margin:.4g}",
        "proof": "-" if result.proven is None else result.proven.verdict,
        "seconds": f"{result.seconds:.2f}",
        "verdict": result.verdict,
    }


def _or_dash(value: object) -> str:
    """The value in words; a dash if there is none."""
    return "-" if value is None else str(value)
