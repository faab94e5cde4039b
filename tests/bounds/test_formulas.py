"""Formulas as expressions: their values, their symbols, their LaTeX and their limits."""

import random
import re
import subprocess
import sys

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser
from own_files import ROOT, TERNARY
from strategies import large
from tiers import LONG, few

from bounds.formulas import SIZES, formula
from bounds.sizes import predicted_for_bijections
from constructions import CATALOGUE, FactTable, InputError
from constructions.sizes import theorem_4_1
from verify.__main__ import main
from verify.queries.capacity import capacity, format_of

BY_NAME = {
    "d_model": lambda model, bits: model.shape.d_model,
    "d_mlp": lambda model, bits: model.shape.d_mlp,
    "n_layers": lambda model, bits: model.shape.depth,
    "n_heads": lambda model, bits: model.shape.n_heads,
    "parameters": lambda model, bits: model.shape.n_parameters(),
    "d_vocab": lambda model, bits: model.shape.d_vocab,
    "internal_bits": lambda model, bits: bits.internal_bits,
    "embedding_bits": lambda model, bits: bits.embedding_bits,
    "unembedding_bits": lambda model, bits: bits.unembedding_bits,
}


def of_the_built_model(entry, n, r, k):
    """What is counted in a model, by the names of the formulas."""
    facts = entry.random_facts(n, r, seed=0)
    model = entry.build(facts, k)
    others = entry.build(FactTable.rotations(n, r), k) if entry.takes_bijections else model
    bits = capacity(model, format_of(others))
    return {name: measured(model, bits) for name, measured in BY_NAME.items()}


@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "chain_of_thought"))
def test_a_formula_gives_the_sizes_of_the_built_model_at_random_sizes(name):
    entry = CATALOGUE[name]
    for _ in range(2):
        n, r = random.randint(2, 12), random.randint(1, 4)
        k = random.randint(1, 3) if entry.multi_hop else 1
        counted = of_the_built_model(entry, n, r, k)
        if not entry.takes_bijections:  # its formulas are of other tables than are drawn here
            counted = {one: counted[one] for one in ("n_layers", "n_heads", "d_vocab")}
        at = {one: formula(name, one).at(N=n, R=r, k=k) for one in counted}
        assert at == counted, (n, r, k)
        assert at != {one: formula(name, one).at(N=n + 1, R=r, k=k) for one in at}, "the control"


@given(large, st.integers(1, 40), st.integers(1, 5), st.data())
@settings(max_examples=10, deadline=None)
def test_a_formula_gives_what_plan_says_at_every_size(n, r, k, data):
    entry = CATALOGUE[data.draw(st.sampled_from(list(CATALOGUE)))]
    size = data.draw(st.sampled_from([one for one in SIZES if one != "d_vocab"]))
    k = k if entry.multi_hop else 1
    given = {
        one.name: data.draw(st.sampled_from(list(one.choices(r, k)))) for one in entry.options
    }
    by_symbol = {one.symbol: given[one.name] for one in entry.options}
    expected = getattr(predicted_for_bijections(entry, n, r, k, given), size)
    found = formula(entry, size)
    assert found.at(N=n, R=r, k=k, **given) == found.at(N=n, R=r, k=k, **by_symbol) == expected


def test_another_formula_in_the_one_source_is_another_expression(monkeypatch):
    """There is no second copy: what the file of sizes says is what is shown."""
    entry = CATALOGUE["selector"]
    wider = theorem_4_1.scalar_selector
    assert formula(entry, "d_model").at(N=100, R=4) == 29
    monkeypatch.setitem(vars(entry), "sizing", wider)
    assert formula(entry, "d_model").at(N=100, R=4) == 5


def test_symbols_are_substituted_by_name():
    found = formula("selector", "d_model")
    assert found.subs({"N": 10**6}) == 20 * sympy.Symbol("R") + 1
    assert found.subs({"N": 10**6, "R": 20}) == found.at(N=10**6, R=20) == 401
    assert sympy.Symbol("R") * found == sympy.Symbol("R") * found.expression
    assert found.of_tables == sympy.sympify("R*m + 1")
    assert formula("digit_selector", "d_model").subs({"N": 4096, "C": 3, "R": 4}) == 17
    assumed = sympy.Symbol("R", integer=True) + 1  # the control: what used to happen
    assert assumed.subs({"R": 3}) == assumed


def test_limits_are_those_of_the_list():
    assert str(formula("selector", "d_model").limit()) == "R log2(N)"
    assert formula("selector", "d_model").limit().latex() == r"R \, \log_2 N"
    rows = formula("key_value_rows_shared", "internal_bits").limit()
    assert rows.latex() == r"\left(R + 3\right) \, N \, \log_2 N"
    assert formula("selector", "internal_bits").limit().latex().endswith(r"(\log_2 N)^{2}")


def test_a_construction_of_ones_own_has_formulas():
    assert formula(TERNARY, "d_mlp").at(N=100, R=4) == 20
    assert r"\log_{3} N" in formula(TERNARY, "d_mlp").latex()
    least = formula(f"{ROOT / 'docs' / 'least_selector.py'}:mine", "d_model")  # an option D
    costs = predicted_for_bijections(least.construction, 4096, 4, 1, {"bits_per_coordinate": 3})
    assert least.at(N=4096, R=4, D=3) == costs.d_model == 16
    assert least.subs({"D": 3, "R": 4, "N": 4096}) == 16
    assert least.limit().powers == (0, 1, 0)


@pytest.mark.parametrize(
    ("size", "values", "message"),
    [
        ("d_model", {}, "it needs N and R; got k"),
        ("d_model", {"N": 5}, r"is R\*Max\(1, bits\(N\)\) \+ 1: it needs R; got N, k"),
        (
            "d_model",
            {"N": 5, "R": 2, "q": 1},
            "the formula d_model of selector is in N, R, k; got q",
        ),
        ("d_model", {"N": 0, "R": 2}, "N must be an integer of at least 1; got 0"),
        ("d_model", {"N": 2.5, "R": 2}, "N must be an integer"),
        ("d_model", {"N": 5, "R": 2, "k": 2}, "selector answers one hop; got 2"),
        ("width", {"N": 5, "R": 2}, "there are formulas of d_model, .*; got 'width'"),
    ],
)
def test_what_a_formula_cannot_say_is_refused(size, values, message):
    with pytest.raises(InputError, match=message):
        formula("selector", size).at(**values)
    assert formula("scalar_selector", "d_model").at(R=4) == 5  # which N is not in


def test_options_out_of_range_are_refused():
    with pytest.raises(InputError, match="looked_up must be an integer from 0 to 4; got 5"):
        formula("hybrid", "d_model").at(N=5, R=4, k=2, q=5)
    with pytest.raises(InputError, match="no construction is named 'select'"):
        formula("select", "d_model")


def cells_of(table):
    """All that stands between dollar signs in a table."""
    return re.findall(r"\$([^$]*)\$", table)


@pytest.mark.parametrize("words", [["--latex"], pytest.param(["--latex", "--limits"], marks=LONG)])
def test_the_table_for_a_paper_is_latex(words, capsys):
    assert main(["list", *words]) == 0
    table = capsys.readouterr().out
    parse = MathTextParser("path").parse
    rows = [line for line in table.splitlines() if line.endswith(r" \\")]
    assert len(rows) == len(CATALOGUE) + 1
    assert len({row.count(" & ") for row in rows}) == 1
    assert all(name.replace("_", r"\_") in table for name in CATALOGUE)
    for formula_ in cells_of(table):
        parse(f"${formula_}$")
    with pytest.raises(ValueError, match="frac"):  # the control
        parse(r"$\frac{R}$")
    assert table.count(r"\begin{tabular}") == table.count(r"\end{tabular}") == 1
    capsys.readouterr()
    assert main(["list", *words, "--with", TERNARY]) == 2
    assert "--latex is the table of the catalogue" in capsys.readouterr().err


def test_formulas_need_no_torch():
    code = (
        "import sys; from bounds.formulas import formula\n"
        "assert formula('selector', 'd_model').at(N=9, R=2) == 9\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
