"""`benchmarks/challenge.py`: what is built, what is counted, and what the picture shows."""

import ast
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from verify.rivals.memories import alternating

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
D, N_FACTS = 16, 400  # 1.56 d^2


@pytest.fixture
def weights_of(monkeypatch):
    return module(monkeypatch, "challenge_weights")


@pytest.fixture
def evaluator(monkeypatch):
    return module(monkeypatch, "challenge_evaluator")


def module(monkeypatch, name):
    """A file of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for loaded in [one for one in sys.modules if one.startswith("challenge")]:
        monkeypatch.delitem(sys.modules, loaded)
    return __import__(name)


def run(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def arrays(weights):
    return weights.e1, weights.e2, weights.u


# ---------------------------------------------------------------- what is built


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_facts_are_held(weights_of, evaluator, seed):
    weights = weights_of.build(D, N_FACTS, seed=seed)
    assert weights_of.recall(weights, D, N_FACTS) == 1
    assert evaluator.held_in_float32(*arrays(weights), N_FACTS) == N_FACTS
    assert evaluator.held_exactly(*arrays(weights), N_FACTS)[0] == N_FACTS


def test_of_half_of_the_facts_half_is_held(weights_of, evaluator):
    weights = weights_of.build(D, 2 * N_FACTS, share=0.5)
    held = evaluator.held_in_float32(*arrays(weights), 2 * N_FACTS)
    assert N_FACTS <= held < 1.3 * N_FACTS
    assert evaluator.held_in_float32(*arrays(weights), N_FACTS) == N_FACTS


def test_equal_gates_hold_almost_nothing(weights_of):
    weights = weights_of.build(D, N_FACTS, same=True)
    assert weights_of.recall(weights, D, N_FACTS) < 0.3, "the control"


def test_a_gap_adds_the_same_for_every_first_token(weights_of):
    gates = weights_of.draw_gates(D, weights_of.best_group(D), 0)
    levels = gates.first[:, None] + gates.second
    sums = np.maximum(levels, 0) @ gates.sign
    assert np.array_equal(sums, np.broadcast_to(gates.base, sums.shape))
    assert len(np.unique(gates.second, axis=0)) == 2 * D
    other = gates.first.copy()
    other[0, 0] -= 1
    assert not np.allclose(np.maximum(other[:, None] + gates.second, 0) @ gates.sign, gates.base)


def test_no_gate_turns_at_any_fact(weights_of):
    gates = weights_of.draw_gates(D, weights_of.best_group(D), 0)
    weights = weights_of.build(D, N_FACTS)
    a, b, _ = weights_of.challenge_facts(D, N_FACTS)
    opened = (weights.e1[a] + weights.e2[b])[:, : D - 2] > 0
    assert np.array_equal(opened, gates.first[a] + gates.second[b] > 0)
    assert 0.3 < opened.mean() < 0.7


def test_as_many_equations_are_independent_as_is_counted(weights_of, monkeypatch):
    for g, ends in ((2.3, 1.0), (3.5, 1.0)):
        monkeypatch.setattr(weights_of, "ENDS", ends)
        rank, count = rank_and_count(weights_of, g)
        assert 2.2 * D**2 < rank == count < 4 * D**2 - 3 * D, g
    monkeypatch.setattr(weights_of, "ENDS", 0.2)
    rank, count = rank_and_count(weights_of, 2.3)
    assert 0.98 * count < rank <= count, "no more, where some levels are rare"


def rank_and_count(weights_of, g):
    gates = weights_of.draw_gates(D, g, 1)
    opened = ((gates.first[:, None] + gates.second > 0) - 0.5) * gates.sign
    opened = np.concatenate([opened, np.ones((2 * D, 2 * D, 1))], 2)
    rank = np.linalg.matrix_rank(equations(opened))
    return rank, weights_of.independent_at_most(D, gates, g)


def equations(opened):
    """The matrix of all 4 d^2 equations from what multiplies each unknown (2d, 2d, d - 1)."""
    n, _, width = opened.shape
    found = np.zeros((n, n, 2, n, width))
    at = np.arange(n)
    found[at, :, 0, at] = opened
    found[:, at, 1, at] = opened
    return found.reshape(n * n, -1)


@pytest.mark.parametrize("growth", [0, 0.1, 0.55])
@pytest.mark.parametrize("d", [16, 64])
def test_each_line_is_highest_within_half_of_its_number(weights_of, d, growth):
    slopes, offsets = weights_of.slopes_and_offsets(d, growth)
    numbers = np.arange(d) - (d - 1) / 2
    for off in (-0.49, 0, 0.49):
        logits = slopes * (numbers + off)[:, None] + offsets
        assert np.array_equal(logits.argmax(1), np.arange(d))
    assert not np.array_equal((slopes * (numbers + 0.51)[:, None] + offsets).argmax(1), range(d))
    if not growth:
        parabola = numbers**2 / 2
        assert np.allclose(-offsets + offsets[0], parabola - parabola[0])


def test_least_squares_in_turn_hold_more_from_round_to_round(weights_of, evaluator):
    facts = weights_of.challenge_facts(D, D * D // 2)
    sizes = alternating.Sizes(first=2 * D, second=2 * D, answers=D, hidden=D)
    held = [
        evaluator.held_in_float32(*weights, D * D // 2)
        for weights in alternating.alternate(facts, sizes, 40, seed=0)
    ]
    assert held[0] < held[-1]
    assert held[-1] > 0.9 * D * D // 2


# ---------------------------------------------------------------- what is counted


def test_builder_and_evaluator_share_no_code_and_draw_the_same_facts(weights_of, evaluator):
    for one, other in (("evaluator", "weights"), ("weights", "evaluator")):
        tree = ast.parse((BENCHMARKS / f"challenge_{one}.py").read_text())
        imported = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module] if isinstance(node, ast.ImportFrom) else names(node))
        }
        assert imported <= {"argparse", "fractions", "typing", "numpy", "torch"}, (one, other)
    facts = {tuple(fact) for fact in evaluator.facts_of(D, N_FACTS)}
    assert facts == set(
        zip(*map(np.ndarray.tolist, weights_of.challenge_facts(D, N_FACTS)), strict=True)
    )
    assert len({fact[:2] for fact in facts}) == N_FACTS
    shuffled = torch.randperm(4 * D * D, generator=torch.Generator().manual_seed(42))
    assert (*divmod(int(shuffled[17]), 2 * D), 17 % D) in facts, "as the challenge draws them"


def names(node):
    return [alias.name for alias in node.names]


def test_the_evaluator_sees_changed_weights_and_other_labels(weights_of, evaluator, monkeypatch):
    e1, e2, u = arrays(weights_of.build(D, N_FACTS))
    assert evaluator.held_in_float32(e1, e2, u, N_FACTS) == N_FACTS
    changed = e1.copy()
    changed[3, 0] += 1000
    for damaged in ((changed, e2, u), (e1, e2, np.roll(u, 1, 0)), (e1, e2, 0 * u)):
        rounded = evaluator.held_in_float32(*damaged, N_FACTS)
        assert rounded == evaluator.held_exactly(*damaged, N_FACTS)[0] < N_FACTS
    facts = evaluator.facts_of(D, N_FACTS)
    facts[:, 2] = np.random.default_rng(0).permutation(facts[:, 2])
    monkeypatch.setattr(evaluator, "facts_of", lambda d, n: facts)
    assert evaluator.held_in_float32(e1, e2, u, N_FACTS) < N_FACTS / 4


def test_ties_and_nan_are_wrong(evaluator):
    logits = np.array([[2, 2, 1], [3, 2, 1], [np.nan, 5, 1], [np.inf, 5, 1]], np.float32)
    assert evaluator.larger_than_all_others(logits, np.array([0, 0, 1, 0])).tolist() == [
        False,
        True,
        False,
        True,
    ]
    d = 4
    e1, e2, u = np.ones((2 * d, d)), np.zeros((2 * d, d)), np.ones((d, d))
    equal = [part.astype(np.float32) for part in (e1, e2, u)]
    assert evaluator.held_in_float32(*equal, 4 * d * d) == 0
    assert evaluator.held_exactly(*equal, d) == (0, d), "ties are decided in fractions"
    equal[2][0, 0] = np.nan
    assert evaluator.held_in_float32(*equal, 4 * d * d) == 0
    with pytest.raises(ValueError, match="not finite"):
        evaluator.held_exactly(*equal, d)


def test_the_exact_count_is_that_of_fractions(evaluator):
    rng = np.random.default_rng(0)
    d, n = 4, 40
    parts = [
        rng.integers(-2, 3, shape).astype(np.float32) for shape in ((2 * d, d), (2 * d, d), (d, d))
    ]
    held = 0
    for a, b, label in evaluator.facts_of(d, n).tolist():
        hidden = [
            max(Fraction(float(x + y)), 0) for x, y in zip(parts[0][a], parts[1][b], strict=True)
        ]
        logits = [
            sum(Fraction(float(w)) * h for w, h in zip(row, hidden, strict=True))
            for row in parts[2]
        ]
        held += sorted(logits)[-2:] != [logits[label]] * 2 and max(logits) == logits[label]
    counted, fractions = evaluator.held_exactly(*parts, n)
    assert counted == held
    assert fractions, "some are ties, which only fractions decide"


def test_weights_of_another_shape_or_dtype_are_refused(evaluator):
    good = [
        np.zeros((8, 4), np.float32),
        np.zeros((8, 4), np.float32),
        np.zeros((4, 4), np.float32),
    ]
    for at, wrong in ((0, np.zeros((7, 4), np.float32)), (1, np.zeros((8, 4))), (2, good[0])):
        given = [*good[:at], wrong, *good[at + 1 :]]
        with pytest.raises(ValueError, match="expected float32"):
            evaluator.held_in_float32(*given, 4)


# ---------------------------------------------------------------- the programs


@pytest.mark.long
def test_the_table_is_built_stored_and_counted_again(tmp_path):
    printed = run(
        BENCHMARKS / "challenge.py", "-d", "16", "--low", "1.5", "--save", "w", cwd=tmp_path
    )
    held, counted = (
        re.search(rf"{name} +([\d,]+) +([\d,]+)", printed).groups()
        for name in ("one linear system, seed 0", "  right, counted again in float32")
    )
    assert held[0] == counted[0], "of all facts, all are right"
    assert int(held[0]) > 1.5 * D * D
    assert int(counted[1]) >= 0.9 * int(held[1])
    for share, n in zip(("100%", "90%"), held, strict=True):
        line = run(BENCHMARKS / "challenge_evaluator.py", f"w-16-{share}.npz", cwd=tmp_path)
        assert f"d = 16, {int(n):,} facts" in line
    few = run(
        BENCHMARKS / "challenge_evaluator.py", "w-16-100%.npz", "--facts", "99", cwd=tmp_path
    )
    assert "d = 16, 99 facts; float32: 99 held, 100.0000%; exactly: 99, 100.0000%" in few


@pytest.mark.long
def test_the_picture_is_drawn_by_its_command(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "other.svg"):
        run(BENCHMARKS / "challenge_picture.py", name, cwd=tmp_path)
    one = (tmp_path / "one.svg").read_text()
    assert one == (tmp_path / "other.svg").read_text()
    committed = (ROOT / "docs" / "challenge.svg").read_text()
    assert drawn(one) == drawn(committed)
    assert drawn(one)[0]


def drawn(svg):
    """What does not depend on the version of matplotlib: texts, and how many shapes."""
    return re.findall(r"<!-- (.*?) -->", svg), len(re.findall('<g id="patch_', svg))
