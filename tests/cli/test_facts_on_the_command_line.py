"""Fact files on the command line: verified, asked, refused."""

import json

import pytest

from constructions import CATALOGUE
from verify.__main__ import main


def test_facts_are_verified_and_asked(family, capsys, tmp_path):
    questions = [
        "--ask",
        "Alice",
        "mother",
        "--ask",
        "Ann Lee",
        "born in",
        "--ask",
        "Dora wife",
        "--ask",
        "Ann Lee born in",
    ]
    path = tmp_path / "result.json"
    assert main(["facts", family, *questions, "--json", str(path)]) == 0
    answers = json.loads(path.read_text())["answers"]
    assert answers[0] == {"subject": "Alice", "path": ["mother"], "answer": "Beth"}
    assert [answer["answer"] for answer in answers] == ["Beth", "New York", None, "New York"]
    printed = capsys.readouterr().out
    assert (
        "5 facts, 6 entities, 3 relations, 13 of 18 (entity, relation) pairs without a fact"
        in printed
    )
    assert "Alice mother -> Beth" in printed
    assert "Ann Lee born in -> New York" in printed
    assert "Dora wife -> unknown (no such fact: 'Dora' has no 'wife')" in printed
    assert "PASS" in printed


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_the_construction_may_be_chosen(name, family, capsys):
    if CATALOGUE[name].needs == "bijections":
        assert main(["facts", family, "--construction", name]) == 2
        assert "mother has no answer for" in capsys.readouterr().err
        return
    assert main(["facts", family, "--construction", name, "--ask", "Alice wife"]) == 0
    printed = capsys.readouterr().out
    assert f"construction: {name} (as asked" in printed
    assert "Alice wife -> Dora" in printed


def test_a_suitable_construction_is_suggested(family, tmp_path, capsys):
    assert main(["facts", family]) == 0
    assert "construction: superposition" in capsys.readouterr().out
    shared = tmp_path / "shared.tsv"
    shared.write_text("a\tr\tb\na\tq\tb\n")
    assert main(["facts", str(shared)]) == 0
    assert "construction: selector (the relations share answers" in capsys.readouterr().out
    assert main(["facts", str(shared), "--construction", "superposition"]) == 2
    assert "a r -> b and a q -> b" in capsys.readouterr().err


def test_constructions_for_few_facts_a_subject_are_named(family, tmp_path, capsys):
    named = "\n    sparse_selector or sparse_selector_unknown\n"
    table = tmp_path / "table.tsv"
    few = [f"s{i}\tr{relation}\ta{i}\n" for i in range(4) for relation in (2 * i, 2 * i + 1)]
    table.write_text("".join(few))
    assert main(["facts", str(table)]) == 0
    printed = capsys.readouterr().out
    assert "    at most 2 of 8 relations a subject: fewer dimensions may do, with" in printed
    assert named in printed
    for arguments in (
        [str(table), "--construction", "selector"],  # who asks for one has chosen
        [str(table), "--ask", "s0 r0 r1"],  # they answer one hop
        [family],  # 1 of 3 relations
    ):
        assert main(["facts", *arguments]) == 0
        assert named not in capsys.readouterr().out
    table.write_text("".join([*few, "s0\tr7\ta0\n"]))  # 3 of 8
    assert main(["facts", str(table)]) == 0
    assert named not in capsys.readouterr().out


def test_questions_of_several_hops_and_lengths_are_answered(family, capsys, tmp_path):
    path = tmp_path / "result.json"
    questions = [
        "--ask",
        "Alice mother mother",
        "--ask",
        "Alice",
        "wife",
        "mother",
        "mother",
        "--ask",
        "Dora wife mother",
    ]
    assert main(["facts", family, *questions, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "construction: chain_of_thought" in printed
    assert "Alice mother mother -> Beth -> Carla" in printed
    assert "Alice wife mother mother -> Dora -> Beth -> Carla" in printed
    assert "Dora wife mother -> unknown" in printed
    parsed = json.loads(path.read_text())
    assert [(cell["hops"], cell["queries"]) for cell in parsed["cells"]] == [
        (2, 6 * 9),
        (3, 6 * 27),
    ]
    assert parsed["answers"][1] == {
        "subject": "Alice",
        "path": ["wife", "mother", "mother"],
        "written": ["Dora", "Beth"],
        "answer": "Carla",
    }


def test_a_model_of_one_length_is_not_asked_for_two(family, capsys):
    arguments = [
        "facts",
        family,
        "--construction",
        "key_value_rows",
        "--ask",
        "Alice mother mother",
    ]
    assert main(arguments) == 0
    assert "Alice mother mother -> Carla" in capsys.readouterr().out
    assert main([*arguments, "--ask", "Alice wife"]) == 2
    assert (
        "paths of one length, but the questions have 1 and 2 relations" in capsys.readouterr().err
    )
    assert (
        main(["facts", family, "--construction", "selector", "--ask", "Alice mother mother"]) == 2
    )
    assert "selector answers one hop" in capsys.readouterr().err


def test_options_reach_the_builder(capsys, tmp_path):
    path = tmp_path / "result.json"
    assert (
        main(["hybrid", "-N", "9", "-R", "3", "-k", "2", "--looked-up", "1", "--json", str(path)])
        == 0
    )
    assert json.loads(path.read_text())["cells"][0]["options"] == {"looked_up": 1}
    assert "hybrid q=1" in capsys.readouterr().out
    words = [
        "chain_of_thought",
        "-N",
        "9",
        "-R",
        "2",
        "-k",
        "3",
        "--max-hops",
        "5",
        "--hops-per-token",
        "2",
    ]
    assert main(words) == 0
    assert "K=5 j=2" in capsys.readouterr().out
    assert main(["hybrid", "-N", "9", "-R", "3", "-k", "2", "--looked-up", "4"]) == 1
    assert (
        "looked_up must be an integer from 0 to the number of relations, 3; got 4"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            ["Alise", "mother"],
            "no entity is named 'Alise' among the 6 of the table; did you mean 'Alice'",
        ),
        (["Alice", "brother"], "no relation is named 'brother' among the 3"),
        (["Alice"], "a subject and one relation or more; got 1 name: Alice"),
        (["Ann Lee borm in"], "no relation is named 'borm in' among the 3"),
        (["Ann Lea born in"], "did you mean 'Ann Lee'"),
    ],
)
def test_a_bad_question_is_refused_before_the_work(ask, message, family, capsys):
    assert main(["facts", family, "--ask", *ask]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "margin" not in captured.out
