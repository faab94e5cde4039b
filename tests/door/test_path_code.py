"""docs/path_code.py: a node is its path and its depth, and all hops are one step."""

import json

import numpy as np
import pytest
import torch
from hand_made import files_of, resealed
from hypothesis import given
from hypothesis import strategies as st
from own_files import ROOT
from strategies import seeds

from constructions import FactTable, InputError, construction
from constructions.facts.paths import Paths
from constructions.facts.tsv import fact_lines
from verify import check_construction
from verify.checking.check import check_files
from verify.kernel import proof as kernel
from verify.queries.recall import check_recall

MINE = construction(f"{ROOT / 'docs' / 'path_code.py'}:mine")
BUILDER = MINE.constructor()


def bits(count):
    """The bits that distinguish so many things, one at least."""
    return max(1, int(np.ceil(np.log2(count))))


@given(
    entities=st.integers(2, 16),
    relations=st.integers(1, 3),
    hops=st.integers(1, 3),
    seed=seeds,
)
def test_it_has_the_stated_size_and_margin(entities, relations, hops, seed):
    facts = MINE.random_facts(entities, relations, seed)
    model, paths = BUILDER(facts, hops), Paths.of(facts.answers[0])
    a, p, letters = bits(paths.n_paths), bits(hops + 1), relations * hops
    if relations == 1:
        letters = 1
    assert model.shape.d_model == a + paths.length + p + letters
    assert [layer.d_mlp for layer in model.shape.layers] == [(relations**hops * paths.length,)]
    recall = check_recall(model, facts, hops, logits="both")
    assert (recall.wrong, recall.unknown, recall.defect, recall.margin) == (0, 0, None, 2)


@given(degree=st.integers(1, 9), length=st.integers(3, 8), seed=seeds)
def test_one_step_leads_from_every_leaf_to_the_first_node(degree, length, seed):
    facts = FactTable.path_star(degree, length, seed)
    paths = Paths.of(facts.answers[0])
    model = BUILDER(facts, length - 2)
    assert len(model.shape.layers) == 1
    tokens = np.full((degree, length - 1), facts.n_entities)
    tokens[:, 0] = paths.nodes[:, -1]
    said = model(torch.from_numpy(tokens))[:, -1].argmax(-1)
    assert (said.numpy() == paths.nodes[:, 1]).all()


def test_the_weights_inside_are_those_of_any_path_star_of_the_same_length():
    models = [
        BUILDER(FactTable.path_star(degree, 6, seed), 4) for degree, seed in ((9, 0), (16, 1))
    ]
    for one, other in zip(
        *(model.layer_sequence()[0].parameters() for model in models), strict=True
    ):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("n", "r", "k"), [(2, 1, 1), (12, 2, 2), (30, 3, 1)])
def test_the_kernel_proves_it(n, r, k):
    files = files_of(BUILDER(MINE.random_facts(n, r, seed=n), k))
    proven = kernel.prove(files, json.loads(files["manifest.json"]))
    assert (proven.verdict, proven.queries, proven.margin) == ("PASS", n * r**k, 2)
    assert check_files(files).verdict == "PASS"


def test_first_and_child_are_relations_like_parent():
    facts = FactTable.path_star(8, 5, seed=4)
    paths = Paths.of(facts.answers[0])
    first, child = paths.relation(np.array([-1, 1, 1, 1, 1])), np.full(facts.n_entities, -1)
    child[paths.nodes[:, 1:-1]] = paths.nodes[:, 2:]
    all_three = FactTable([facts.answers[0], first, child])
    assert check_recall(BUILDER(all_three, 2), all_three, 2).wrong == 0
    child[paths.nodes[0, 2]] = paths.nodes[1, 3]  # on another path
    with pytest.raises(InputError, match=f"leads from node {paths.nodes[0, 2]} to"):
        BUILDER(FactTable([facts.answers[0], child]))


def test_the_centre_may_be_its_own_parent():
    answers = FactTable.path_star(6, 4, seed=0).answers.copy()
    centre = int(np.flatnonzero(answers[0] == -1)[0])
    answers[0, centre] = centre
    facts = FactTable(answers)
    recall = check_recall(BUILDER(facts, 2), facts, 2)
    assert (facts.is_total, recall.wrong, recall.margin) == (True, 0, 2)


def test_one_changed_parent_and_one_renamed_leaf_are_caught():
    facts = FactTable.path_star(7, 5, seed=2)
    leaves = Paths.of(facts.answers[0]).nodes[:2, -1]
    model, swap = BUILDER(facts, 3), np.arange(facts.n_entities)
    swap[leaves] = leaves[::-1]
    moved = facts.answers.copy()
    moved[0, leaves[0]] = facts.answers[0, leaves[1]]
    with pytest.raises(InputError, match="has two children"):
        BUILDER(FactTable(moved), 3)
    renamed = np.where(facts.answers < 0, -1, swap[facts.answers])[:, swap]
    files = files_of(model)
    for answers, wrong in ((moved, 1), (renamed, 2)):
        other = FactTable(answers, relation_names=["parent"])
        assert check_recall(model, other, 3).wrong == wrong
        text = "".join(fact_lines(other)).encode()
        assert check_files(resealed(files, facts_tsv=text)).verdict == "FAIL"
    same = "".join(fact_lines(facts)).encode()
    assert check_files(resealed(files, facts_tsv=same)).verdict == "PASS"


def test_it_is_verified_like_the_catalogue():
    result = check_construction(MINE, N=40, R=2, k=2)
    assert (result.verdict, result.wrong, result.margin) == ("PASS", 0, 2), str(result)
