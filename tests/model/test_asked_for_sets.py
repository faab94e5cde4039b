"""Models of sets are asked in words: all answers come, and no others."""

import json

import pytest
import torch
from hypothesis import given
from strategies import set_tables

from constructions import (
    InputError,
    QuestionError,
    SetTable,
    answers_to,
    read_table,
    save,
    sets_of_answers,
)
from verify.__main__ import main

FAMILY = [("Ann Lee", "child of", "Bob"), ("Ann Lee", "child of", "Cem"), ("Bob", "wife", "Dora")]


@given(set_tables())
def test_every_set_is_what_the_table_has(facts):
    model = sets_of_answers(facts)
    pairs = [(s, r) for s in range(facts.n_entities) for r in range(facts.n_relations)]
    texts = [facts.query_text(s, [r]) for s, r in pairs]
    wanted = [tuple(map(facts.entity_name, facts.answer_set(s, r))) for s, r in pairs]
    assert model.ask(texts) == wanted
    assert [model.ask(text) for text in texts[:5]] == wanted[:5]
    found = answers_to(model, texts)
    assert all(one.is_as_known and one.error is None for one in found)
    assert [(one.answers, one.known) for one in found] == [(names, names) for names in wanted]


@pytest.fixture
def model():
    return sets_of_answers(SetTable.from_triples(FAMILY))


def forgetful(model):
    """The same model without Cem's code in the blocks of Ann Lee: that place is empty."""
    with torch.no_grad():
        lee, bob = model.facts.entity_id("Ann Lee"), model.facts.entity_id("Bob")
        model.embedding.weight[lee] = model.embedding.weight[bob]
    return model


def test_a_set_that_was_changed_is_not_as_known(model):
    (found,) = answers_to(forgetful(model), ["Ann Lee child of"])
    assert (found.answers, found.known) == ((), ("Bob", "Cem"))
    assert not found.is_as_known


def test_questions_that_are_none_of_a_set_are_said(model):
    known, long, unknown = answers_to(model, ["Bob wife", "Ann Lee child of wife", "Bob home"])
    assert known.answers == ("Dora",)
    assert "2 relations ask for what several sets lead to" in str(long.error)
    assert "no relation is named 'home'" in str(unknown.error)
    assert long.answers is unknown.answers is None
    assert long.is_as_known
    with pytest.raises(QuestionError, match="a set is one hop away"):
        model.ask(["Bob wife", "Ann Lee child of wife"])
    with pytest.raises(InputError, match="single facts are not changed"):
        model.update([("Bob", "wife", "Cem")])


def test_a_saved_model_of_sets_is_asked_on_the_command_line(model, tmp_path, capsys):
    save(model, tmp_path / "family")
    words = ["ask", str(tmp_path / "family"), "Ann Lee child of", "Dora wife"]
    assert main([*words, "--json", str(tmp_path / "a.json")]) == 0
    lines = ["Ann Lee child of -> Bob, Cem", "Dora wife -> (no answer)"]
    assert capsys.readouterr().out.splitlines() == lines
    answers = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert [one["answers"] for one in answers] == [["Bob", "Cem"], []]
    assert main(["ask", str(tmp_path / "family"), "Bob wife wife"]) == 2
    save(forgetful(model), tmp_path / "damaged")
    assert main(["ask", str(tmp_path / "damaged"), "Ann Lee child of"]) == 1
    assert "(no answer) (its table has Bob, Cem)" in capsys.readouterr().out


def test_a_file_is_read_as_a_table_of_sets(tmp_path, capsys):
    file, copy = tmp_path / "family.csv", tmp_path / "family.tsv"
    file.write_text("subject,relation,object\n" + "".join(f"{','.join(one)}\n" for one in FAMILY))
    assert read_table(file, many="set") == SetTable.from_triples(FAMILY)
    assert main(["import", str(file), "--many", "set", "-o", str(copy)]) == 0
    assert "1 (subject, relation) pair with several objects" in capsys.readouterr().out
    assert SetTable.from_tsv(copy) == SetTable.from_triples(FAMILY)
    assert main(["sets", str(file), "--ask", "Ann Lee child of"]) == 0
    assert capsys.readouterr().out.endswith("Ann Lee child of -> Bob, Cem\n")
    for command in ("facts", "plan"):
        assert main([command, str(file), "--many", "set"]) == 2
        assert f"sets {file}" in capsys.readouterr().err
