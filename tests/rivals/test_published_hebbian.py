"""`benchmarks/published_hebbian.py`: what is searched, what is counted, and what is printed."""

import math
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def published(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "published_hebbian", raising=False)
    return import_module("published_hebbian")


@pytest.mark.parametrize("guess", [1, 37, 64, 1000])
@pytest.mark.parametrize("least", [1, 37, 200])
def test_the_smallest_width_is_found_to_one_in_64(published, monkeypatch, guess, least):
    monkeypatch.setattr(published, "holds", lambda *asked: asked[3] >= least)
    found = published.smallest("ridge", 128, 64, 0, guess)
    assert least <= found <= least + max(0, found // 64)


def test_keys_are_the_values_and_no_memory_draws_them_again(published):
    """A generator of the same seed for facts and features made A0 a multiple of the keys."""
    random = torch.Generator().manual_seed(0)
    vectors = published.drawn_facts(12, 8, random)
    assert torch.equal(vectors.keys, vectors.values)
    assert sorted(vectors.answers.tolist()) == list(range(12))
    for name in ("ridge", "data-dependent", "correlated gates", "gated solve"):
        random = torch.Generator().manual_seed(0)
        module = published.METHODS[name](published.drawn_facts(12, 8, random), 12, random)
        for drawn in (*module.parameters(), *module.buffers()):
            if drawn.shape[1] == 8:
                rows = torch.nn.functional.normalize(drawn.detach(), dim=1)
                assert (rows @ vectors.keys.T).max() < 0.999


def test_gradient_descent_learns_eight_facts_and_a_tie_is_wrong(published, monkeypatch):
    monkeypatch.setattr(published, "RATE", 0.02)
    assert published.holds("gradient descent", 8, 16, 8, 0)
    answers = torch.tensor([0, 1])
    assert published.right(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), answers) == 1
    assert published.right(torch.tensor([[2.0, math.nan], [0.0, 1.0]]), answers) == 1


def test_a_table_is_printed(published, monkeypatch, capsys):
    monkeypatch.setattr(published, "EPOCHS", 60)
    monkeypatch.setattr(published, "RATE", 0.05)
    options = ["-d", "16", "--alphas", "0.0625", "--seeds", "2", "--trained"]
    monkeypatch.setattr(sys, "argv", ["published_hebbian", *options])
    published.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "d = 16, alpha = 0.0625: 16 facts"
    assert [line[:17].strip() for line in lines[2:8]] == list(published.METHODS)
    for line in lines[2:8]:
        _, width, low, _, high, parameters, of_order, bits = line[17:].split()
        assert int(low) <= float(width) <= int(high)
        assert int(parameters.replace(",", "")) == 3 * 16 * float(width)
        assert float(of_order) == pytest.approx(3 * float(width) * 16 / 16 / 4, abs=0.01)
        assert float(bits) == pytest.approx(
            math.log2(math.factorial(16)) / 48 / float(width), abs=0.01
        )


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["-d", "1"], ["--alphas", "0.0001"]])
def test_bad_options_are_refused(published, monkeypatch, wrong):
    monkeypatch.setattr(sys, "argv", ["published_hebbian", *wrong])
    with pytest.raises(SystemExit):
        published.main()
