"""`benchmarks/published_associative.py`: what it bisects, pads, and prints."""

import math
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def published(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "published_associative", raising=False)
    return __import__("published_associative")


def test_bits_are_those_of_the_guide_lines(published):
    """1 / (1.3 ln 2), and of both matrices of the MLP 1 / (2 * 0.35 ln 2)."""
    assert published.bits([1.3, 1.3]) == "1.11..1.11"
    assert published.bits([2 * 0.35]) == "2.06..2.06"
    assert 0.15 * math.log2(published.ANSWERS) == pytest.approx(0.45)


@pytest.mark.parametrize("numbers", [20, 300.5, 4096])
def test_the_line_is_where_it_is_said(published, numbers):
    n = published.at_line(numbers)
    assert n * math.log(n) == pytest.approx(numbers, rel=1e-6)


def test_the_largest_of_gaussians(published):
    """Of one and of two its mean square is 1, of three 1 + sqrt(3) / (2 pi)."""
    found = [published.square_of_largest(n) for n in (2, 3, 4)]
    assert found == pytest.approx([1, 1, 1 + math.sqrt(3) / (2 * math.pi)], abs=1e-4)


def test_the_largest_number_is_found_for_each_seed(published):
    limits = torch.tensor([57, 80, 101])
    found = published.largest(lambda tried: torch.tensor(tried) <= limits, 70, 3)
    assert all(n <= limit <= 1.05 * n + 1 for n, limit in zip(found, limits.tolist(), strict=True))


def test_padding_changes_nothing(published):
    """A seed with 5 facts beside one with 9, and alone."""
    both, alone = published.Given([5, 9], 3, [0, 1]), published.Given([5], 3, [0])
    logits = [given.logits(given.keys) for given in (both, alone)]
    assert torch.equal(logits[0][0, :5, :5], logits[1][0])
    assert both.recall(logits[0])[0] == alone.recall(logits[1])[0]
    apart = published.Given([9], 3, [1])
    sums = alone.loss(logits[1]) + apart.loss(apart.logits(apart.keys))
    assert both.loss(logits[0]) == pytest.approx(sums.item(), rel=1e-6)


def test_orthonormal_keys_are_recalled_and_zeros_are_not(published):
    given = published.Given([4], 4, [0])
    given.keys = given.values = torch.eye(4)[None]
    assert published.outer_products(given, published.ALL).tolist() == [True]
    assert given.recall(given.logits(torch.zeros(1, 4, 4))).tolist() == [0]


def test_a_few_facts_are_trained_and_many_are_not(published):
    plan = published.Schedule(10.0, 64)
    assert published.linear(published.Given([8, 60], 8, [0, 1]), plan).tolist() == [True, False]


def test_prompts_are_those_of_the_task(published):
    random = torch.Generator().manual_seed(0)
    answers = torch.arange(25).reshape(5, 5)
    tokens, wanted = published.prompts(5, 200, answers, random)
    assert tokens.shape == (200, 32)
    assert (tokens[:, -1] == 20).all()
    for prompt, answer in zip(tokens.tolist(), wanted.tolist(), strict=True):
        (subject,) = [one for one in prompt if one < 5]
        (relation,) = [one - 5 for one in prompt if 5 <= one < 10]
        assert answer == 5 * subject + relation
        assert all(10 <= one < 20 for one in prompt[:-1] if one >= 10)
