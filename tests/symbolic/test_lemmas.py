"""Every check of the symbolic checker names a lemma, and every lemma is named by a check."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "verify" / "symbolic").glob("*.py"))
PAGE = (ROOT / "docs" / "certificates.md").read_text("utf-8")
STATED = set(re.findall(r"\*\*Lemma (S\d+) \(", PAGE)) | set(
    re.findall(r"\*\*Lemma (S\d+)\.", PAGE)
)


def cited(text):
    """The lemmas that a text names: `Lemma S3`, `Lemmas S7 to S10`, `Lemmas S4 and S16`."""
    found = set()
    for names in re.findall(
        r"Lemmas? (S\d+(?:(?:,| and| to)\s+S\d+)*)", re.sub(r"\s+", " ", text)
    ):
        for first, last in re.findall(r"S(\d+)(?: to S(\d+))?", names):
            found |= {f"S{n}" for n in range(int(first), int(last or first) + 1)}
    return found


def test_the_lemmas_that_are_cited_are_those_that_are_stated():
    assert sorted(STATED, key=lambda name: int(name[1:])) == [f"S{n}" for n in range(1, 20)]
    assert set().union(*(cited(path.read_text("utf-8")) for path in FILES)) == STATED


def test_what_counts_as_a_citation():
    assert cited("see Lemma S3;  (Lemmas S7 to\n S9, S12 and S13)") == {
        "S3",
        *(f"S{n}" for n in (7, 8, 9, 12, 13)),
    }
    assert cited("lemma 4, K2, S5") == set()


def stops(node):
    """Whether a statement refuses, or leaves open, what is not proven."""
    named = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "require"
    return named or isinstance(node, ast.Raise)


FORM = {"claims", "layouts", "reading", "passes", "proof", "values", "run", "unembedding"}
"""Files some of whose functions look at the form of claims and files, or at sizes, alone."""


@pytest.mark.parametrize("path", [p for p in FILES if p.stem not in FORM], ids=lambda p: p.stem)
def test_every_function_that_may_refuse_names_its_lemma(path):
    source = path.read_text("utf-8")
    outer = list(ast.parse(source).body)
    outer += [inner for some in outer if isinstance(some, ast.ClassDef) for inner in some.body]
    for function in outer:
        if isinstance(function, ast.FunctionDef) and any(map(stops, ast.walk(function))):
            text = ast.get_source_segment(source, function)
            assert cited(text), f"{path.name}: {function.name} names no lemma"
