"""What a table takes, planned: the sizes are those of the model that is then built."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructions import FactTable
from constructions.guards.errors import FactFileError
from constructions.importing.asked import Asked
from constructions.importing.table import imported
from verify.__main__ import main
from verify.cells import expected as module
from verify.cells.expected import expected
from verify.cells.verifying import build

TABLES = {
    "bijections": lambda seed: FactTable.random_bijections(6, 3, seed),
    "functions": lambda seed: FactTable.random_functions(7, 3, seed),
    "partial": lambda seed: FactTable.random_functions(9, 3, seed, 0.3),
    "disjoint": lambda seed: FactTable.random_disjoint(9, 3, seed),
    "sparse": lambda seed: FactTable.random_sparse(9, 5, seed),
}


@pytest.fixture
def unmeasured(monkeypatch):
    """Nothing is measured: sizes alone are asked for."""
    monkeypatch.setattr(module, "_seconds", lambda *given: None)


def differing(found, facts, hops):
    """The constructions whose model, built, is of other sizes than was said."""
    wrong = []
    for one in found:
        if one.why_not:
            continue
        model = build(one.entry, facts, hops)
        held = sum(weight.nbytes for weight in model.parameters())
        if (model.shape.d_model, held) != (one.d_model, one.bytes):
            wrong.append(one.entry.name)
    return wrong


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("hops", [1, 2])
def test_planned_sizes_are_those_of_the_models_that_are_built(kind, hops, unmeasured):
    facts = TABLES[kind](random.getrandbits(32))
    found = list(expected(facts, hops))
    assert sum(not one.why_not for one in found) >= 5
    assert not differing(found, facts, hops)


def test_sizes_of_another_table_are_noticed(unmeasured):
    found = list(expected(TABLES["functions"](0)))
    assert differing(found, FactTable.random_functions(8, 3, 1), 1)


def test_a_construction_that_refuses_the_table_says_why(unmeasured):
    facts = TABLES["partial"](1)
    found = {one.entry.name: one.why_not for one in expected(facts)}
    assert "needs bijections" in found["meet_in_the_middle"]
    with pytest.raises(ValueError, match="needs bijections"):
        next(one for one in expected(facts) if "bijections" in one.why_not).entry.build(facts)


def test_what_exceeds_the_memory_does_not_fit(unmeasured, monkeypatch):
    monkeypatch.setattr(module, "memory_limit", lambda: 10)
    assert all(one.why_not for one in expected(TABLES["bijections"](0)))


triples = st.lists(st.tuples(*[st.sampled_from("abcd")] * 3), min_size=1, max_size=30)


def conflicts(lines):
    """By relation: the different triples but the first of each pair."""
    kept, more = {}, set()
    for subject, relation, target in lines:
        if kept.setdefault((subject, relation), target) != target:
            more.add((subject, relation, target))
    relations = [relation for _, relation, _ in more]
    return {relation: relations.count(relation) for relation in relations}, kept


@settings(max_examples=50)
@given(triples)
def test_conflicts_are_counted_by_relation(tmp_path_factory, lines):
    file = tmp_path_factory.mktemp("conflicts") / "facts.tsv"
    file.write_text("".join("\t".join(line) + "\n" for line in lines))
    counted, kept = conflicts(lines)
    read = imported(file, Asked(many="first"))
    assert read.conflicts == counted
    assert {(s, r): o for s, r, o in read.facts.in_order()} == kept
    if counted:
        with pytest.raises(FactFileError, match="a relation is a function"):
            imported(file, Asked())


def test_a_file_is_planned_with_its_conflicts(tmp_path, capsys):
    file, out = tmp_path / "family.tsv", tmp_path / "plan.json"
    file.write_text("Ann\tmother\tBeth\nAnn\tmother\tEve\nAnn\twife\tDora\n")
    words = ["plan", str(file), "--json", str(out), "--max-d", "8"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "2 facts, 3 entities, 2 relations" in shown
    assert "    2 answers, 1 conflict, settled by --many first\n" in shown
    assert "    1 of mother\n" in shown
    plan = json.loads(out.read_text())
    assert plan["conflicts"] == {"mother": 1}
    fits = [one for one in plan["constructions"] if not one["why_not"]]
    assert fits
    assert all(one["seconds"]["build"] > 0 for one in fits)
    assert any("d_model" in one["why_not"] for one in plan["constructions"])
    file.write_text("Ann\tmother\tBeth\n")
    main([*words, "--many", "drop"])
    assert "    1 answer, 0 conflicts\n" in capsys.readouterr().out


def test_nothing_fits_and_the_status_is_1(tmp_path, capsys):
    file = tmp_path / "family.tsv"
    file.write_text("Ann\tmother\tBeth\n")
    assert main(["plan", str(file), "--max-d", "1"]) == 1
    assert "nothing fits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "plan takes a table in a file"),
        (["-N", "4"], "plan takes a table in a file"),
        (["f.tsv", "-N", "4"], "leave out -N, or the file"),
        (["f.tsv", "--all"], "leave out --all, or the file"),
        (["f.tsv", "-k", "1,2"], "a table is planned for one length of paths; -k has 2"),
        (["f.tsv", "--csv", "p.csv"], "leave out --csv, or the file"),
        (["f.tsv", "--many", "set"], "of another command: sets f.tsv"),
        (["no.tsv"], "no such file"),
        ([".."], "is a directory"),
        (["f\0.tsv"], "cannot be read"),
    ],
)
def test_odd_words_of_plan_are_one_line(words, why, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.tsv").write_text("Ann\tmother\tBeth\n")
    assert main(["plan", *words]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
