"""Single facts of a saved model changed, and two models compared, on the command line."""

import json

import pytest

from constructions import FactTable, InputError, key_value, load, save, selector
from verify.__main__ import main
from verify.queries.changed import compared, proven_table

FACTS = "\n".join(
    [
        "France\tcapital\tParis",
        "France\tneighbour\tSpain",
        "Spain\tcapital\tMadrid",
        "Spain\tneighbour\tFrance",
        "Japan\tcapital\tKyoto",
        "Korea\tneighbour\tJapan",
    ]
)


@pytest.fixture
def countries(folder, capsys):
    """A folder with a table, and the model of it with room for two new names."""
    (folder / "facts.tsv").write_text(FACTS + "\n")
    words = ["facts", "facts.tsv", "-k", "3", "--spare-entities", "2", "--save", "old"]
    assert main([*words, "--by", "none"]) == 0
    assert "spare: 2 names for new entities, <spare-answer-1> to" in capsys.readouterr().out
    (folder / "changes.tsv").write_text("Japan\tcapital\tTokyo\n")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_changed_fact_is_written_proven_and_found_by_diff(countries, capsys):
    before = contents(countries / "old")
    assert main(["update", "old", "changes.tsv", "-o", "new", "--json", "u.json"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[:4] == [
        "1 fact given: 1 changed, 0 added, 0 removed, 0 as before",
        "new entity: Tokyo, number 7, in the place of <spare-answer-1>",
        "written: 1 row of embedding.weight",
        "PASS: all 126 queries are answered right, by both checkers",
    ]
    assert printed.endswith("new: written\n")
    assert contents(countries / "old") == before
    data = json.loads((countries / "u.json").read_text())
    assert (data["changed"], data["written"], data["proof"]["verdict"]) == (1, "new", "PASS")

    assert main(["diff", "old", "new", "--limit", "1", "--json", "d.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "old: PASS: all 126 queries are answered right, by both checkers",
        "new: PASS: all 126 queries are answered right, by both checkers",
        "entities: 7 in both, 1 new (Tokyo), 0 gone",
        "relations: 2 in both, 0 new, 0 gone",
        "relations                     queries             changed answers  answered by",
        "        1                          14                           1  both",
        "        2                          28                           1  both",
        "        3                          56                           0  both",
        "Japan capital: Kyoto -> Tokyo",
        "... and 1 more (--limit)",
        "PASS: both models are proven: 2 of 98 answers changed, the other 96 are the same",
    ]
    data = json.loads((countries / "d.json").read_text())
    assert data["listed"] == [
        {"subject": "Japan", "path": ["capital"], "old": "Kyoto", "new": "Tokyo"}
    ]
    assert [one["changed"] for one in data["lengths"]] == [1, 1, 0]


def test_the_model_is_replaced_and_ids_stay(countries, capsys):
    ids = {name: load("old").facts.entity_id(name) for name in ("Kyoto", "Korea")}
    (countries / "gone.tsv").write_text("Spain\tneighbour\tFrance\nKorea\tcapital\tParis\n")
    assert main(["update", "old", "changes.tsv", "--remove", "gone.tsv"]) == 0
    printed = capsys.readouterr().out
    assert "3 facts given: 1 changed, 0 added, 1 removed, 1 as before" in printed
    assert printed.endswith("old: replaced\n")
    model = load("old")
    assert {name: model.facts.entity_id(name) for name in ids} == ids
    assert model.facts.entity_name(model.answer("Korea", ["neighbour", "capital"])) == "Tokyo"
    assert model.answer("Spain", ["neighbour"]) == -1
    assert main(["check", "old"]) == 0


def test_removed_and_given_is_changed(countries):
    (countries / "gone.tsv").write_text("Japan\tcapital\tKyoto\n")
    assert main(["update", "old", "changes.tsv", "--remove", "gone.tsv", "--by", "none"]) == 0
    facts = load("old").facts
    assert facts.entity_name(int(facts.answers[0, facts.entity_id("Japan")])) == "Tokyo"


def test_what_is_not_proven_is_not_written(countries, capsys, monkeypatch):
    before = contents(countries / "old")
    monkeypatch.setattr("constructions.model.fact_model.updated", lambda *_: stale())

    def stale():
        """An update that changes the table and forgets the weights."""
        from constructions.facts.changes import changed_table
        from constructions.model.updating import Update

        change = changed_table(model.facts, [("Japan", "capital", "Tokyo")])
        model.facts = change.facts
        return Update(change)

    model = load("old")
    monkeypatch.setattr("constructions.saved.folder.load", lambda *_: model)
    assert main(["update", "old", "changes.tsv", "--json", "u.json"]) == 1
    printed = capsys.readouterr().out
    assert "FAIL: " in printed
    assert printed.endswith("old: not replaced; nothing is changed\n")
    assert contents(countries / "old") == before
    assert json.loads((countries / "u.json").read_text())["written"] is None
    assert sorted(path.name for path in countries.iterdir() if path.name.startswith(".")) == []


def test_what_another_program_has_changed_meanwhile_stays(countries, capsys, monkeypatch):
    other = countries / "other.tsv"
    other.write_text("Spain\tcapital\tParis\n")
    from constructions.saved import folder as module

    whole = module.load

    def load_and_be_late(*arguments):
        """The model, which another program updates as soon as it is read."""
        model = whole(*arguments)
        monkeypatch.undo()
        monkeypatch.chdir(countries)
        assert main(["update", "old", "other.tsv", "--by", "none"]) == 0
        return model

    monkeypatch.setattr(module, "load", load_and_be_late)
    assert main(["update", "old", "changes.tsv", "--by", "none"]) == 2
    assert "old: another program has replaced it meanwhile" in capsys.readouterr().err
    facts = load("old").facts
    assert facts.entity_name(int(facts.answers[0, facts.entity_id("Spain")])) == "Paris"


def test_a_model_that_is_not_proven_is_not_compared(countries, capsys):
    facts = load("old").facts
    model = selector(FactTable(facts.answers, facts.entity_names, facts.relation_names))
    model.embedding.weight.data[0] = 7
    save(model, "wrong")
    assert main(["diff", "old", "wrong", "--json", "d.json"]) == 1
    printed = capsys.readouterr().out
    assert "wrong: FAIL" in printed
    assert "FAIL: no answers are compared: 1 model of 2 not proven (wrong)" in printed
    assert "lengths" not in json.loads((countries / "d.json").read_text())
    with pytest.raises(InputError, match="wrong: is not proven"):
        compared(proven_table(countries / "old"), proven_table(countries / "wrong"), 1)


def test_models_of_two_constructions_are_compared(countries, capsys):
    other = load("old").facts
    save(key_value(other, 2), "other")
    assert main(["diff", "old", "other"]) == 0
    printed = capsys.readouterr().out
    assert (
        "        1                          14                           0  the old one" in printed
    )
    assert "        2                          28                           0  both" in printed
    assert main(["update", "other", "changes.tsv"]) == 0
    printed = capsys.readouterr().out
    assert (
        "written: layers.0.mlp.weights.1.weight, layers.1.mlp.weights.1.weight, which" in printed
    )
    assert main(["diff", "old", "other", "-k", "1"]) == 0
    assert "Japan capital: Kyoto -> Tokyo" in capsys.readouterr().out


def test_stored_facts_alone_are_said_to_be_claimed(countries, capsys):
    words = ["facts", "facts.tsv", "--construction", "sparse_selector", "--save", "sparse"]
    assert main([*words, "--by", "none"]) == 0
    capsys.readouterr()
    assert main(["diff", "old", "sparse", "-k", "1"]) == 0
    printed = capsys.readouterr().out
    assert "sparse claims stored queries alone: where it has no answer, nothing" in printed
    assert "entities: 7 in both, 0 new, 0 gone" in printed


def test_spare_answers_are_fewer_where_that_is_asked_for(countries, capsys):
    words = ["facts", "facts.tsv", "--spare-entities", "9", "--save", "few", "--by", "none"]
    assert main([*words, "--spare-answers", "0"]) == 0
    assert "<spare-1> to <spare-9>" in capsys.readouterr().out
    assert main(["update", "few", "changes.tsv"]) == 2
    error = capsys.readouterr().err
    assert "'Tokyo' is none of the" in error
    assert "(--spare-answers)" in error


def test_answers_that_may_come_to_be_shared_take_another_construction(countries, capsys):
    (countries / "apart.tsv").write_text("a\tr\tb\na\tq\tc\n")
    words = ["facts", "apart.tsv", "--by", "none"]
    assert main(words) == 0
    assert "construction: superposition" in capsys.readouterr().out
    assert main([*words, "--spare-entities", "1"]) == 0
    assert "selector (the relations may come to share answers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["update", "old"], "give CHANGES, or --remove FILE, or both"),
        (["update", "old", "none.tsv"], "none.tsv"),
        (["update", "facts.tsv", "changes.tsv"], "facts.tsv: is no folder"),
        (["update", "old", "changes.tsv", "-o", "old"], "OUT and FOLDER are both old"),
        (["update", "old", "changes.tsv", "-o", "old/new"], "lies in the folder of a saved model"),
        (["update", "old", "changes.tsv", "-o", "facts.tsv"], "facts.tsv: cannot be written"),
        (["update", "old", "changes.tsv", "--json", "changes.tsv"], "--json and CHANGES are both"),
        (
            ["update", "old", "--remove", "changes.tsv"],
            "error: changes.tsv:1:15: no entity is named 'Tokyo'",
        ),
        (["update", "old", "--remove", "gone.tsv"], "gone.tsv:2:7: no relation is named 'flag'"),
        (["update", "old", "--remove", "other.tsv"], "other.tsv:2:15: (Japan, capital, Paris) is"),
        (["update", "old", "--remove", "other.csv"], "other.csv:2:15: (Japan, capital, Paris) is"),
        (["update", "old", "more.tsv"], "3 new names, and spare room for 2"),
        (["update", "old", "relation.tsv"], "relation.tsv:1:7: no relation is named 'president'"),
        (["diff", "old", "none"], "none: no such folder"),
        (["diff", "old", "empty"], "empty/manifest.json: no such file"),
        (["diff", "old", "old", "-k", "3000"], "hops is 3,000, and models are built for up to"),
        (["facts", "facts.tsv", "--spare-answers", "1"], "give both"),
        (
            ["facts", "facts.tsv", "--spare-entities", "1", "--spare-answers", "2"],
            "answers must be an integer from 0 to 1; got 2",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(countries, words, reported, capsys):
    (countries / "more.tsv").write_text("Peru\tcapital\tLima\nPeru\tneighbour\tChile\n")
    (countries / "relation.tsv").write_text("Japan\tpresident\tParis\n")
    (countries / "gone.tsv").write_text("# gone\nJapan\tflag\tParis\n")
    (countries / "other.tsv").write_text("# gone\nJapan\tcapital\tParis\n")
    (countries / "other.csv").write_text("subject,relation,object\nJapan,capital,Paris\n")
    (countries / "empty").mkdir()
    before = contents(countries / "old")
    assert main(words) == 2
    assert reported in capsys.readouterr().err
    assert contents(countries / "old") == before
