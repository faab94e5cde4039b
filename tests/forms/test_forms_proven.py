"""Forms that are proven from the proof of their construction: held against all queries, and what
breaks such a proof.
"""

import json
import math
from dataclasses import replace
from fractions import Fraction

import pytest
import soft_heads
import torch
from hypothesis import given
from hypothesis import strategies as st

from constructions import CATALOGUE, noise_radius, widen
from constructions.forms.source import is_of_catalogue
from constructions.guards.errors import DoesNotFit
from verify.__main__ import main
from verify.cells import decided_by, jobs, verifying
from verify.cells.cell import FORM_NAMES, Cell
from verify.cells.decided_by import Way, ways_of_form
from verify.cells.grid import FORM_SIZE
from verify.cells.verifying import build, run_cell, saved_and_checked
from verify.kernel.verdict import Verdict
from verify.queries.form_proof import Made, Noise, by_bound, error_of, proven_form
from verify.queries.forms import FORMS, check_form, make_form
from verify.queries.sample import Sample

N, R, K = FORM_SIZE
NOT_PROVEN = {
    # its proof is about real arithmetic, and this computes as it does
    ("attention_selector", "wide"),
    # whose radius rests on its claimed margin, which is irrational: a little less is proven
    ("attention_selector", "noise"),
}
PROVEN = Verdict("PASS", "", 6, 0, Fraction(2), Fraction(2), "float32", by="kernel")


def cell(name, form, **changes):
    return Cell(name, N, R, K if CATALOGUE[name].multi_hop else 1, form=form, **changes)


def small(name="selector", dtype="float32"):
    entry, of = CATALOGUE[name], cell(name, "")
    return build(entry, of.table(), of.hops, {}, dtype)


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_proven_is_what_all_queries_say(name):
    for form in FORM_NAMES:
        result = run_cell(cell(name, form), by="both")
        open_ = (name, form) == ("attention_selector", "noise")
        assert result.verdict == ("UNKNOWN" if open_ else "PASS"), (form, result.reason)
        assert (result.by, result.wrong) == ("both", 0)
        alone = replace(result, form=replace(result.form, recalls=()))
        assert (alone.by, alone.queries, alone.wrong) == ("proof", 0, None)
        if (name, form) in NOT_PROVEN:
            assert alone.verdict == "UNKNOWN", form
        else:
            assert (alone.verdict, alone.n_proven) == ("PASS", result.queries), alone.reason


@given(
    st.sampled_from(["selector", "precomputed", "chain_of_thought", "scalar_selector"]),
    st.sampled_from(FORM_NAMES),
    st.integers(1, 12),
    st.integers(1, 3),
    st.integers(0, 2**32),
)
def test_at_any_size(name, form, n, r, seed):
    k = 2 if CATALOGUE[name].multi_hop else 1
    of = Cell(name, n, r, k, form=form, seed=seed)
    assert run_cell(of, by="both").verdict == "PASS"


# ------------------------------------------------------------------- what breaks a proof


def test_twice_the_error_must_be_less_than_the_margin():
    form = widen(small())
    just = by_bound(form, PROVEN, Fraction(1) - Fraction(1, 2**80))
    assert (just.verdict, just.margin, just.exact) == ("PASS", Fraction(1, 2**79), None)
    assert by_bound(form, PROVEN, Fraction(1)).verdict == "UNKNOWN"
    assert "a margin of 2" in by_bound(form, PROVEN, Fraction(1)).reason
    same = by_bound(form, PROVEN, Fraction(0))
    assert (same.verdict, same.margin, same.exact) == ("PASS", 2, "float32")


@pytest.mark.parametrize("verdict", ["FAIL", "UNKNOWN"])
def test_a_construction_that_is_not_proven_proves_no_form(verdict):
    source = replace(PROVEN, verdict=verdict, reason="it lies")
    model = small()
    for form in FORM_NAMES:
        found = proven_form(model, make_form(model, form, to_be_proven=True), source)
        assert (found.verdict, found.queries if verdict == "UNKNOWN" else 0) == (verdict, 0)
        assert f"the checkers say {verdict}: it lies" in found.reason


def test_nor_does_one_whose_sample_is_answered_wrong(monkeypatch):
    wrong = Sample(PROVEN, 6, 6, wrong=1, dtype="float32", first_wrong="e0 r0")
    monkeypatch.setattr(verifying, "saved_and_checked", lambda model: (PROVEN, wrong))
    for by in ("proof", "both"):
        result = run_cell(cell("selector", "wide"), by=by)
        assert result.verdict == "FAIL"
        assert "say FAIL: the checker has proven a model that answers 1" in result.reason


def test_weights_that_have_changed_are_of_no_proven_form():
    model = small()
    source, _ = saved_and_checked(model)
    for form in FORM_NAMES:
        made = make_form(model, form, to_be_proven=True)
        assert proven_form(model, made, source).verdict == "PASS", form
        with torch.no_grad():
            made.form.unembedding.weight[0, 0] += 1
        assert proven_form(model, made, source).verdict == "UNKNOWN", form


def test_noise_is_less_than_its_radius_and_the_radius_rests_on_a_proven_margin():
    model = small()
    source, _ = saved_and_checked(model)
    made = make_form(model, "noise", to_be_proven=True)
    assert proven_form(model, made, source).verdict == "PASS"
    less = replace(source, real_margin=source.real_margin - Fraction(1, 2**60))
    assert "rests on a margin of 2, and 8.7e-19 less" in proven_form(model, made, less).reason
    bare, radius = made.noise
    for change, verdict in ((0.5, "PASS"), (1.0, "UNKNOWN"), (2.0, "UNKNOWN")):
        with torch.no_grad():
            moved = made.form.unembedding.weight
            moved[0, 0] = bare.unembedding.weight[0, 0] + change * radius
            off = abs(float(moved[0, 0].double() - bare.unembedding.weight[0, 0].double()))
        of = Made(made.form, made.allowed, Noise(bare, off / change if change == 1 else radius))
        assert proven_form(model, of, source).verdict == verdict, change


def test_what_claims_not_to_round_must_be_proven_not_to():
    """Norms are bounded by that claim."""
    model, source = small(), replace(PROVEN, exact=None, rounds="it rounds")
    found = proven_form(model, make_form(model, "layernorm pre"), source)
    assert (found.verdict, "which is not proven: it rounds" in found.reason) == ("UNKNOWN", True)


def test_heads_of_a_users_own_select_nothing_that_no_theorem_says():
    """All that it claims is true, but that it has positions says nothing of its heads: the radius
    for all queries at once was larger than the one of each query, and noise of it lost answers.
    """
    facts = Cell("attention_selector", 8, 3).table()
    model = soft_heads.mine.build(facts, dtype=torch.float64)
    assert is_of_catalogue(CATALOGUE["selector"].build(facts))
    assert not is_of_catalogue(model)
    assert 0 < noise_radius(model, "norms") <= noise_radius(model, "queries")
    one = Cell("soft", 8, 3, form="wide", given=soft_heads.mine)
    found = run_cell(replace(one, form="noise"), by="proof")
    assert (found.verdict, "which is your own" in found.reason) == ("UNKNOWN", True)
    assert run_cell(one).verdict == "PASS"


def test_a_basis_to_be_proven_is_not_tried_query_by_query():
    result = run_cell(Cell("key_value", 2, 180, 4, form="basis"))
    assert (result.verdict, result.by, result.dtype) == ("PASS", "proof", "float64")


def test_a_bound_that_nothing_states_is_none():
    unbounded = make_form(small(), "noise").form
    assert error_of(unbounded) is None
    found = proven_form(small(), Made(unbounded, 0.0), PROVEN)
    assert (found.verdict, "nothing bounds" in found.reason) == ("UNKNOWN", True)


def test_what_a_sample_answers_is_held_against_the_proof():
    """The bound is made to lie: the answers of two tokens are swapped, or one wins by less."""
    model = small()
    made = make_form(model, "wide")
    found = check_form(model, made, source=PROVEN, run=False)
    wrong = replace(PROVEN, queries=found.planned)
    assert check_form(model, made, source=wrong, run=False).verdict == "PASS"
    assert "6 queries are proven, there are" in "; ".join(found.faults())
    with torch.no_grad():
        made.form.unembedding.weight[[0, 1]] = made.form.unembedding.weight[[1, 0]]
    made.form.state(model.margin)
    assert "wrong answers" in "; ".join(check_form(model, made, source=wrong, run=False).faults())
    with torch.no_grad():
        made.form.unembedding.weight[[0, 1]] = 0.75 * made.form.unembedding.weight[[1, 0]]
    made.form.state(model.margin)
    smaller = check_form(model, Made(made.form, 10.0), source=wrong, run=False)
    assert "a margin of 2 is proven, one was 1.25" in "; ".join(smaller.faults())


# ------------------------------------------------------------------- what decides


SHAPE = small().shape
INTERNAL = SHAPE.n_parameters() - 2 * SHAPE.d_vocab * SHAPE.d_model
MOST = decided_by.MOST_WORK_OF_FORMS // (INTERNAL + decided_by.BESIDE_WEIGHTS)
RUN, PROVE, BOTH = Way(True, False), Way(False, True), Way(True, True)


@pytest.mark.parametrize(
    ("by", "queries", "ways"),
    [
        ("auto", MOST, [RUN]),
        ("auto", MOST + 1, [PROVE, RUN]),
        ("auto", 10**9 + 1, [PROVE]),
        ("queries", 10**9 + 1, [RUN]),
        ("proof", 1, [PROVE]),
        ("both", 1, [BOTH]),
    ],
)
def test_the_rule(by, queries, ways):
    assert ways_of_form(by, SHAPE, queries) == ways


def test_a_form_of_much_work_is_proven_and_no_query_is_run_but_a_sample(monkeypatch):
    monkeypatch.setattr(decided_by, "MOST_WORK_OF_FORMS", 0)
    monkeypatch.setattr("verify.queries.forms.check_recall", None)  # calling it is a crash
    for form in FORM_NAMES:
        result = jobs.run(cell("precomputed", form))
        assert (result.verdict, result.by) == ("PASS", "proof"), form


def test_what_the_proof_leaves_open_is_run_after_all(monkeypatch):
    monkeypatch.setattr(decided_by, "MOST_WORK_OF_FORMS", 0)
    result = run_cell(cell("attention_selector", "wide"))
    assert (result.verdict, result.by, result.queries) == ("PASS", "queries", N * R)
    wrong = widen(small())
    with torch.no_grad():
        wrong.unembedding.weight[[0, 1]] = wrong.unembedding.weight[[1, 0]]
    monkeypatch.setitem(FORMS, "wide", lambda model: Made(wrong, math.inf))
    assert run_cell(cell("selector", "wide"), by="proof").verdict == "UNKNOWN"
    assert run_cell(cell("selector", "wide")).verdict == "FAIL"


def test_float32_is_proven_before_anything_is_run_and_float64_where_it_is_refused(monkeypatch):
    monkeypatch.setattr(decided_by, "MOST_WORK_OF_FORMS", 0)
    tried = []

    def make(model, form, to_be_proven):
        tried.append((str(model.embedding.weight.dtype), to_be_proven))
        raise DoesNotFit("not here")

    monkeypatch.setattr(verifying, "make_form", make)
    assert run_cell(cell("selector", "wide")).reason == "not here"
    dtypes = ("torch.float32", "torch.float64")
    assert tried == [(dtype, proven) for proven in (True, False) for dtype in dtypes]


def test_more_queries_than_can_be_run_are_proven():
    result = run_cell(Cell("chain_of_thought", 64, 3, 20, form="wide"))
    assert (result.verdict, result.by, result.queries) == ("PASS", "proof", 0)
    assert result.n_proven > 10**11
    assert run_cell(Cell("chain_of_thought", 64, 3, 20, form="wide"), by="queries").verdict == (
        "UNKNOWN"
    )


@pytest.mark.parametrize("by", ["queries", "proof", "both"])
def test_what_has_decided_is_said(by, capsys, tmp_path):
    reported = tmp_path / "found.json"
    words = ["selector", "-N", "6", "-R", "2", "--form", "layernorm pre", "--by", by]
    assert main([*words, "--json", str(reported)]) == 0
    printed = capsys.readouterr().out
    assert f"    by {by}: " in printed
    assert "    whole sequences: 12 queries, 0 wrong, margin at least 2" in printed
    assert ("no logit is off by more than" in printed) == (by != "queries")
    assert all(len(line) < 100 for line in printed.splitlines() if line.startswith(" "))
    (found,) = json.loads(reported.read_text())["cells"]
    assert found["by"] == by
    assert found["proof"] == (None if by == "queries" else "PASS")
    assert found["proven"] == (None if by == "queries" else 12)
    assert found["queries"] == (0 if by == "proof" else 12)
    assert 1.9 < found["margin"] <= 2
