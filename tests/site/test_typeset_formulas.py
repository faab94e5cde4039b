"""The site sets formulas as they stand on the pages, and leaves names and commands alone."""

import re
import sys
from html import unescape
from xml.etree import ElementTree

import pytest
from page_blocks import ROOT

sys.path.insert(0, str(ROOT / "docs" / "extensions"))
from formulas import pieces
from notation import BRACKETS, GREEK

FORMULAS = {
    "x_r": "xr",
    "x_{r,j}": "xr,j",
    "R^(k-1) m": "Rk−1m",
    "m = max(1, ceil(log2 N'))": "m=max(1,⌈log2N′⌉)",
    "<c(t), c(t')> = m - 2h": "⟨c(t),c(t′)⟩=m−2h",
    "|<c(t*) - c(t), c(x)>| <= 2h": "|⟨c(t∗)−c(t),c(x)⟩|≤2h",
    "[asked > 0]": "[asked>0]",
    "-Q <= -(K - L (2 R - 1)) <= -M": "−Q≤−(K−L(2R−1))≤−M",
    "2^-c |F|": "2−c|F|",
    "f_w^{-1}(t)": "fw−1(t)",
    "sum_{i<20} 1/i!": "∑i<201/i!",
    "E[relation r]": "E[relationr]",
    "R*Max(1, digits(a, 2**C)) + 1": "R·Max(1,digits(a,2C))+1",
    "w* = r_{(i-1)j+1} ... r_min(ij, k)": "w∗=r(i−1)j+1…rmin(ij,k)",
    "H(f | W) <= log2(N!) + A(J_u)": "H(f|W)≤log2(N!)+A(Ju)",
    "2 (sum of blocks) - 1": "2(sumofblocks)−1",
    "B_e": "Be",
    "beta": "β",
    "65,536": "65,536",
}
CODE = (
    "selector",
    "d_model",
    "proposition_1",
    "float32",
    "install(other_facts)",
    "share_layers=True",
    "codebook=Codebook.of(facts, other_facts)",
    'facts="functions"',
    "python -m verify selector -N 4096 -R 16",
    "--looked-up 2",
    "bounds/counting.py",
    "known-answers",
    "subject<TAB>relation<TAB>object",
    "words i",
    "x_(r",
    "a)",
    "x_",
    "",
)


def shown(formula):
    """The signs of a formula, in their order."""
    trees = [ElementTree.fromstring(piece) for piece in pieces(formula)]
    return "".join("".join(tree.itertext()) for tree in trees)


@pytest.mark.parametrize(("written", "expected"), FORMULAS.items())
def test_a_formula_is_set_with_all_its_signs(written, expected):
    assert shown(written) == expected


@pytest.mark.parametrize("text", CODE)
def test_a_name_a_call_and_a_command_stay_code(text):
    assert pieces(text) is None


def test_indices_and_exponents_stand_where_they_belong():
    assert "<msub><mi>x</mi><mi>r</mi></msub>" in pieces("x_r")[0]
    assert "<msubsup>" in pieces("f_w^{-1}")[0]
    assert "<msup><mn>2</mn><mrow><mi>C</mi></mrow></msup>" in pieces("2**C")[0]
    assert "<msub>" not in pieces("x r")[0], "the control"


def test_a_line_may_break_between_operands_and_nowhere_else():
    assert len(pieces("a = b + c")) == 3
    assert len(pieces("f(a + b)")) == 1


def test_no_sign_of_any_formula_of_the_theorems_is_lost():
    """Letters and digits: what a formula shows has those of its text, in their order, but for the
    names of Greek letters, brackets and sums.
    """
    count = 0
    for page in sorted((ROOT / "docs/theorems").glob("*.md")):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        for written in set(re.findall(r"(?<!`)`([^`]+)`(?!`)", text)):
            if pieces(written) is None:
                continue
            count += 1
            found, expected = letters(unescape(shown(written))), letters(written)
            if "^" in written and "_" in written:  # x^s_j is set as x_j^s
                found, expected = sorted(found), sorted(expected)
            assert found == expected, (page.name, written)
    assert count > 900


def letters(text):
    """Single letters and digits of a text, Greek ones and the names of brackets left out."""
    names = "|".join([*GREEK, *BRACKETS, "sum(?! of| over)"])
    bare = re.sub(rf"(?<![a-zA-Z])({names})(?![a-zA-Z])", "", text)
    return re.sub(r"[^A-Za-z0-9]", "", bare)
