"""What is proven of trained models, printed."""

import torch
from small_trained import FACTS, copied, trained

from constructions import FactTable, OneLayerShape, fit
from verify.learned.proven import prove_recall


def test_printed_a_proof_is_a_few_lines_in_words():
    lines = str(prove_recall(trained(), FACTS)).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "in real arithmetic:",
        "in float32, in any order:",
    ]
    assert lines[1].startswith("    PASS: all 256 queries are answered right, by ")
    assert lines[2].startswith("    decided: 100.00% of 256 queries, margin of those that are ")
    assert len(lines) == 6


def test_printed_a_refuted_claim_has_its_query_in_lines_that_fit():
    answers = FACTS.answers.copy()
    answers[2, 31] = (answers[2, 31] + 1) % 64
    proof = prove_recall(trained(), FactTable(answers))
    said = str(proof)
    assert said.count("FAIL: 1 of 256 queries are answered wrong, first e31 r2") == 2
    assert str(proof.real) in "\n".join(line[4:] for line in said.splitlines())
    assert max(map(len, said.splitlines())) < 100
    broken = copied(trained())
    with torch.no_grad():
        broken.entities[0] = torch.nan
    said = str(prove_recall(broken, FACTS).real)
    assert said.startswith("UNKNOWN: entities holds a number that is not finite")
    assert said.endswith("decided: 0.00% of 256 queries")


def test_with_one_answer_alone_there_is_no_margin_to_print():
    facts = FactTable([[0]])
    model = fit(OneLayerShape.of(facts, 4, 4), facts, 0, 0).models[0]
    said = str(prove_recall(model, facts))
    assert said.count("PASS: all 1 queries are answered right; there is no other answer\n") == 2
    assert "margin" not in said
