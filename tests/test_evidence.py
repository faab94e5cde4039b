"""Each object that a check leaves behind knows its faults and its doubts."""

from dataclasses import replace
from fractions import Fraction

import pytest

from bounds.capacity import Capacity
from bounds.sizes import Costs, Sizes
from constructions.model.margin import MarginClaim
from verify.cells.evidence import Ended, MarginFound, ProofFound, SizesFound
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Recall
from verify.queries.asked import Asked
from verify.queries.form_answers import FormAnswers, FormSizes

RECALL = Recall(planned=60, queries=60, margin=2.0, logits="both")
MARGIN = MarginFound(MarginClaim.exactly(2), RECALL)
PROVEN = Proven("PASS", "", 60, 0, Fraction(2), Fraction(2), "float32", rounds="it rounds")
PROOF = ProofFound(PROVEN, 60, MARGIN, RECALL, 60)
SIZES = SizesFound(Sizes(*range(8)), Costs(*range(12)), Capacity({}), bijective=True)
FORM = FormAnswers(
    FormSizes(1, 1, 1, 1, 1),
    allowed=0.5,
    planned=60,
    recalls=(replace(RECALL, planned=20, queries=20), replace(RECALL, planned=40, queries=40)),
    off=0.5,
    to_ask=6,
    asked=Asked(0.0, "float32", queries=6, difference=0.25),
)
ALONE = replace(FORM, recalls=(), proven=PROVEN)
ROUNDS = MarginFound(replace(MARGIN.claim, rounds=True), RECALL)


def proof(recall=RECALL, margin=MARGIN, **changes):
    return replace(PROOF, proven=replace(PROVEN, **changes), recall=recall, margin=margin)


@pytest.mark.parametrize("sound", [RECALL, MARGIN, PROOF, SIZES, FORM, ALONE])
def test_what_is_sound_has_no_fault_and_no_doubt(sound):
    assert (list(sound.faults()), list(sound.doubts()), sound.verdict) == ([], [], "PASS")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (replace(SIZES, found=Sizes(9, *range(1, 8))), "d_model = 9, the formula says 0"),
        (
            replace(SIZES, bits=Capacity({}, outside="x")),
            "depend on the facts, and are counted: x",
        ),
        (
            replace(
                SIZES,
                expected=replace(SIZES.expected, unembedding_fact_bits=0),
                bits=Capacity({}, other_unembedding=True),
            ),
            "the unembedding depends on the facts",
        ),
        (MarginFound("the weights have changed", RECALL), "the weights have changed"),
        (MarginFound(MarginClaim.exactly(0), None), "in real arithmetic is 0, not positive"),
        (MarginFound(MarginClaim.at_least(3), RECALL), "margin is 2.0, claimed is at least 3"),
        (MarginFound(MarginClaim.exactly(1), RECALL), "margin is 2.0, claimed is exactly 1"),
        (proof(verdict="FAIL", reason="it lies"), "the checker says FAIL of the saved model: it"),
        (proof(queries=59), "59 queries are proven; there are 60"),
        (proof(margin=ROUNDS), "exact in float32, but the construction claims that it rounds"),
        (proof(real_margin=Fraction(0)), "has proven a margin of 0 in real arithmetic"),
        (proof(margin=MARGIN, recall=replace(RECALL, wrong=1)), "a model with 1 wrong answers"),
        (
            proof(recall=replace(RECALL, unknown=2, reason="near")),
            "exact in float32, but rounding may decide 2 queries",
        ),
        (proof(recall=replace(RECALL, margin=1.0)), "proven a margin of 2, measured is 1.0"),
        (proof(recall=replace(RECALL, margin=float("nan"))), "a model with 0 wrong answers"),
        (replace(FORM, planned=61), "60 queries were run, there are 61"),
        (replace(FORM, to_ask=7), "6 whole sequences were asked, of 7"),
        (replace(FORM, off=0.75), "a logit is off by 0.75, claimed is at most 0.5"),
        (replace(FORM, off=float("nan")), "a logit is off by nan, claimed is at most 0.5"),
        (
            replace(FORM, asked=replace(FORM.asked, difference=float("nan"))),
            "a logit is off by nan, claimed is at most 0.5",
        ),
        (replace(FORM, asked=replace(FORM.asked, wrong=1)), "0 wrong answers of step by step, 1 "),
        (replace(FORM, allowed=0.25), "a logit is off by 0.5, claimed is at most 0.25"),
        (replace(FORM, allowed=float("nan")), "a logit is off by 0.5, claimed is at most nan"),
        (replace(FORM, recalls=(replace(RECALL, margin=-1.0),)), "margin is -1.0, not positive"),
        (replace(FORM, recalls=(replace(RECALL, defect="unsound"),)), "unsound"),
        (replace(ALONE, planned=61), "60 queries are proven, there are 61"),
        (
            replace(ALONE, asked=replace(FORM.asked, margin=1.0)),
            "a margin of 2 is proven, one was 1.0",
        ),
        (replace(FORM, proven=replace(PROVEN, margin=Fraction(3))), "of 3 is proven, one was 2.0"),
        (Asked(0.0, "float32"), "no query was asked"),
        (replace(FORM.asked, allowed=0.125), "a logit is off by 0.25, allowed is at most 0.125"),
        (Asked(1.0, "float32", queries=1, wrong=1), "1 wrong answers"),
        (Asked(1.0, "float32", queries=1, margin=1.0, least_margin=2.0), "asked for is 2.0"),
        (Asked(1.0, "float32", queries=1, other_dtype="float16"), "computes in float16"),
        (Ended("boom", crashed=True), "crashed: boom"),
    ],
)
def test_a_fault_is_found_and_fails(found, reason):
    assert reason in "; ".join(found.faults())
    assert found.verdict == "FAIL"


NO_CLAIM = MarginFound("the weights have changed", None)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (proof(verdict="UNKNOWN", reason="too large"), "the checker says UNKNOWN of the saved"),
        (proof(exact=None), "no rounding is claimed (at least 2 in real arithmetic; exactly 2 in"),
        (
            proof(exact=None, recall=None, margin=ROUNDS),
            "the proof alone decides 60 queries: all answers are proven in real arithmetic",
        ),
        (proof(exact=None, recall=None, margin=NO_CLAIM), "but not in floating point: it rounds"),
        (replace(RECALL, unknown=1, reason="near"), "1 of 60 queries are undecided: near"),
        (Recall(reason="the module is not plain"), "the module is not plain"),
        (Recall(), "no query was run"),
        (replace(FORM, recalls=(replace(RECALL, reason="near"),)), "near"),
        (replace(ALONE, proven=None), "no query was run, and nothing is proven"),
        (
            replace(ALONE, proven=replace(PROVEN, verdict="UNKNOWN", reason="far off")),
            "the proof alone decides 60 queries: far off",
        ),
        (
            replace(ALONE, proven=replace(PROVEN, exact=None)),
            "in real arithmetic, but not in floating point: it rounds",
        ),
        (Asked(1.0, "float32", queries=2, unknown=1), "1 queries are undecided within rounding"),
        (Ended("killed"), "killed"),
    ],
)
def test_a_doubt_leaves_the_verdict_open(found, reason):
    assert list(found.faults()) == []
    assert reason in "; ".join(found.doubts())
    assert found.verdict == "UNKNOWN"


def test_a_proof_of_a_model_that_rounds_as_claimed_is_no_doubt_where_its_queries_are_run():
    assert proof(exact=None, margin=ROUNDS).verdict == "PASS"
