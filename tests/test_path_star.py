"""Path-stars: the relation `parent`, where nodes stand, and constructions that find first nodes."""

import re
import shlex
import shutil

import numpy as np
import pytest
from console_blocks import matches, runs
from hypothesis import given
from hypothesis import strategies as st
from own_files import ROOT
from strategies import seeds

from constructions import (
    FactTable,
    InputError,
    chain_of_thought,
    key_value,
    key_value_rows,
    precomputed,
    save,
)
from constructions.facts.paths import Paths
from verify.__main__ import main
from verify.checking.check import check
from verify.queries.recall import check_recall

PAGE = (ROOT / "docs" / "path-star.md").read_text()
degrees, lengths = st.integers(1, 9), st.integers(2, 8)


def first_nodes(facts):
    """What no code of the product computes: the leaves, and the first node of the path to each."""
    parents = facts.answers[0].tolist()
    leaves = sorted(set(range(len(parents))) - set(parents))
    firsts = []
    for node in leaves:
        while parents[parents[node]] != -1:
            node = parents[node]
        firsts.append(node)
    return leaves, firsts


@given(degree=degrees, length=lengths, seed=seeds)
def test_a_path_star_is_paths_of_one_length_that_share_the_centre(degree, length, seed):
    facts = FactTable.path_star(degree, length, seed)
    assert facts.relation_names == ("parent",)
    assert facts.n_entities == degree * (length - 1) + 1
    assert facts.n_facts == facts.n_entities - 1
    paths = Paths.of(facts.answers[0])
    assert (paths.n_paths, paths.length) == (degree, length)
    assert facts.answers[0, paths.centre] == -1
    assert (np.bincount(paths.depth) == [1] + [degree] * (length - 1)).all()
    assert (facts.answers[0, paths.nodes[:, 1:]] == paths.nodes[:, :-1]).all()
    leaves, firsts = first_nodes(facts)
    assert sorted(paths.nodes[:, -1]) == leaves
    assert facts.answer(leaves, [[0] * (length - 2)]).tolist() == firsts


def test_nodes_are_numbered_at_random_and_alike_for_one_seed():
    tables = [FactTable.path_star(50, 5, seed) for seed in (0, 0, 1)]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]
    assert len({Paths.of(table.answers[0]).centre for table in tables}) == 2


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ([-1, -1, 0], "2 of 3 nodes"),
        ([1, 0], "0 of 2 nodes"),
        ([-1], "1 of 1 nodes"),
        ([-1, 0, 1, 1], "node 1 has two children, 2 and 3"),
        ([-1, 0, 3, 2], "parents of node 2 never lead to the centre, node 0"),
    ],
)
def test_what_is_no_tree_of_paths_is_refused(parents, said):
    with pytest.raises(InputError, match=said):
        Paths.of(np.array(parents))


@pytest.mark.parametrize("builder", [key_value, key_value_rows, precomputed, chain_of_thought])
@given(degree=st.integers(1, 5), length=st.integers(3, 5), seed=seeds)
def test_every_node_is_answered_by_each_construction(builder, degree, length, seed):
    facts, hops = FactTable.path_star(degree, length, seed), length - 2
    model = builder(facts, hops)
    recall = check_recall(model, facts, hops, logits="both")
    assert (recall.queries, recall.wrong, recall.margin) == (facts.n_entities, 0, 2)
    leaf, first = (found[0] for found in first_nodes(facts))
    assert model.answer(leaf, [0] * hops) == first


@pytest.mark.parametrize("builder", [key_value_rows, precomputed, chain_of_thought])
def test_one_changed_parent_and_one_renamed_leaf_are_caught(builder, tmp_path):
    facts = FactTable.path_star(7, 5, seed=2)
    leaves, firsts = first_nodes(facts)
    moved = facts.answers.copy()
    moved[0, leaves[0]] = facts.answers[0, leaves[1]]
    swap = np.arange(facts.n_entities)
    swap[leaves[:2]] = leaves[1::-1]
    renamed = np.where(facts.answers < 0, -1, swap[facts.answers])[:, swap]
    model = builder(facts, 3)
    for answers, wrong in ((moved, 1), (renamed, 2)):
        assert check_recall(model, FactTable(answers), 3).wrong == wrong

    save(model, tmp_path / "model")
    assert check(tmp_path / "model").verdict == "PASS"
    other = builder(FactTable(moved), 3)
    other.facts = facts
    save(other, tmp_path / "other")
    assert check(tmp_path / "other").verdict == "FAIL"
    assert firsts[0] != firsts[1]


def test_the_commands_of_the_page_print_what_stands_there(tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / "docs" / "path_code.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    found = [run for block in blocks for run in runs(block)]
    assert len(found) == 4
    for command, expected in found:
        program, *words = shlex.split(command.removeprefix("python -m "))
        assert (program, main(words)) == ("verify", 0)
        printed = capsys.readouterr().out.splitlines()
        assert matches(printed, expected, False), printed
        assert not matches(printed, [*expected, "and more"], False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--path-star", "5", "1"], "length"),
        (["--path-star", "0", "5"], "0"),
        (["--path-star", "5", "4", "--seed", "-1"], "seed"),
        (["--seed", "1"], "needs --path-star"),
    ],
)
def test_what_is_no_path_star_is_refused(words, said, tmp_path, capsys):
    try:
        status = main(["example", str(tmp_path / "star.tsv"), *words])
    except SystemExit as refused:  # by argparse
        status = refused.code
    assert status == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
