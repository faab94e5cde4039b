"""What can be verified: the catalogue as a list, as a table in Markdown, and how sizes grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.wording import joined, printable
from constructions.option import Option
from verify.cli.output import COLUMNS

if TYPE_CHECKING:  # sympy takes a second to import
    from bounds.limits import Growth

LIMITS = {
    "d_model": "d_model",
    "d_mlp": "d_mlp",
    "B_T": "internal_bits",
    "facts in B_T": "internal_fact_bits",
    "B_e": "embedding_bits",
    "facts in B_e": "embedding_fact_bits",
}
"""What is shown as N -> oo, with its name in `bounds.sizes.Costs`."""
NARROWEST = 40
"""Characters that a claim has at least, however long names are."""


def catalogue_lines(own: Sequence[Construction] = ()) -> str:
    """`python -m verify list`: name, theorem and claim of each construction; `own` are those of
    the user's.
    """
    entries = (*CATALOGUE.values(), *own)
    rows = [
        (
            "construction",
            "theorem",
            "what is verified on every query, with its sizes and its margin",
        )
    ]
    rows += [
        (
            e.name,
            e.theorem,
            e.claim
            + (f" (needs {e.needs})" if e.needs else "")
            + (" (stored facts alone are claimed)" if e.stored_only else ""),
        )
        for e in entries
    ]
    shown = [[printable(text) for text in row] for row in rows]
    names, theorems = (max(len(row[i]) for row in shown) + 2 for i in (0, 1))
    room = max(NARROWEST, COLUMNS - names - theorems)
    lines = []
    for name, theorem, claim in shown:
        first, *others = wrap(claim, room, break_on_hyphens=False) or [""]
        lines.append(f"{name:<{names}}{theorem:<{theorems}}{first}".rstrip())
        lines += [" " * (names + theorems) + other for other in others]
    return joined(lines)


def catalogue_table() -> str:
    """The table theorem - construction - sizes - file - test - check of docs/README.md, in
    Markdown.
    """
    from bounds.symbols import SYMBOLS, Expressions

    rows = [
        (
            "| theorem | construction | d_model | d_mlp | layers | heads | file | proof | test |"
            " check |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for e in CATALOGUE.values():
        sizing = e.sized(Expressions(**SYMBOLS))
        check = f"python -m verify {e.name} -N 100 -R 4" + (" -k 2" if e.multi_hop else "")
        rows.append(
            f"| {e.theorem} | `{e.name}` | `{sizing.d_model}` | `{sizing.d_mlp}` |"
            f" `{sizing.n_layers}` | `{sizing.n_heads}` |"
            f" [{e.file}.py](../constructions/theorems/{e.file}.py) |"
            f" [{e.file}.md](theorems/{e.file}.md) |"
            f" [test_{e.file}.py](../tests/theorems/test_{e.file}.py) | `{check}` |"
        )
    return joined(rows)


def limits_lines(own: Sequence[Construction] = ()) -> str:
    """`python -m verify list --limits`: how each construction grows with N, and how near all its
    fact bits come; `own` are those of the user's.
    """
    from bounds.limits import efficiency_limit

    options, between = _options()
    lines = [
        f"as N -> oo, with everything else fixed, for R >= 2{between}; B_T, B_e: bits inside, of"
        " one embedding"
    ]
    for entry in (*CATALOGUE.values(), *own):
        lines.append(f"{entry.name} ({entry.theorem})")
        for title, found in _leading_terms(entry):
            leading = str(found)
            lines.append(f"  {title} = 0" if leading == "0" else f"  {title} / ({leading}) -> 1")
        limit = str(efficiency_limit(entry)).replace("**", "^")
        lines.append(f"  all fact bits / log2 (N!)^R -> {limit}")
    lines.append("tree(R, n) = 1 + R + ... + R^(n-1); bits(n) = ceil(log2 n)")
    lines += [f"{symbol}: {option.help}" for symbol, option in options.items()]
    return joined(lines)


def _options() -> tuple[dict[str, Option], str]:
    """The options of the catalogue by symbol; and for which of their values limits are shown."""
    options = {option.symbol: option for e in CATALOGUE.values() for option in e.options}
    most = {s: _most(one) for s, one in options.items() if one.most is not None}
    between = "".join(f" and 1 <= {symbol} < {last}" for symbol, last in most.items())
    return options, between


def _most(option: Option) -> Any:
    """The most that an option may be, in R and k."""
    from bounds.symbols import SYMBOLS

    return option.most(SYMBOLS["R"], SYMBOLS["k"]) if option.most is not None else None


def _leading_terms(entry: Construction) -> Iterator[tuple[str, Growth]]:
    """What sizes of an entry are shown in the limit, for R >= 2 and the options between their
    ends.
    """
    import sympy

    from bounds.limits import growth
    from bounds.symbols import SYMBOLS

    options, _ = _options()
    most = [(SYMBOLS[s], _most(one)) for s, one in options.items() if one.most is not None]
    positive = [e for symbol, last in most for e in (symbol, last - symbol)]
    usual = {sympy.Min(1, e): 1 for e in (*positive, SYMBOLS["R"] - 1)}
    for title, formula in LIMITS.items():
        found = growth(entry, formula)
        factor = found.factor.subs(usual).doit()
        forms = (found._replace(factor=form(factor)) for form in (sympy.expand, sympy.factor))
        yield title, min(forms, key=lambda one: len(str(one)))


def latex_table() -> str:
    """`python -m verify list --latex`: the table theorem - construction - sizes for a paper, in
    the symbols of `constructions.sizes.symbols.Symbols`.
    """
    import sympy

    from bounds.formulas import formula

    sizes = ("d_model", "d_mlp", "n_layers", "n_heads")
    titles = (r"$d_{\mathrm{model}}$", r"$d_{\mathrm{mlp}}$", "layers", "heads")
    rows = [
        [e, *(f"${sympy.latex(formula(e, size).of_tables)}$" for size in sizes)]
        for e in CATALOGUE.values()
    ]
    options, _ = _options()
    return joined(
        [
            "% m, b, c, p: bits of an answer, a state, a relation, a position; M: of the answers",
            "% of all relations; u: 1 where facts are missing; I_R(n) = 1 + R + ... + R^(n-1)",
            *(f"% {symbol}: {option.help}" for symbol, option in options.items()),
            *_tabular(titles, rows),
        ]
    )


def latex_limits() -> str:
    """`python -m verify list --latex --limits`: the leading terms as N -> oo, for a paper."""
    import sympy

    from bounds.limits import efficiency_limit

    titles = (
        *(r"$d_{\mathrm{model}}$", r"$d_{\mathrm{mlp}}$", "$B_T$", "facts in $B_T$", "$B_e$"),
        *("facts in $B_e$", r"all facts $/ \log_2 (N!)^R$"),
    )
    rows = [
        [
            e,
            *(f"${found.latex()}$" for _, found in _leading_terms(e)),
            f"${sympy.latex(efficiency_limit(e))}$",
        ]
        for e in CATALOGUE.values()
    ]
    _, between = _options()
    return joined(
        [
            f"% leading terms as N -> oo, with everything else fixed, for R >= 2{between}",
            *_tabular(titles, rows),
        ]
    )


def _tabular(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Constructions and what is said of them, as LaTeX that needs no package."""
    lines = [
        [e.theorem, rf"\texttt{{{e.name}}}".replace("_", r"\_"), *cells] for e, *cells in rows
    ]
    return [
        rf"\begin{{tabular}}{{ll{'l' * len(titles)}}}",
        r"\hline",
        " & ".join(["theorem", "construction", *titles]) + r" \\",
        r"\hline",
        *(" & ".join(line) + r" \\" for line in lines),
        r"\hline",
        r"\end{tabular}",
    ]
