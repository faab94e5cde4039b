"""Statements that claim too much are refused, with their proofs unchanged."""

import coq
import pytest
from bounds_statements import BOUNDS
from kernel_statements import KERNEL

CASES = [
    pytest.param(proofs, damage, id=f"{damage.file}: {damage.why}")
    for proofs in (BOUNDS, KERNEL)
    for damage in proofs.damages
]
needs_coq = pytest.mark.skipif(bool(coq.MISSING), reason=str(coq.MISSING))


@pytest.mark.parametrize(("proofs", "damage"), CASES)
def test_each_damage_is_one_change_of_a_text(proofs, damage):
    source = (coq.ROOT / proofs.folder / damage.file).read_text()
    assert source.count(damage.old) == 1
    assert damage.old != damage.new
    at = source[: source.index(damage.old)].count("\n") + 1
    assert not coq.inside_a_proof(source, at), "a damage is made in a statement, not in a proof"


def test_there_are_enough_damages():
    assert len(BOUNDS.damages) >= 10


@needs_coq
@pytest.mark.long
@pytest.mark.parametrize(("proofs", "damage"), CASES)
def test_a_damaged_statement_is_refused(proofs, damage, built, tmp_path):
    copy = tmp_path / "damaged"
    file, line, said = coq.damaged(built(proofs), damage, copy)
    assert file, f"accepted although it claims: {damage.why}"
    # The damaged text itself is well-formed: what fails is a proof.
    assert coq.inside_a_proof((copy / file).read_text(), line), said


@needs_coq
@pytest.mark.long
def test_a_change_that_claims_nothing_new_is_accepted(built, tmp_path):
    """The control: a comment in the place of a damage."""
    comment = coq.Damage("statements.v", "(* global *)", "(* the global bound *)", "nothing")
    assert coq.damaged(built(BOUNDS), comment, tmp_path / "same") == ("", 0, "")
