"""What `show` says of a set as it is written is what the forward pass holds, and what the table
says.
"""

import copy

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from meeting_texts import meeting

from constructions import InputError, SetTable, save, sets_of_answers
from verify.__main__ import main
from verify.cli.reports import mechanism_picture
from verify.cli.reports.mechanism import table
from verify.queries.showing import shown

FAMILY = [
    ("Alice", "child", "Bob"),
    ("Alice", "child", "Carol"),
    ("Bob", "spouse", "Dora"),
    ("Carol", "child", "Emil"),
]


def written(facts, subject, letter):
    """The names of the tokens that are to be written."""
    return [*map(facts.entity_name, facts.answer_set(subject, letter)), "END"]


def test_each_written_token_is_a_step_and_what_it_shows_stands_in_the_stream():
    facts = SetTable.random(9, 3, 4, seed=1)
    model = sets_of_answers(facts)
    for subject, letter in np.ndindex(9, 3):
        found = shown(model, subject, [letter])
        names = written(facts, subject, letter)
        assert found.right
        assert found.answer == (", ".join(names[:-1]) or "(no answer)")
        assert [step.logits[0][0] for step in found.steps] == names
        tokens = [subject, 9 + letter, *facts.answer_set(subject, letter)]
        trace = model.trace(torch.tensor([tokens]))
        columns = [column for block in found.blocks for column in block.columns]
        assert sorted(columns) == list(range(model.shape.d_model))
        for place, step in enumerate(found.steps):
            assert step.rows[-1].position == place + 1
            for row in step.rows:
                state = trace.residual[row.point][0, row.position]
                for block, held in zip(found.blocks, row.held, strict=True):
                    assert held.values.tolist() == state[list(block.columns)].tolist()
            assert sum(added for added, _ in step.read) == pytest.approx(step.logits[0][1])


def test_the_block_of_a_place_holds_the_answer_of_that_place():
    """In the embedding, and at last in the block that position and relation leave open."""
    facts = SetTable.from_triples(FAMILY)
    model = sets_of_answers(facts)
    found = shown(model, 0, [facts.relation_id("child")])
    labels = [block.label for block in found.blocks[:3]]
    assert labels == ["child 1", "child 2", "spouse"]
    assert [held.text for held in found.steps[0].rows[0].held[:3]] == ["Bob", "Carol", "END"]
    left = [[held.text for held in step.rows[-1].held[:3]] for step in found.steps]
    assert left == [["Bob", "", ""], ["", "Carol", ""], ["", "", ""]]
    assert [held.cleared for held in found.steps[2].rows[-1].held[:3]] == [True, True, True]


def test_zeros_that_a_relation_has_made_of_a_code_are_no_code():
    """Bob's code is all ones, and *spouse* takes 1 from each: what is left is not END."""
    facts = SetTable.from_triples(FAMILY[:3])
    found = shown(sets_of_answers(facts), 0, [facts.relation_id("spouse")])
    subject, *_, copied, _ = found.steps[0].rows
    assert subject.held[0].values.tolist() == [1, 1]
    assert [(held.kind, held.text) for held in copied.held[:3]] == [
        ("zero", ""),
        ("moved", "Carol - 5"),
        ("entity", "END"),
    ]


def test_a_damaged_model_is_shown_as_it_is():
    """The control: a set with an answer exchanged, and a model that never writes END."""
    facts = SetTable.from_triples(FAMILY)
    model = sets_of_answers(facts)
    edited = copy.deepcopy(model)
    with torch.no_grad():
        edited.embedding.weight[0] = model.embedding.weight[facts.entity_id("Carol")]
    assert shown(model, 0, [0]).right
    found = shown(edited, 0, [0])
    assert (found.answer, found.right) == ("Emil", False)
    with torch.no_grad():
        edited.unembedding.weight[model.vocabulary.special("end")] = 0
        edited.unembedding.weight[model.vocabulary.special("end"), -1] = -100
    found = shown(edited, 0, [0])
    assert (found.answer.endswith("... (no END)"), found.right) == (True, False)


def test_a_saved_model_of_sets_is_drawn_and_no_basis_fitted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(sets_of_answers(SetTable.from_triples(FAMILY)), "sets")
    assert main(["show", "sets", "Alice child", "--plot", "sets.svg"]) == 0
    asked = capsys.readouterr().out
    assert "Alice child -> Bob, Carol" in asked
    assert "step 3: writes END" in asked
    assert max(map(len, asked.splitlines())) <= 99
    assert main(["show", "sets"]) == 0
    assert capsys.readouterr().out == asked.replace("drawn: sets.svg\n", "")
    for words, message in (
        (["sets", "Alice child child"], "a set is one hop away: 2 relations"),
        (["sets", "-k", "2"], "a set is one hop away: 2 relations"),
        (["sets", "--fitted"], "a basis is fitted to the answers of models that answer paths"),
        (["sets", "Alice chil"], "no relation is named 'chil'"),
    ):
        assert main(["show", *words]) == 2
        refused = capsys.readouterr().err
        assert message in refused
        assert refused.count("\n") == 1


def test_sets_are_drawn_by_the_name_of_their_construction(capsys):
    """Of the drawn table itself, with another query, and from another seed; the control is the
    table of another seed.
    """
    sizes = ["-N", "7", "-R", "3"]
    assert main(["show", "sets_of_answers", "e4 r1", *sizes, "--seed", "2"]) == 0
    asked = capsys.readouterr().out.rstrip("\n")
    facts = SetTable.random(7, 3, seed=2)
    assert asked == table(shown(sets_of_answers(facts), 4, [1]))
    assert asked != table(shown(sets_of_answers(SetTable.random(7, 3, seed=3)), 4, [1]))
    assert main(["show", "sets_of_answers", *sizes, "--seed", "2"]) == 0
    largest = capsys.readouterr().out.rstrip("\n")
    letter, subject = divmod(int(facts.sizes.argmax()), 7)
    assert largest == table(shown(sets_of_answers(facts), subject, [letter]))


def test_no_two_texts_of_the_picture_of_a_set_meet(monkeypatch):
    """The control is a picture without room."""
    facts = SetTable.random(40, 3, 2, seed=2)
    model = sets_of_answers(facts)
    letter, subject = divmod(int(facts.sizes.argmax()), 40)
    found = shown(model, subject, [letter])

    def texts_that_meet():
        figure = mechanism_picture.figure(found)
        FigureCanvasAgg(figure)
        return meeting(figure)

    assert texts_that_meet() == []
    monkeypatch.setattr(mechanism_picture, "_HEIGHT", 0.1)
    assert texts_that_meet() != []


def test_a_query_that_is_no_set_is_refused():
    model = sets_of_answers(SetTable.from_triples(FAMILY))
    for subject, path, message in ((0, [0, 0], "one hop away"), (99, [0], "99"), (0, [9], "9")):
        with pytest.raises(InputError, match=message):
            shown(model, subject, path)
