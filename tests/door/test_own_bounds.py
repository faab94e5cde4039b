"""A bound that a user defines is shown as a curve, and held against all constructions."""

import json
import math
from fractions import Fraction

import pytest
from own_files import IDLE, TERNARY

from bounds.lower_bound import Bound, LowerBound
from bounds.theorem_4_2 import LOWER_BOUNDS, global_bound
from constructions import InputError, UserCodeError, construction
from constructions.guards.user_code import loaded
from verify import check_bound
from verify.__main__ import main
from verify.cells.held_bounds import GRID

SIZES = [(64, 2, 2), (256, 4, 1)]
START = "from bounds.lower_bound import LowerBound\n\n"
FALSE = """
def too_much(n, r, k, b_e):
    \"\"\"Twice the facts are inside.\"\"\"
    return 2 * n * r * (n - 1).bit_length() - (n + r) * b_e

mine = LowerBound(too_much)
"""
RAISES = """
def unlucky(n, r, k, b_e):
    return 1 / (n - n)

mine = LowerBound(unlucky)
"""


def bound_of(bits, **hypotheses):
    return LowerBound(lambda n, r, k, b_e: bits, name="mine", **hypotheses)


def own_bound(folder, text):
    """A file of a user's, and the text that names the bound in it."""
    path = folder / "bounds_of_mine.py"
    path.write_text(START + text)
    return f"{path}:mine"


def words(*given):
    return ["bound", "-N", "256", "-R", "4", "-k", "2", *given]


def test_a_true_bound_passes_and_is_a_column_of_the_table(capsys):
    assert main(words("--with", IDLE)) == 0
    printed = capsys.readouterr().out
    header = next(line for line in printed.split("\n") if line.startswith("B_e  "))
    assert header.endswith("  idle_relation")
    assert "your own: of models that answer all bijections, with fixed unembeddings" in printed
    assert "\nPASS: idle_relation is held against all constructions at 96 sizes\n" in printed
    assert "\n    nothing lies below it; the nearest:\n    " in printed


def test_a_false_bound_fails_with_both_numbers(tmp_path, capsys):
    mine = own_bound(tmp_path, FALSE)
    assert main(words("--with", mine)) == 1
    printed = capsys.readouterr().out
    assert "\nFAIL: too_much is held against all constructions at 96 sizes\n" in printed
    assert (
        "\n    the bound is wrong, or lacks a hypothesis:\n    digit_selector C=2 at N = "
        in printed
    )
    found = check_bound(loaded(mine), sizes=[(64, 1, 1)])
    assert found.verdict == "FAIL"
    (first, *_) = found.faults()
    assert first == (
        "selector at N = 64, R = 1, k = 1 has B_T = 168 bits inside, B_e = 7, and the bound says"
        " at least 313"
    )


def test_a_true_bound_is_a_weaker_form_of_theorem_4_2_at_every_size_of_the_grid():
    idle = loaded(IDLE)
    for n, r, k in GRID:
        ours = global_bound(n, r, k, 7).bits
        assert idle.at(n, r, k, 7, 7).bits <= ours + 1e-6
    assert check_bound(idle).verdict == "PASS"


def test_every_bound_of_ours_passes_on_the_same_road():
    for name, bound in LOWER_BOUNDS.items():
        found = check_bound(bound, sizes=[*SIZES, (4096, 4, 3)])
        assert found.verdict == "PASS", name
        assert found.nearest.have >= found.nearest.need > 0


def test_what_says_nothing_is_unknown():
    found = check_bound(bound_of(-1), sizes=SIZES)
    assert (found.verdict, found.positive) == ("UNKNOWN", 0)
    assert "it is positive nowhere where it applies" in str(found)
    nowhere = LowerBound(lambda n, r, k, b_e: _refuse(), name="nowhere")
    found = check_bound(nowhere, sizes=SIZES)
    assert (found.verdict, found.applied) == ("UNKNOWN", 0)


def _refuse():
    raise InputError("needs N > 2^40")


def test_the_hypotheses_say_which_constructions_are_held():
    """Each hypothesis that is taken away lets more constructions be held."""
    sizes = [(256, 4, 2)]

    def applied(**hypotheses):
        return check_bound(bound_of(1, **hypotheses), sizes=sizes).applied

    usual = applied()
    any_unembedding = check_bound(
        LowerBound(lambda n, r, k, b_e, b_u: 1, unembedding="any", name="mine"), sizes=sizes
    ).applied
    assert any_unembedding == usual + 1, "meet_in_the_middle"
    assert applied(writing=True) == usual + 1, "a chain of thought that writes two tokens"
    assert applied(of_facts=True) == 2 * usual
    both = LowerBound(lambda n, r, k, b_e, b_u: 1, "any", "functions", name="mine")
    assert check_bound(both, sizes=sizes).applied == usual, "not meet_in_the_middle"


def test_a_bound_that_forgets_that_tokens_may_be_written_is_refuted_by_a_chain_of_thought():
    true = check_bound(LowerBound(shared, name="mine"), sizes=[(4096, 4, 2)])
    assert true.verdict == "PASS"
    bold = check_bound(LowerBound(shared, writing=True, name="mine"), sizes=[(4096, 4, 2)])
    assert bold.verdict == "FAIL"
    assert all("chain_of_thought" in fault for fault in bold.faults())


def shared(n, r, k, b_e):
    return LOWER_BOUNDS["shared_leaves"].function(n, r, k, b_e)


def test_constructions_of_a_users_own_are_held_too():
    mine = construction(TERNARY)
    found = check_bound(bound_of(10**9), own=[mine], sizes=[(64, 2, 1)])
    assert any("ternary_selector" in str(one) for one in found.below)
    assert "more lie below it" in str(found)


def test_one_point_and_data_hold_it_as_well(tmp_path, capsys):
    at = words("--embedding-bits", "8", "--with", IDLE)
    assert main(at) == 0
    printed = capsys.readouterr().out
    expected = loaded(IDLE).at(256, 4, 2, 8, 8).bits
    assert f"fixed unembeddings: {math.floor(expected):,}" in printed
    path = tmp_path / "plane.json"
    assert main(words("--with", IDLE, "--json", str(path))) == 0
    data = json.loads(path.read_text())
    assert data["curves"][1]["bounds"][-1]["name"] == "idle_relation"
    assert data["constructions"][0]["bounds"][-1]["name"] == "idle_relation"


@pytest.mark.long
def test_it_is_a_curve_of_the_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    texts = []
    for given in ([], ["--with", IDLE, "--with", TERNARY]):
        path = tmp_path / f"{len(given)}.svg"
        words_of = ["bound", "-N", "256", "-R", "4", "-k", "1", "--plot", str(path)]
        assert main([*words_of, *given]) == 0
        texts.append(path.read_text())
    for name in ("idle_relation (own)", "ternary_selector"):
        assert [name in text for text in texts] == [False, True]


@pytest.mark.parametrize(
    ("value", "bits"),
    [
        (5, 5.0),
        (Fraction(1, 3), 1 / 3),
        (2**60 + 1, float(2**60)),
        (Bound("mine", 4.5, M=3), 4.5),
    ],
)
def test_numbers_of_all_kinds_are_rounded_down(value, bits):
    found = bound_of(value).at(4, 2, 1, 3, 3)
    assert found.bits == bits
    assert Fraction(found.bits) <= (Fraction(value) if not isinstance(value, Bound) else bits)


@pytest.mark.parametrize(
    "value", [None, "many", math.nan, math.inf, [1], pytest.param(10**5000, id="huge")]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InputError, match="the bound mine must return a number of bits; got"):
        check_bound(bound_of(value), sizes=SIZES)


def test_an_error_in_a_users_bound_is_shown_where_it_is(tmp_path, capsys):
    mine = own_bound(tmp_path, RAISES)
    assert main(words("--with", mine)) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "error: the bound unlucky at N = 256, R = 4, k = 2, B_e = 30: Zero" in captured.err
    assert f"{tmp_path}/bounds_of_mine.py, line 5, in unlucky: return 1 / (n - n)" in captured.err
    with pytest.raises(UserCodeError, match="the bound unlucky at N = 64"):
        check_bound(loaded(mine), sizes=SIZES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"function": 3}, "function must be a function of N, R, k and the bits of an embedding"),
        ({"unembedding": "every"}, "unembedding must be 'fixed' or 'any'; got 'every'"),
        ({"facts": "tables"}, "facts must be 'bijections' or 'functions'; got 'tables'"),
    ],
)
def test_a_hypothesis_of_another_kind_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        LowerBound(**{"function": shared, **given})


def test_the_name_of_another_bound_is_taken(capsys):
    with pytest.raises(InputError, match="your bound is named 'global', as is one of Theorem"):
        check_bound(LowerBound(shared, name="global"))
    with pytest.raises(InputError, match="a LowerBound is needed: LowerBound"):
        check_bound(shared)
    assert main(words("--with", IDLE, "--with", IDLE)) == 2
    assert "two bounds are named 'idle_relation'; give each once" in capsys.readouterr().err


def test_attributes_that_are_left_out_have_sensible_values():
    idle = loaded(IDLE)
    assert idle.name == "idle_relation"
    assert idle.claim.startswith("With relation 0 the identity, the paths (r, 0, ..., 0) say")
