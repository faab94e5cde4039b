"""What decides a cell: the rule, what is asked for, and what is said of it."""

import shutil
from types import SimpleNamespace

import pytest

from constructions import CATALOGUE, FactTable, InputError, selector
from verify.cells import decided_by, room, verifying
from verify.cells.cell import Cell
from verify.cells.decided_by import Way, way
from verify.cells.verifying import run_cell, verify_facts

SHAPE = selector(FactTable.random_bijections(8, 2, seed=0)).shape
INTERNAL = SHAPE.n_parameters() - 2 * SHAPE.d_vocab * SHAPE.d_model
MOST = decided_by.MOST_WORK // (INTERNAL + decided_by.BESIDE_WEIGHTS)
LARGE = SHAPE.n_parameters() - 1


@pytest.mark.parametrize(
    ("by", "queries", "proven_size", "saves", "chosen"),
    [
        ("auto", MOST, LARGE, False, Way(run=True, prove=False)),
        ("auto", MOST, LARGE, True, Way(run=True, prove=True)),
        ("auto", MOST, LARGE + 1, False, Way(run=True, prove=True)),
        ("auto", MOST + 1, LARGE, False, Way(run=False, prove=True)),
        ("proof", 1, LARGE, False, Way(run=False, prove=True)),
        ("queries", MOST + 1, LARGE, False, Way(run=True, prove=False)),
        ("queries", 1, LARGE, True, Way(run=True, prove=True)),
        ("both", MOST + 1, LARGE, False, Way(run=True, prove=True)),
    ],
)
def test_the_rule(by, queries, proven_size, saves, chosen):
    assert way(by, SHAPE, queries, proven_size, saves) == chosen


def test_many_queries_are_proven_and_none_is_run(monkeypatch):
    monkeypatch.setattr(decided_by, "MOST_WORK", 0)
    monkeypatch.setattr(verifying, "check_recall", None)  # calling it is a crash
    result = run_cell(Cell("key_value", 6, 2, 2))
    assert (result.by, result.verdict, result.queries, result.margin) == ("proof", "PASS", 0, 2)


def test_a_proof_that_leaves_rounding_open_is_followed_by_all_queries(monkeypatch):
    monkeypatch.setattr(decided_by, "MOST_WORK", 0)
    result = run_cell(Cell("attention_selector", 6, 2))
    assert (result.by, result.verdict, result.queries) == ("both", "PASS", 12)
    alone = run_cell(Cell("attention_selector", 6, 2), by="proof")
    assert (alone.by, alone.verdict, alone.queries) == ("proof", "UNKNOWN", 0)


def test_a_disk_without_room_is_refused_with_both_numbers(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda where: SimpleNamespace(free=7))
    result = run_cell(Cell("selector", 6, 2), by="proof")
    assert result.verdict == "UNKNOWN"
    assert "which takes about" in result.reason
    assert "has 7 bytes free" in result.reason
    assert run_cell(Cell("selector", 6, 2), by="queries", proven_size=0).verdict == "PASS"


def test_what_a_large_model_takes_is_said_beforehand(monkeypatch):
    monkeypatch.setattr(room, "LARGE", 1)
    told = []
    facts = FactTable.random_bijections(6, 2, seed=0)
    result, model = verify_facts(CATALOGUE["selector"], facts, announce=told.append)
    assert result.verdict == "PASS"
    (line,) = told
    assert f"{model.shape.n_parameters():,} parameters take " in line
    assert "bytes of memory; to be proven they are saved to a temporary folder in" in line


def test_more_queries_than_can_be_run_are_not_run_though_asked_for():
    result = run_cell(Cell("chain_of_thought", 64, 3, 40), by="queries")
    assert result.verdict == "UNKNOWN"
    assert "at most 1,000,000,000 are run one by one" in result.reason
    facts = FactTable.random_bijections(64, 3, seed=0)
    with pytest.raises(InputError, match="are run one by one"):
        verify_facts(CATALOGUE["chain_of_thought"], facts, 40, by="both")
