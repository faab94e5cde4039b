"""The proofs in Coq: all compile, none has a gap, and their numbers are those of bounds/."""

import math
import re
import subprocess
from fractions import Fraction

import coq
import pytest
from bounds_statements import BOUNDS
from kernel_statements import KERNEL

from bounds.theorem_4_2 import (
    disjoint_trees_bound,
    fact_aware_unembedding_bound,
    global_bound,
    shared_leaves_bound,
    sharpened_global_bound,
)

PROOFS = [one for one in (BOUNDS, KERNEL) if one.theorems]
each_folder = pytest.mark.parametrize("proofs", PROOFS, ids=lambda one: one.folder)
needs_coq = pytest.mark.skipif(bool(coq.MISSING), reason=str(coq.MISSING))

CLOSED = "Closed under the global context"


# ------------------------------------------------------------- sources


@each_folder
def test_no_source_has_a_gap(proofs):
    for path in sorted((coq.ROOT / proofs.folder).glob("*.v")):
        assert coq.gaps(path.read_text()) == [], path.name


@pytest.mark.parametrize(
    "source",
    [
        "Lemma a : 1 = 2.\nProof. Admitted.",
        "Lemma a : 1 = 2.\nProof.\n  admit.\nQed.",
        "Axiom a : 1 = 2.",
        "Parameter a : nat.",
        "Section S.\nEnd S.\nHypothesis a : 1 = 2.",
        "Variable a : nat.",
        "Unset Guard Checking.",
        "(* Comment (* nested *) *) Axiom a : False.",
    ],
)
def test_a_gap_is_noticed(source):
    assert coq.gaps(source)


def test_a_section_or_a_comment_is_no_gap():
    assert not coq.gaps("Section S.\nVariable a : nat. (* admit (* Axiom *) *)\nEnd S.")


@each_folder
def test_the_project_names_every_file_and_every_listed_theorem_stands_in_one(proofs):
    folder = coq.ROOT / proofs.folder
    files = coq.Project(folder).files
    assert sorted(files) == sorted(path.name for path in folder.glob("*.v"))
    for listed in proofs.theorems:
        file, theorem = listed.split(".")
        source = (folder / f"{file}.v").read_text()
        assert re.search(rf"^(Theorem|Lemma|Corollary) {theorem}\b", source, re.M), listed


@each_folder
def test_every_theorem_is_listed(proofs):
    """What is called a theorem is held to rest on no axiom."""
    for path in (coq.ROOT / proofs.folder).glob("*.v"):
        for theorem in re.findall(r"^Theorem (\w+)", path.read_text(), re.M):
            assert f"{path.stem}.{theorem}" in proofs.theorems


# ------------------------------------------------------------- built


@needs_coq
@each_folder
def test_all_proofs_are_accepted_and_rest_on_no_axiom(proofs, built):
    asked = [f"Print Assumptions {theorem}." for theorem in proofs.theorems]
    found = coq.answers(built(proofs), asked)
    resting = dict(zip(proofs.theorems, found, strict=True))
    assert {theorem: said for theorem, said in resting.items() if said != CLOSED} == {}


@needs_coq
def test_an_axiom_is_noticed(tmp_path):
    (tmp_path / "_CoqProject").write_text("-Q . sample\nsample.v\n")
    (tmp_path / "sample.v").write_text(
        "Axiom a : 1 = 2.\nLemma b : 1 = 2.\nProof. exact a. Qed.\n"
        "Lemma c : 1 = 1.\nProof. reflexivity. Qed.\n"
    )
    coq.build(tmp_path)
    of_b, of_c = coq.answers(
        tmp_path, ["Print Assumptions sample.b.", "Print Assumptions sample.c."]
    )
    assert of_b == "Axioms: sample.a : 1 = 2"
    assert of_c == CLOSED


def all_bits(bound, rows, embedding_bits, targets=0, unembedding_bits=0):
    """The integer below the count's log2: the bound and what the rows may hold."""
    return math.floor(Fraction(bound.bits) + rows * embedding_bits + targets * unembedding_bits)


def numbers():
    """(what Coq computes, what Python returns) at several sizes, where Python's M is the best."""
    for n, r, k in ((4096, 4, 3), (64, 3, 2), (200, 2, 4), (1000, 5, 1), (30, 2, 2)):
        sharp = sharpened_global_bound(n, r, k, 0)
        yield f"global_bits {n} {r} {k}", all_bits(global_bound(n, r, k, 0), n + r, 0)
        if r == 2:
            yield f"sharpened_global_bits {n} {r} {k}", all_bits(sharp, n + r, 0)
        for b_e in (0, 12, 48, 504):
            for name, bound in (
                ("shared_leaves_bits", shared_leaves_bound(n, r, k, b_e)),
                ("disjoint_trees_bits", disjoint_trees_bound(n, r, k, b_e)),
            ):
                yield f"{name} {n} {r} {k} {bound.M}", all_bits(bound, bound.M + r, b_e)
        aware = fact_aware_unembedding_bound(n, r, k, 3, 5)
        yield (
            f"fact_aware_bits {n} {r} {aware.i} {aware.j} {aware.M} {aware.Q}",
            all_bits(aware, aware.M + r, 3, aware.Q, 5),
        )


@needs_coq
def test_computed_bounds_are_those_of_python(built):
    asked, expected = zip(*dict.fromkeys(numbers()), strict=True)
    found = coq.answers(
        built(BOUNDS),
        [f"Eval vm_compute in (bounds_in_bits.{one})%N." for one in asked],
    )
    got = [int(re.fullmatch(r"= (\d+)(%N)? : N", said).group(1)) for said in found]
    assert dict(zip(asked, got, strict=True)) == dict(zip(asked, expected, strict=True))


@needs_coq
def test_headline_numbers_are_those_of_python(built):
    """Coq is asked for theorems whose numbers Python writes."""
    plain, local, far = (
        global_bound(4096, 4, 3, 0),
        shared_leaves_bound(4096, 4, 3, 0),
        shared_leaves_bound(4096, 4, 3, 504),
    )
    statements = {
        "headline_global": (all_bits(plain, 4100, 0), 4100),
        "headline_shared_leaves": (all_bits(local, local.M + 4, 0), local.M + 4),
        "headline_shared_leaves_504": (all_bits(far, far.M + 4, 504), far.M + 4),
    }
    coq.answers(
        built(BOUNDS),
        [
            f"Check (headline_numbers.{name} : bounds_in_bits.needs 4096 4 3 {bits} {rows})%N."
            for name, (bits, rows) in statements.items()
        ],
    )
    with pytest.raises(AssertionError):
        coq.answers(
            built(BOUNDS),
            [
                "Check (headline_numbers.headline_global"
                " : bounds_in_bits.needs 4096 4 3 129751 4100)%N."
            ],
        )


@needs_coq
@pytest.mark.long
def test_an_independent_checker_finds_no_axiom(built):
    """All folders at once, since most of its time goes into the libraries that they share."""
    where, modules = [], []
    for proofs in PROOFS:
        folder = built(proofs)
        project = coq.Project(folder)
        where += ["-Q", str(folder), project.name]
        modules += [f"{project.name}.{file.removesuffix('.v')}" for file in project.files]
    done = subprocess.run(
        ["coqchk", "-silent", "-o", *where, *modules],
        capture_output=True,
        text=True,
        timeout=900,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, said
    for kind in (
        "Axioms",
        "Constants/Inductives relying on type-in-type",
        "Constants/Inductives relying on unsafe (co)fixpoints",
        "Inductives whose positivity is assumed",
    ):
        assert f"{kind}: <none>" in said, said
