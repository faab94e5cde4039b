"""What can be verified: the catalogue as a list, as a table in Markdown, and how sizes grow."""

from __future__ import annotations

from collections.abc import Sequence

from constructions.catalogue import CATALOGUE
from constructions.entry import Construction
from constructions.guards.wording import joined


def catalogue_lines(own: Sequence[Construction] = ()) -> str:
    """`python -m verify list`: name, theorem and claim of each construction; `own` are those of
    the user's.
    """
    entries = (*CATALOGUE.values(), *own)
    width = max(len(e.name) for e in entries) + 2
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
    return joined(f"{name:<{width}}{theorem:<14}{claim}" for name, theorem, claim in rows)


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
    import sympy

    from bounds.limits import efficiency_limit, growth
    from bounds.symbols import SYMBOLS

    relations, hops = SYMBOLS["R"], SYMBOLS["k"]
    options = {option.symbol: option for e in CATALOGUE.values() for option in e.options}
    most = {s: one.most(relations, hops) for s, one in options.items() if one.most is not None}
    between = "".join(f" and 1 <= {symbol} < {last}" for symbol, last in most.items())
    positive = [e for s, last in most.items() for e in (SYMBOLS[s], last - SYMBOLS[s])]
    usual = {sympy.Min(1, e): 1 for e in (*positive, relations - 1)}
    lines = [
        f"as N -> oo, with everything else fixed, for R >= 2{between}; B_T, B_e: bits inside, of"
        " one embedding"
    ]
    for entry in (*CATALOGUE.values(), *own):
        lines.append(f"{entry.name} ({entry.theorem})")
        for title, formula in (
            ("d_model", "d_model"),
            ("d_mlp", "d_mlp"),
            ("B_T", "internal_bits"),
            ("facts in B_T", "internal_fact_bits"),
            ("B_e", "embedding_bits"),
            ("facts in B_e", "embedding_fact_bits"),
        ):
            found = growth(entry, formula)
            factor = found.factor.subs(usual).doit()
            leading = min(
                (
                    str(found._replace(factor=form(factor)))
                    for form in (sympy.expand, sympy.factor)
                ),
                key=len,
            )
            lines.append(f"  {title} = 0" if leading == "0" else f"  {title} / ({leading}) -> 1")
        limit = str(efficiency_limit(entry)).replace("**", "^")
        lines.append(f"  all fact bits / log2 (N!)^R -> {limit}")
    lines.append("tree(R, n) = 1 + R + ... + R^(n-1); bits(n) = ceil(log2 n)")
    lines += [f"{symbol}: {option.help}" for symbol, option in options.items()]
    return joined(lines)
