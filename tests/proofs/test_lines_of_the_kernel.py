"""Lines of verify/kernel name the theorems that justify them, and these are proven."""

import io
import re
import tokenize

import coq
import pytest
from kernel_statements import KERNEL

PYTHON = sorted((coq.ROOT / "verify" / "kernel").glob("*.py"))


def named(source: str) -> list[str]:
    """The theorems, as `file.theorem`, of comments such as `# rules.v: take_holds; heads.v: a, b`."""
    comments = [
        token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    parts = [part.strip() for comment in comments for part in comment.split(";")]
    return [
        f"{file}.{theorem.strip()}"
        for part in parts
        for file, theorems in re.findall(r"^(\w+)\.v: (.+)$", part)
        for theorem in theorems.split(",")
    ]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_every_theorem_that_a_line_names_is_listed(path):
    """Listed theorems are built, and held to rest on no axiom."""
    assert set(named(path.read_text())) <= set(KERNEL.theorems)


def test_every_rule_is_named_at_its_line():
    found = {theorem for path in PYTHON for theorem in named(path.read_text())}
    for rule in ("start", "take", "rebase"):
        assert f"rules.{rule}_holds" in found
    assert found >= {
        "stated.read_within",
        "heads.heads_sound",
        "units.units_sound",
        "rules.decided_answer",
        "rules.passes_compose",
        "chain.chain_right",
    }


def test_a_name_that_does_not_exist_is_noticed():
    source = "x = 1  # Lemma K4; rules.v: take_holds, no_such_theorem\n"
    assert named(source) == ["rules.take_holds", "rules.no_such_theorem"]
    assert not set(named(source)) <= set(KERNEL.theorems)


def test_the_docs_name_no_other_theorems():
    files = {path.stem for path in (coq.ROOT / KERNEL.folder).glob("*.v")}
    page = (coq.ROOT / "docs" / "machine-checked.md").read_text()
    page = page.partition("\n## The kernel\n")[2].partition("\n## ")[0]
    found = [
        f"{file}.{theorem}"
        for file, theorem in re.findall(r"`(\w+)\.(\w+)`", page)
        if file in files and theorem != "v"
    ]
    assert len(found) > 15
    sources = {file: (coq.ROOT / KERNEL.folder / f"{file}.v").read_text() for file in files}
    for one in found:
        file, theorem = one.split(".")
        stated = rf"^(Theorem|Lemma|Definition|Record|Inductive|Fixpoint) {theorem}\b"
        assert re.search(stated, sources[file], re.M), one
