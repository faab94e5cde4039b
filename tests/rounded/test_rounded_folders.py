"""Folders of rounded trained models: written, read, proven by the checker, and no other kind."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from rounded_folders import folder_of, verdict
from small_trained import FACTS, Exact, copied, drawn, trained

from constructions import FactTable, InputError, OneLayerShape, load, save, selector
from constructions.learning import rounded_folder
from constructions.learning.rounded_folder import load_rounded, save_rounded
from constructions.learning.rounding import round_weights
from verify.__main__ import main
from verify.checking.check import check
from verify.learned.proven import prove_recall
from verify.queries.sampled import check_and_sample
from verify.rounded import proof


def test_a_rounded_model_comes_back_and_is_proven(tmp_path):
    model = round_weights(trained())
    save_rounded(model, FACTS, tmp_path / "rounded")
    loaded, facts = load_rounded(tmp_path / "rounded")
    assert facts == FACTS
    assert loaded.shape == model.shape
    assert all(map(torch.equal, loaded.parameters(), model.parameters()))
    found, sample = check_and_sample(tmp_path / "rounded")
    assert (found.verdict, found.queries, found.not_claimed) == ("PASS", 256, 0)
    assert found.by == "rounded"
    assert sample is None


def test_the_margin_is_the_exact_one(tmp_path):
    model = round_weights(trained(), 6)
    exact, leads = Exact(model), []
    some = FACTS.answers.copy()
    some[:, 20:] = -1
    for subject in range(20):
        for relation in range(4):
            logits = exact.logits(subject, relation)
            own = logits.pop(some[relation, subject])
            leads.append(own - max(logits))
    found = verdict(folder_of(model, FactTable(some), tmp_path))
    assert min(leads) > 0
    assert (found.verdict, found.queries, found.not_claimed) == ("PASS", 80, 176)
    assert found.margin == found.real_margin == min(leads)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_random_models_are_judged_as_their_exact_logits_say(tied, hidden, tmp_path):
    """Small integers, so that many logits tie; facts that are right, or all but one."""
    proven = 0
    for seed in range(12):
        shape = OneLayerShape(6, 2, 4, 3, 5, n_hidden_layers=hidden, tied=tied)
        model = drawn(shape, seed, grid=2)
        exact = Exact(model)
        logits = [[exact.logits(s, r) for s in range(6)] for r in range(2)]
        best = [[max(range(4), key=row.__getitem__) for row in rows] for rows in logits]
        strict = [[sorted(row)[-1] > sorted(row)[-2] for row in rows] for rows in logits]
        answers = np.where(strict, best, -1)
        if not (answers >= 0).any():
            continue
        place = tmp_path / f"{seed}"
        found = verdict(folder_of(model, FactTable(answers), place))
        leads = [
            sorted(row)[-1] - sorted(row)[-2]
            for rows, kept in zip(logits, answers, strict=True)
            for row, k in zip(rows, kept, strict=True)
            if k >= 0
        ]
        assert found.verdict == "PASS", found.reason
        assert found.margin == Fraction(min(leads))
        proven += 1
        if (answers < 0).any():
            tie = np.where(answers < 0, best, answers)
            assert verdict(folder_of(model, FactTable(tie), place)).verdict == "FAIL"
        relation, subject = np.argwhere(answers >= 0)[0]
        answers[relation, subject] = (answers[relation, subject] + 1) % 4
        refused = verdict(folder_of(model, FactTable(answers), place))
        assert refused.verdict == "FAIL"
        assert f"e{subject} r{relation}: the answer is" in refused.reason
    assert proven >= 4


@pytest.mark.parametrize("place", [0, 50, 51, 254, 255])
def test_every_fact_of_several_batches_is_computed(place, tmp_path, monkeypatch):
    monkeypatch.setattr(proof, "NUMBERS", 64 * 51)  # five times 51 facts, and one
    answers = FACTS.answers.copy()
    answers.reshape(-1)[place] = (answers.reshape(-1)[place] + 1) % 64
    model = round_weights(trained())
    assert verdict(folder_of(model, FACTS, tmp_path)).verdict == "PASS"
    assert verdict(folder_of(model, FactTable(answers), tmp_path)).verdict == "FAIL"


def test_the_module_computes_the_exact_logits_in_float64():
    """The same numbers, bit by bit; in float32 they are rounded."""
    model = round_weights(trained())
    exact, single = Exact(model), model(model.tokens(torch.arange(0, 64, 9), torch.tensor(2)))
    found = copied(model).double()(model.tokens(torch.arange(0, 64, 9), torch.tensor(2)))
    for subject, logits in zip(range(0, 64, 9), found.detach().tolist(), strict=True):
        assert list(map(Fraction, logits)) == exact.logits(subject, 2)
    assert not torch.equal(single.double(), found)


def test_both_ways_to_prove_agree(tmp_path):
    for bits in (2, 3, 4, 5, 8):
        model = round_weights(trained(), bits)
        found = verdict(folder_of(model, FACTS, tmp_path))
        assert found.verdict == prove_recall(model, FACTS).real.verdict


def test_sums_that_float64_may_round_are_undecided(tmp_path):
    for bits, wanted in ((12, "PASS"), (20, "UNKNOWN"), (24, "UNKNOWN")):
        found = verdict(folder_of(round_weights(trained(), bits), FACTS, tmp_path))
        assert found.verdict == wanted
        advice = "2^51 of its steps: it may be rounded; round the weights to fewer bits"
        assert wanted == "PASS" or advice in found.reason


def test_without_the_bound_a_tie_would_be_taken_for_right(tmp_path, monkeypatch):
    """Both logits of e0 are 2^22 + 3, the first one as `(2^54 + 2^22 + 3) - 2^54`, which float64
    rounds to 2^22 + 4; those of e1 are 2 and 1.
    """
    model = drawn(OneLayerShape(2, 1, 2, 4, 1), 0, grid=0)
    with torch.no_grad():
        model.entities[0] = torch.tensor([2.0**22 + 3, 0, 2.0**22, 2.0**22 + 3])
        model.entities[1] = torch.tensor([2.0, 0, 0, 1])
        model.weights[0][0, 2] = 2.0**20
        model.weights[1][:2, 0] = torch.tensor([2.0**12, -(2.0**12)])
        model.answers[0, :2] = 1
        model.answers[1, 3] = 1
    assert Exact(model).logits(0, 0) == [2**22 + 3] * 2
    files = folder_of(model, FactTable(np.array([[0, 0]])), tmp_path)
    found = verdict(files)
    assert found.verdict == "UNKNOWN"
    assert "2^51" in found.reason
    monkeypatch.setattr(proof, "LIMIT", np.inf)
    assert verdict(files).verdict == "PASS"  # which is false


def test_the_bound_is_that_of_the_largest_query(tmp_path):
    """The logits of e0 are sums of 1,024 products of 2^44, those of e1 are small."""
    model = drawn(OneLayerShape(2, 1, 2, 1024, 1), 0, grid=0)
    with torch.no_grad():
        model.entities[0] = 2.0**22
        model.entities[1, 0] = 1
        model.answers[0] = 2.0**22
        model.answers[0, 1::2] *= -1
        model.answers[0, 0] += 1
    found = verdict(folder_of(model, FactTable(np.array([[0, 0]])), tmp_path))
    assert found.verdict == "UNKNOWN"
    model.entities.data[0] = 2.0**12
    found = verdict(folder_of(model, FactTable(np.array([[0, 0]])), tmp_path))
    assert (found.verdict, found.margin) == ("PASS", 2**12)


def both_tests(place):
    test_random_models_are_judged_as_their_exact_logits_say(False, 1, place)
    test_the_margin_is_the_exact_one(place)


@pytest.mark.parametrize(
    "broken",
    [
        ("_affine", lambda w, b, x: (proof.Scaled(x.integers @ w.integers.T, w.exponent), 0.0)),
        ("_aligned", lambda one, other: (one, other)),
        ("_least_lead", lambda folder, logits, subjects, relations: 1),
    ],
    ids=lambda broken: broken[0],
)
def test_a_broken_checker_is_noticed(broken, tmp_path, monkeypatch):
    """Without biases, or steps, or the comparison the verdicts differ from the exact ones."""
    monkeypatch.setattr(proof, *broken)
    with pytest.raises(AssertionError):
        both_tests(tmp_path)


# -------------------------------------------------------------------- kinds of folders


def test_no_kind_of_folder_is_taken_for_another(tmp_path):
    save(selector(FactTable.random_bijections(5, 2)), tmp_path / "built")
    save_rounded(round_weights(trained()), FACTS, tmp_path / "rounded")
    with pytest.raises(InputError, match="is the folder of a 'rounded trained model'"):
        load(tmp_path / "rounded")
    with pytest.raises(InputError, match="is not the manifest of a rounded trained model"):
        load_rounded(tmp_path / "built")
    with pytest.raises(InputError, match="is not empty and not the folder of a model"):
        save(selector(FACTS), tmp_path / "rounded")
    with pytest.raises(InputError, match="is not empty and not the folder of a rounded"):
        save_rounded(round_weights(trained()), FACTS, tmp_path / "built")
    with pytest.raises(InputError, match="lies in the folder of a saved model"):
        save_rounded(round_weights(trained()), FACTS, tmp_path / "rounded" / "inner")
    assert check(tmp_path / "built").verdict == check(tmp_path / "rounded").verdict == "PASS"
    assert check(tmp_path / "rounded", by="kernel").verdict == "UNKNOWN"


def test_a_rounded_model_is_replaced_by_a_rounded_model_alone(tmp_path):
    place = tmp_path / "rounded"
    save_rounded(round_weights(trained(), 8), FACTS, place)
    save_rounded(round_weights(trained(), 9), FACTS, place)
    assert check(place).verdict == "PASS"
    (place / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        save_rounded(round_weights(trained(), 9), FACTS, place)


@pytest.mark.parametrize("place", ["write_tensors", "write_facts", "write_manifest"])
def test_a_save_that_fails_leaves_what_was_there(place, tmp_path, monkeypatch):
    save_rounded(round_weights(trained(), 8), FACTS, tmp_path / "rounded")
    before = {path.name: path.read_bytes() for path in (tmp_path / "rounded").iterdir()}

    def fail(*args):
        raise OSError("the disk is full")

    monkeypatch.setattr(rounded_folder, place, fail)
    for name in ("rounded", "new"):
        with pytest.raises(InputError, match="the disk is full"):
            save_rounded(round_weights(trained(), 9), FACTS, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["rounded"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "rounded").iterdir()} == before


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(InputError, match="give what round_weights"):
        save_rounded(trained(), FACTS, tmp_path / "rounded")
    model = round_weights(trained())
    with pytest.raises(InputError, match="63 entities"):
        save_rounded(model, FactTable.random_bijections(63, 4), tmp_path / "rounded")
    with pytest.raises(InputError, match="0 facts"):
        save_rounded(model, FactTable(np.full((4, 64), -1)), tmp_path / "rounded")
    with pytest.raises(InputError, match="finite numbers in float32"):
        save_rounded(copied(model).double(), FACTS, tmp_path / "rounded")
    assert not (tmp_path / "rounded").exists()


@pytest.mark.parametrize(
    ("bits", "status", "said"), [(10, 0, "PASS: all 256 queries"), (2, 1, "FAIL: ")]
)
def test_check_on_the_command_line(bits, status, said, tmp_path, capsys):
    save_rounded(round_weights(trained(), bits), FACTS, tmp_path / "rounded")
    assert (
        main(["check", str(tmp_path / "rounded"), "--json", str(tmp_path / "out.json")]) == status
    )
    assert said in capsys.readouterr().out
    reported = json.loads((tmp_path / "out.json").read_text())
    assert reported["verdict"] == said.partition(":")[0]
    assert reported["by"] == ("rounded" if status == 0 else "")


def test_the_checker_takes_numpy_and_the_standard_library_alone():
    code = "import sys, verify.rounded; print([m for m in sys.modules if '.' not in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    others = set(eval(done.stdout)) - sys.stdlib_module_names - {"__main__", "numpy", "verify"}
    assert not {name for name in others if not name.startswith("_")}
