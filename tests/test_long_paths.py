"""Paths of any length: sizes of query sets are Python integers; what cannot be run is proven, or
refused in a sentence.
"""

import json
import random

import numpy as np
import pytest
import torch
from hand_made import built
from hypothesis import given
from hypothesis import strategies as st
from strategies import all_queries, bijections, functions

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    add_noise,
    chain_of_thought,
    noise_radius,
    save,
    widen,
)
from constructions.facts.limits import MOST_HOPS, MOST_QUERIES, require_runnable
from constructions.forms import noise_bounds
from verify.__main__ import main
from verify.attacking.attack import attack
from verify.cells import verifying
from verify.cells.cell import Cell
from verify.cells.verifying import run_cell
from verify.checking import check as checking
from verify.queries.exported import ask
from verify.queries.forms import check_form, make_form
from verify.queries.recall import check_recall
from verify.symbolic import passes, rounding

MANY_HOPS = [name for name, entry in CATALOGUE.items() if entry.multi_hop]


# ---------------------------------------------------------------- queries by number


@given(st.one_of(bijections(), functions()), st.integers(1, 4))
def test_queries_are_numbered_subject_first_and_last_letter_fastest(facts, hops):
    subjects, paths = all_queries(facts, hops)
    assert facts.n_queries(hops) == len(subjects)
    if len(subjects) <= 10_000:
        found = facts.queries(np.arange(len(subjects)), hops)
        assert np.array_equal(found[0], subjects)
        assert np.array_equal(found[1], paths)


@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 300),
    st.lists(st.integers(0, 2**63 - 1), min_size=1),
)
def test_a_query_of_any_length_has_its_number(n, r, hops, numbers):
    facts = FactTable.random_functions(n, r)
    numbers = np.array([number % min(facts.n_queries(hops), 2**63) for number in numbers])
    subjects, paths = facts.queries(numbers, hops)
    assert paths.shape == (len(numbers), hops)
    for number, subject, path in zip(
        numbers.tolist(), subjects.tolist(), paths.tolist(), strict=True
    ):
        for letter in [subject, *path]:
            assert letter >= 0
        value = subject
        for letter in path:
            assert letter < r
            value = value * r + letter
        assert value == number


@given(st.integers(1, 4), st.integers(2, 5), st.integers(1, 90))
def test_as_many_different_queries_are_drawn_as_asked_for(n, r, hops):
    facts = FactTable.random_functions(n, r)
    count = min(50, facts.n_queries(hops))
    subjects, paths = facts.drawn_queries(count, hops, np.random.default_rng(0))
    drawn = np.column_stack([subjects, paths])
    assert drawn.shape == (count, 1 + hops)
    assert len(np.unique(drawn, axis=0)) == count
    assert subjects.min() >= 0
    assert subjects.max() < n
    assert 0 <= paths.min() <= paths.max() < r
    if hops > 80:  # each letter occurs, at the first place too
        assert len(np.unique(paths)) == r
        assert len(np.unique(paths[:, 0])) > 1


def test_numbers_of_queries_that_nobody_could_write_down_are_refused():
    facts = FactTable.random_functions(2, 3)
    assert facts.n_queries(10_000) == 2 * 3**10_000
    with pytest.raises(InputError, match=r"3\^1,099,511,627,776 paths.*at most 1,000,000"):
        facts.n_queries(2**40)
    assert FactTable.random_functions(2, 1).n_queries(2**40) == 2


# ---------------------------------------------------------------- long paths are run


@pytest.mark.parametrize("name", MANY_HOPS)
def test_every_construction_answers_paths_of_more_hops_than_numpy_has_axes_or_refuses_them(name):
    """With a single relation there are few queries. Where letters have an axis each, the refusal
    gives both numbers.
    """
    hops = random.randrange(33, 40)
    result = run_cell(Cell(name, 3, 1, hops))
    assert result.verdict != "FAIL", (hops, result.reason)
    if result.verdict == "PASS":
        assert (result.queries, result.wrong, result.margin) == (3, 0, 2)
        assert (
            result.proof is None or result.proof.verdict == "PASS"
        )  # larger models are not saved here
    else:
        assert result.reason.endswith("axes, one for each letter; 30 are possible"), (
            hops,
            result.reason,
        )


@pytest.mark.parametrize(
    ("name", "hops"), [("key_value", 65), ("chain_of_thought", 40), ("meet_in_the_middle", 40)]
)
def test_a_wrong_answer_after_a_long_path_is_found(name, hops):
    """The control: the same model held against other facts."""
    facts = FactTable([[1, 2, 0]])
    given = {"max_hops": hops} if name == "chain_of_thought" else None
    model = verifying.build(CATALOGUE[name], facts, hops, given)
    right, wrong = (
        check_recall(model, facts, hops),
        check_recall(model, FactTable([[1, 0, 2]]), hops),
    )
    assert (right.queries, right.wrong) == (3, 0)
    assert (wrong.queries, wrong.wrong > 0) == (3, True)


@pytest.mark.long
def test_long_paths_on_the_command_line(tmp_path, capsys):
    one, two = tmp_path / "one.tsv", tmp_path / "two.tsv"
    one.write_text("a\tr\tb\nb\tr\ta\n")
    two.write_text("a\tr\tb\nb\tr\ta\na\tq\ta\nb\tq\ta\n")
    hops = random.randrange(65, 80)
    path = ["r"] * hops
    for arguments, reported in (
        (["key_value", "-N", "3", "-R", "1", "-k", "32"], "; 3 queries in"),
        (["facts", one, "-k", hops], "; 2 queries in"),
        (["facts", one, "--ask", "a", *path], f" -> {'ab'[hops % 2]}"),
        (["facts", two, "--ask", "a", *path], f" -> {'ab'[hops % 2]}"),
    ):
        assert main(list(map(str, arguments))) == 0, (hops, arguments)
        printed = capsys.readouterr().out
        assert reported in printed, (hops, printed)
        assert ("    by proof: " in printed) == (two in arguments)


# ---------------------------------------------------------------- more queries than can be run


def test_what_cannot_be_run_is_proven_and_said_to_be(tmp_path, capsys):
    reported = tmp_path / "reported.json"
    assert (
        main(["chain_of_thought", "-N", "64", "-R", "3", "-k", "40", "--json", str(reported)]) == 0
    )
    printed = capsys.readouterr().out
    proven = sum(64 * 3**length for length in range(1, 41))
    assert f"    proof: PASS: all {proven:,} queries are answered right" in printed
    assert "    by proof: the weights, saved to a temporary folder, are proven" in printed
    assert "    sample: 256 random queries (seed 0) run in float32" in printed
    assert f"; 0 queries in {printed.split('; 0 queries in ')[1]}" in printed
    assert f"{proven:,} queries proven in place of being run" in printed
    (cell,) = json.loads(reported.read_text())["cells"]
    assert (cell["verdict"], cell["queries"], cell["wrong"], cell["logits"]) == (
        "PASS",
        0,
        None,
        "proof",
    )
    assert (cell["proof"], cell["proven"], cell["margin"]) == ("PASS", proven, 2)
    assert (cell["by"], cell["sample"]["verdict"], cell["sample"]["queries"]) == (
        "proof",
        "PASS",
        256,
    )


def test_the_proof_alone_fails_a_wrong_model_and_leaves_open_what_it_does_not_reach(monkeypatch):
    cell = Cell("chain_of_thought", 3, 2, 40)
    assert run_cell(cell).verdict == "PASS"
    with monkeypatch.context() as patch:
        patch.setattr(passes, "MOST_CASES", 1)
        patch.setattr(checking, "MOST_WORK", -1)  # the symbolic checker alone
        patch.setattr(checking, "MOST_WORK_ALONE", -1)
        open_ = run_cell(cell)
    assert open_.verdict == "UNKNOWN"
    assert "the proof alone decides " in open_.reason
    assert "queries: the checker says UNKNOWN" in open_.reason
    with monkeypatch.context() as patch:
        patch.setattr(checking, "MOST_WORK", -1)
        patch.setattr(rounding, "ONE_HOT_GAP", 10**6)  # so that rounding is not excluded
        rounds = run_cell(cell)
    assert rounds.verdict == "UNKNOWN"
    assert "not in floating point: scores of a head differ by" in rounds.reason
    assert (rounds.margin, rounds.proof.proven.verdict) == (None, "PASS")
    build = verifying.build

    def damaged(*given):
        model = build(*given)
        with torch.no_grad():
            model.embedding.weight[0, 0] = 1 - model.embedding.weight[0, 0]
        return model

    monkeypatch.setattr(verifying, "build", damaged)
    wrong = run_cell(cell)
    assert (wrong.verdict, wrong.proof.proven.verdict, wrong.margin) == ("FAIL", "FAIL", None)


def test_whatever_runs_all_queries_refuses_more_than_can_be_run(tmp_path, monkeypatch):
    def asked(model):
        raise AssertionError("a few of the queries are run before too many are refused")

    monkeypatch.setattr(noise_bounds, "spread", asked)
    facts = FactTable.random_bijections(3, 2, seed=0)
    model = chain_of_thought(facts, 40)
    save(model, tmp_path / "model")
    planned = (
        rf"{sum(3 * 2**length for length in range(1, 41)):,} queries, and at most {MOST_QUERIES:,}"
    )
    for run in (
        lambda: check_form(model, make_form(model, "wide")),
        lambda: attack(tmp_path / "model", 1),
        lambda: noise_radius(add_noise(widen(model, 2 * model.shape.d_model), 0.0), "queries"),
    ):
        with pytest.raises(InputError, match=planned):
            run()
    with pytest.raises(InputError, match=rf"{3 * 2**40:,} queries, and at most"):
        check_recall(model, facts, 40)
    assert check_recall(model, facts, 5).queries == 96
    result = run_cell(Cell("chain_of_thought", 3, 2, 40, form="wide"), by="queries")
    assert result.verdict == "UNKNOWN"
    assert "run one by one" in result.reason


def test_so_many_queries_are_run_and_no_more():
    require_runnable(MOST_QUERIES)
    with pytest.raises(InputError, match="1,000,000,001 queries, and at most 1,000,000,000"):
        require_runnable(MOST_QUERIES + 1)


def test_a_sample_is_drawn_where_there_are_more_queries_than_are_asked():
    model = built("key_value", 3, 2, hops=3)
    asked = ask(model, model, most=5)
    assert (asked.all_queries, asked.queries, asked.wrong, asked.difference) == (24, 5, 0, 0)


def test_the_longest_paths_are_as_long_as_is_said():
    facts = FactTable([[0]])
    with pytest.raises(
        InputError,
        match=f"max_hops is {MOST_HOPS + 1:,}, and models are built for up to {MOST_HOPS:,}",
    ):
        chain_of_thought(facts, MOST_HOPS + 1)
    assert chain_of_thought(facts, MOST_HOPS).hops == MOST_HOPS
