"""Each checker by itself, and both: what they say of the whole battery, and how two verdicts make
one.
"""

import json
import warnings
from dataclasses import replace
from fractions import Fraction

import pytest
from battery import GROUPS, expected
from exploits.small_models import one_letter
from hand_made import built, claims_of, files_of, with_claims

from constructions import FactTable, sparse_selector
from verify.checking import check as checking
from verify.checking.check import CHOICES, check_files, combined
from verify.checking.work import MOST_WORK, MOST_WORK_ALONE, work
from verify.kernel.verdict import Undecided, Verdict

PROVEN = Verdict("PASS", "", 24, 0, Fraction(2), Fraction(3, 2), "float32", by="symbolic")
TABULATED = replace(PROVEN, real_margin=Fraction(7, 4), by="kernel")
REFUTED = Verdict("FAIL", "a claim is false", by="symbolic")
OPEN = Verdict("UNKNOWN", "no rule reaches it", by="kernel")
BOTH = "kernel and symbolic"


def little(files):
    """Whether the kernel is done with it in seconds."""
    try:
        return work(files, json.loads(files["manifest.json"])) <= MOST_WORK
    except Exception:  # it is malformed, and refused before
        return True


@pytest.mark.parametrize("group", GROUPS)
def test_the_whole_battery_by_each_checker_and_by_both(group):
    asked = 0
    for name, files in GROUPS[group]():
        if little(files):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy's, of what overflows
                found = {by: check_files(files, by) for by in ("symbolic", "kernel", "both")}
            for by, verdict in found.items():
                proven = verdict.verdict == "PASS"
                assert proven == expected(group, name, by), (name, by, verdict.reason)
                assert proven == bool(verdict.queries), (name, by)
            asked += 1
    assert asked >= 10


def test_one_verdict_stays_as_it_is():
    for one in (PROVEN, REFUTED, OPEN):
        assert combined([one]) == one


def test_two_proofs_make_one_with_the_larger_bound():
    found = combined([TABULATED, PROVEN])
    assert found == replace(PROVEN, real_margin=Fraction(7, 4), by=BOTH)


def test_exact_is_what_one_has_proven():
    rounds = replace(PROVEN, exact=None, rounds="sums may reach 2^30")
    assert combined([TABULATED, rounds]).exact == "float32"
    assert combined([replace(rounds, by="kernel"), PROVEN]).rounds == ""
    both = combined([replace(rounds, by="kernel"), rounds])
    assert (both.exact, both.rounds) == (None, "sums may reach 2^30")


def test_a_smaller_bound_of_the_symbolic_checker_is_no_contradiction():
    found = combined([TABULATED, replace(PROVEN, margin=Fraction(1), real_margin=Fraction(1))])
    assert (found.verdict, found.margin) == ("PASS", 2)


@pytest.mark.parametrize(
    "change",
    [{"margin": Fraction(3)}, {"queries": 25}, {"not_claimed": 1}, {"hops_per_token": 1}],
    ids=str,
)
def test_proofs_that_contradict_each_other_are_a_fail(change):
    found = combined([TABULATED, replace(PROVEN, **change)])
    assert found.verdict == "FAIL"
    assert found.reason.startswith("the proofs contradict each other")
    assert (found.queries, found.by) == (0, BOTH)


def test_a_refutation_outweighs_a_proof_and_a_proof_what_is_open():
    assert combined([TABULATED, REFUTED]) == REFUTED
    assert combined([OPEN, REFUTED]) == REFUTED
    assert combined([OPEN, PROVEN]) == PROVEN
    assert combined([replace(REFUTED, by="kernel"), REFUTED]) == replace(REFUTED, by=BOTH)
    found = combined([OPEN, replace(OPEN, by="symbolic", reason="it is too large")])
    assert (found.verdict, found.by) == ("UNKNOWN", BOTH)
    assert found.reason == "it is too large; and no rule reaches it"


def test_auto_asks_both_where_the_kernel_has_little_to_do(monkeypatch):
    files = files_of(built("selector"))
    assert check_files(files).by == BOTH
    monkeypatch.setattr(checking, "MOST_WORK", 10)
    assert check_files(files).by == "symbolic"
    assert check_files(files, "both").by == BOTH


def test_auto_asks_the_kernel_where_the_symbolic_checker_does_not_decide(monkeypatch):
    """As of a code that is not spelled out."""
    files, claims = one_letter(), claims_of(one_letter())
    alone = {"columns": claims[1]["blocks"][0]["columns"]}
    files = with_claims(files, [claims[0], claims[1] | {"blocks": [alone]}, *claims[2:]])
    monkeypatch.setattr(checking, "MOST_WORK", -1)
    assert (check_files(files).verdict, check_files(files).by) == ("PASS", "kernel")
    monkeypatch.setattr(checking, "MOST_WORK_ALONE", -1)
    assert (check_files(files).verdict, check_files(files).by) == ("UNKNOWN", "symbolic")


def test_claims_that_cannot_be_counted_leave_the_verdict_as_it_is(monkeypatch):
    """Whatever a certificate holds, `auto` reports what the symbolic checker has said."""

    def stop(files, manifest):
        raise Undecided("too large")

    monkeypatch.setitem(checking.CHECKERS, "symbolic", stop)
    files = with_claims(one_letter(), [{"claim": "task"}])
    found = check_files(files)
    assert (found.verdict, found.reason, found.by) == ("UNKNOWN", "too large", "symbolic")


def test_the_work_of_claims_beyond_all_measure_is_found_at_once():
    """A power of a million digits is never made."""
    files = files_of(built("key_value", 3))
    manifest, (task, subject, one, *_) = json.loads(files["manifest.json"]), claims_of(files)
    claims = [task, subject, *[one | {"letters": [1] * 1_000_000, "keeps": None}] * 3]
    forged = files | {"certificate.json": json.dumps(claims).encode()}
    assert MOST_WORK_ALONE < work(forged, manifest) < 2**100
    assert work(files, manifest) < 10**5


def test_each_choice_says_who_has_proven_it():
    files = one_letter()
    found = {by: check_files(files, by) for by in CHOICES}
    assert {by: verdict.by for by, verdict in found.items()} == {
        "auto": BOTH,
        "both": BOTH,
        "kernel": "kernel",
        "symbolic": "symbolic",
    }
    with pytest.raises(ValueError, match="by 'neither': there are"):
        check_files(files, "neither")


def test_what_one_does_not_cover_the_other_proves():
    files, claims = one_letter(), claims_of(one_letter())
    alone = {"columns": claims[1]["blocks"][0]["columns"]}
    files = with_claims(files, [claims[0], claims[1] | {"blocks": [alone]}, *claims[2:]])
    assert check_files(files, "symbolic").verdict == "UNKNOWN"
    assert check_files(files, "both").by == "kernel"


def test_a_checker_that_passes_what_the_other_refutes_is_outvoted(monkeypatch):
    """The control: each of them has a say."""
    files = one_letter(unembedding={"rest": {"one": -100}})
    for name in checking.CHECKERS:
        with monkeypatch.context() as patch:
            patch.setitem(checking.CHECKERS, name, lambda files, manifest: PROVEN)
            assert check_files(files, name).verdict == "PASS"
            found = check_files(files, "both")
        assert found.verdict == "FAIL"
        assert found.by == next(other for other in checking.CHECKERS if other != name), name


def test_what_stops_one_checker_leaves_the_verdict_to_the_other(monkeypatch):
    def stop(files, manifest):
        raise Undecided("too large")

    monkeypatch.setitem(checking.CHECKERS, "kernel", stop)
    found = check_files(one_letter(), "both")
    assert (found.verdict, found.by) == ("PASS", "symbolic")


@pytest.mark.parametrize("by", [by for by in CHOICES if by != "symbolic"])
@pytest.mark.parametrize(
    ("place", "changed"),
    [
        (1, {"claim": "all 6 queries are answered right"}),
        (1, {"blocks": "any"}),
        (2, {"queries": "all"}),
        (2, {"letters": [True]}),
        (2, {"keeps": [{"columns": [0, 1], "form": "bits"}]}),
    ],
)
def test_claims_that_only_the_kernel_comes_to_are_as_they_should_be(place, changed, by):
    """Of stored queries the symbolic checker reads no claim but the first."""
    files = files_of(sparse_selector(FactTable([[1, -1, 0], [-1, 2, -1]])))
    assert check_files(files, by).verdict == "PASS"
    claims = claims_of(files)
    claims[place] |= changed
    assert check_files(with_claims(files, claims), by).verdict == "FAIL"
