"""Real facts: the character database of the running Python, written, read, built, and every fact
recalled.
"""

import unicodedata

import numpy as np
import pytest

from constructions import CATALOGUE, FactTable, selector
from constructions.facts.tsv import read_tsv
from verify.__main__ import main
from verify.cells.verifying import verify_facts
from verify.cli.examples import PARTIAL, unicode_facts


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    path = tmp_path_factory.mktemp("unicode") / "unicode.tsv"
    unicode_facts().to_tsv(path)
    return read_tsv(path)


def test_the_table_is_what_unicodedata_says(read):
    facts = FactTable.from_triples(read.rows)
    assert read.repeats == 0
    assert set(facts.relation_names) == {
        "category", "bidirectional", "width", "combining", "uppercase", "lowercase", "base"
    }  # fmt: skip
    rng = np.random.default_rng(0)
    subjects = [i for i in range(facts.n_entities) if facts.entity_name(i).startswith("U+")]
    assert len(subjects) > 100_000
    category = facts.relation_id("category")
    for subject in rng.choice(subjects, 500):
        character = chr(int(facts.entity_name(subject)[2:], 16))
        answer = facts.entity_name(int(facts.answer(subject, [category])))
        assert answer == f"category:{unicodedata.category(character)}"


@pytest.mark.long
def test_every_fact_of_the_table_is_recalled(read):
    facts = FactTable.from_triples(read.rows)
    result, model = verify_facts(CATALOGUE["selector"], facts, logits="fast", by="queries")
    assert (result.verdict, result.reason) == ("PASS", "")
    assert result.queries == facts.answers.size > 1_000_000
    assert result.margin == 2
    assert facts.n_facts > 4 * 100_000
    assert facts.entity_name(model.answer("U+00C9", ["lowercase"])) == "U+00E9"
    assert facts.entity_name(model.answer("U+00C9", ["base"])) == "U+0045"
    assert model.answer("U+0031", ["lowercase"]) == -1


@pytest.mark.parametrize("name", ["selector", "scalar_selector", "attention_selector"])
def test_every_construction_recalls_the_first_plane(name):
    facts = unicode_facts(limit=0x600)
    result, _ = verify_facts(CATALOGUE[name], facts, logits="both", by="queries")
    assert (result.verdict, result.reason) == ("PASS", "")


def test_total_relations_with_answer_sets_of_their_own_are_a_superposition():
    facts = unicode_facts(limit=0x400)
    apart = facts.answers[
        [facts.relation_id(name) for name in ("category", "bidirectional", "width", "combining")]
    ]
    result, _ = verify_facts(CATALOGUE["superposition"], type(facts)(apart), logits="both")
    assert (result.verdict, result.sizes.found.d_mlp) == ("PASS", 0)


def test_the_example_command_writes_a_table_that_answers(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("verify.cli.examples.unicode_facts", lambda: unicode_facts(limit=0x250))
    path = tmp_path / "unicode.tsv"
    assert main(["example", str(path)]) == 0
    assert main(["example", str(path)]) == 2, "a file that exists is not overwritten"
    assert main(["facts", str(path), "--ask", "U+0041 lowercase", "--ask", "U+00C9", "base"]) == 0
    printed = capsys.readouterr().out
    assert "U+0041 lowercase -> U+0061" in printed
    assert "U+00C9 base -> U+0045" in printed


def test_codes_are_for_answers_only():
    facts = unicode_facts(limit=0x3000)
    possible = len(np.unique(facts.answers))
    assert possible < facts.n_entities / 2
    m = (possible - 1).bit_length()
    assert selector(facts).shape.d_model == facts.n_relations * m + 1


@pytest.mark.long
def test_every_chain_of_three_hops_is_answered_right():
    """Upper case, lower case, base letter and compatibility lead from character to character,
    where they lead at all.
    """
    facts = unicode_facts(limit=0x2000, relations=(*PARTIAL, "compatibility"))
    assert facts.n_relations == 4
    for name in ("chain_of_thought", "key_value_rows"):
        result, model = verify_facts(CATALOGUE[name], facts, 3, logits="fast", by="queries")
        assert (result.verdict, result.reason) == ("PASS", "")
        assert result.queries == facts.n_entities * 4**3 > 100_000
        # \u1e69 (s with dot below and dot above) -> \u1e63 (s with dot below) -> s -> S
        path = [facts.relation_id(relation) for relation in ("base", "base", "uppercase")]
        assert facts.entity_name(model.answer(facts.entity_id("U+1E69"), path)) == "U+0053"
    words = np.indices((4, 4, 4)).reshape(3, -1).T
    assert (
        facts.answer(np.arange(facts.n_entities)[:, None], words[None]) >= 0
    ).sum() > 10  # chains that lead somewhere
