"""How every cost grows with the number of entities."""

import math
from dataclasses import fields
from fractions import Fraction

import pytest
import sympy

from bounds.limits import efficiency_limit, growth
from bounds.sizes import Costs, predicted_for_bijections
from bounds.symbols import SYMBOLS
from constructions import CATALOGUE
from verify.cli.reports.catalogue import limits_lines
from verify.cli.reports.rounding import factor


def ratio_to_growth(entry, name, log_n, claimed=None):
    """A formula at N = 2^log_n over its leading term (or that of another formula), exactly."""
    given = {option.name: option.default(3, 2) for option in entry.options}
    hops = 2 if entry.multi_hop else 1
    value = getattr(predicted_for_bijections(entry, 2**log_n, 3, hops, given), name)
    found = growth(entry, claimed or name)
    known = {SYMBOLS[o.symbol]: given[o.name] for o in entry.options}
    known |= {SYMBOLS["R"]: 3, SYMBOLS["k"]: hops, SYMBOLS["c"]: 2, SYMBOLS["p"]: 2}
    factor = found.factor.subs(known).doit()
    assert factor.is_Rational, (name, found)
    a, b, c = found.powers
    factor = Fraction(int(factor.p), int(factor.q))
    leading = factor * Fraction(2) ** (log_n * a) * log_n**b * round(math.log2(log_n)) ** c
    return Fraction(value) / leading if leading else Fraction(1 + value)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_every_formula_tends_to_its_leading_term(entry):
    for field in fields(Costs):
        tends_to_its_leading_term(entry, field.name)


def tends_to_its_leading_term(entry, name, claimed=None):
    near, far = (abs(ratio_to_growth(entry, name, 2**e, claimed) - 1) for e in (12, 16))
    assert far < Fraction(2, 5), name
    assert far < near or far == near == 0, name


def test_limits_by_hand():
    selector, rows = CATALOGUE["selector"], CATALOGUE["key_value_rows_shared"]
    assert str(growth(selector, "d_model")) == "R log2(N)"
    assert str(growth(rows, "internal_bits")) == "(R + 3) N log2(N)"
    assert str(growth(rows, "internal_fact_bits")) == "R N log2(N)"
    assert efficiency_limit(selector) == 1
    assert efficiency_limit(CATALOGUE["key_value"]) == SYMBOLS["k"]
    precomputed = CATALOGUE["precomputed"]
    assert sympy.simplify(efficiency_limit(precomputed) - SYMBOLS["R"] ** (SYMBOLS["k"] - 1)) == 0


@pytest.mark.parametrize(
    "claimed",
    [
        lambda s: 2 * s.R * s.m,
        lambda s: s.R * s.m * s.m,
        lambda s: s.R,
        lambda s: s.R * s.m * s.bits(s.m),
        lambda s: s.N,
    ],
    ids=["2 R m", "R m m", "R", "R m bits(m)", "N"],
)
def test_a_wrong_leading_term_is_noticed(claimed):
    with pytest.raises(AssertionError):
        tends_to_its_leading_term(CATALOGUE["selector"], "d_model", claimed)


def test_printed_factors_are_rounded_down():
    assert [factor(x) for x in (3.3436, 1.37876, 55.6288, 1.0009999, 123456.7)] == [
        "3.343",
        "1.378",
        "55.62",
        "1.000",
        "123456",
    ]


def test_what_grows_in_no_known_way_is_refused():
    with pytest.raises(ValueError, match="growth of"):
        growth(CATALOGUE["selector"], lambda s: 2**s.N)


def test_limits_are_printed_for_every_construction():
    text = limits_lines()
    assert all(f"{name} (" in text for name in CATALOGUE)
    assert "d_model / (R log2(N)) -> 1" in text
