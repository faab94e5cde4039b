"""Modules whose settings, code or shape are odd: nothing false is proven of them."""

import functools
import json
import math
import types

import pytest
import torch

from constructions import FactTable, InputError, OneLayerShape, StandardDecoder, StandardShape
from constructions.learning.one_layer import OneLayer
from constructions.learning.rounded_folder import save_rounded
from constructions.learning.rounding import round_weights
from verify.checking.check import check
from verify.cli.reports.checks import check_as_json, margin_line
from verify.learned.proven import prove_recall

TWO = FactTable.random_bijections(2, 1, seed=0)


def opposite(norm, dtype=torch.float32):
    """A one-layer model that answers both facts of `TWO`, by opposite vectors."""
    model = OneLayer(OneLayerShape(2, 1, 2, 2, 1, norm=norm), dtype=dtype)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        model.entities.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        model.answers[TWO.answers[0].tolist()] = model.entities.detach().clone()
    return model


# --------------------------------------------------------------------- eps of norms

BAD = [-1e-9, -1.0, 1e39, 3e38, 1e300, math.inf, -math.inf, math.nan, "1e-5", True]


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("eps", [*BAD, pytest.param(10**5000, id="huge"), torch.tensor(1e-5)])
def test_an_eps_that_is_no_size_is_refused(norm, eps):
    model = opposite(norm)
    model.final_norm.eps = eps
    with pytest.raises(InputError, match="eps of a norm is"):
        prove_recall(model, TWO)


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize("eps", [0.0, 0, 1e-5, 1e-3])
def test_an_eps_that_is_a_size_is_proven_with(norm, eps):
    model = opposite(norm)
    model.final_norm.eps = eps
    assert prove_recall(model, TWO).verdict == "PASS"


def test_a_negative_eps_after_a_part_is_refused():
    model = StandardDecoder(StandardShape(3, 4, 1, 1, 2, 2, 2, "rmsnorm", "post"))
    model.block_sequence()[0].mlp_norm.eps = -(1 - 1e-4)
    with pytest.raises(InputError, match=r"mlp_norm: eps of a norm is -0\.9999"):
        prove_recall(model, TWO)


def test_a_layer_norm_without_eps_is_refused():
    model = opposite("layernorm")
    model.mlp_norm.eps = None
    with pytest.raises(InputError, match="eps of a norm is None"):
        prove_recall(model, TWO)


# ------------------------------------------------------------ subnormal numbers


@pytest.fixture
def flushing():
    """Subnormal numbers are read as 0 in this thread."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU cannot flush subnormal numbers")
    yield
    torch.set_flush_denormal(False)


def decided_by_a_subnormal():
    """A model that is wrong by the product of a subnormal weight and a large one alone."""
    model, (first, second) = OneLayer(OneLayerShape(2, 1, 2, 2, 1)), TWO.answers[0].tolist()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.entities.copy_(torch.tensor([[1.0, 1e-39], [-1.0, 1e-39]]))
        model.answers[first] = torch.tensor([1e-3, 0.0])
        model.answers[second] = torch.tensor([-1e-3, 3e38])
    return model


def test_a_subnormal_weight_counts():
    proof = prove_recall(decided_by_a_subnormal(), TWO)
    assert (proof.real.verdict, proof.in_dtype.verdict) == ("FAIL", "FAIL")


def test_where_subnormals_are_flushed_nothing_is_proven(flushing):
    for model in (decided_by_a_subnormal(), opposite(None), opposite(None, torch.float64)):
        with pytest.raises(InputError, match="below the smallest normal one are read as 0"):
            prove_recall(model, TWO)
    decoder = StandardDecoder(StandardShape(3, 4, 1, 1, 2, 2, 2))
    with pytest.raises(InputError, match="set_flush_denormal"):
        prove_recall(decoder, TWO)


# ---------------------------------------------------------------- replaced code


def negated(method):
    """A method in whose place is what it returns, negated, under its own name."""

    @functools.wraps(method)
    def other(self, *args):
        return -method(self, *args)

    return other


class Called:
    """Something that can be called and says that it is torch's."""

    __module__ = "torch.nn.modules.module"

    def __call__(self, tokens):
        """Zeros."""
        return torch.zeros(len(tokens), 2)


class Asked:
    """Something that is asked what an attribute is."""

    def __get__(self, instance, owner):
        """A function that gives zeros."""
        return lambda tokens: torch.zeros(len(tokens), 2)


def with_other_globals(function):
    """A function of a test that says it is of this library's module."""
    said = {"__name__": OneLayer.__module__, "torch": torch}
    return types.FunctionType(function.__code__, said)


OTHERS = {
    "wraps": negated(OneLayer.forward),
    "no_grad around wraps": torch.no_grad()(negated(OneLayer.forward)),
    "partialmethod": functools.partialmethod(lambda self, tokens: tokens),
    "partial": functools.partial(OneLayer.forward),
    "callable": Called(),
    "descriptor": Asked(),
    "globals": with_other_globals(lambda self, tokens: torch.zeros(len(tokens), 2)),
    "static": staticmethod(negated(OneLayer.forward)),
    "property": property(negated(OneLayer.forward)),
}


@pytest.mark.parametrize("other", list(OTHERS))
@pytest.mark.parametrize("name", ["forward", "hidden", "states", "unembedding"])
def test_replaced_code_is_refused(monkeypatch, name, other):
    model = opposite(None)
    assert prove_recall(model, TWO).verdict == "PASS"
    monkeypatch.setattr(OneLayer, name, OTHERS[other])
    with pytest.raises(InputError, match=rf"OneLayer\.{name} was replaced"):
        prove_recall(model, TWO)


def test_code_that_was_replaced_inside_a_function_is_refused(monkeypatch):
    def other(self, tokens):
        return torch.zeros(len(tokens), 2)

    monkeypatch.setattr(OneLayer.forward, "__code__", other.__code__)
    with pytest.raises(InputError, match=r"OneLayer\.forward was replaced"):
        prove_recall(opposite(None), TWO)


@pytest.mark.parametrize("kind", [torch.nn.RMSNorm, torch.nn.Module])
@pytest.mark.parametrize("name", ["forward", "__call__"])
def test_replaced_code_of_torch_is_refused(monkeypatch, kind, name):
    model = opposite("rmsnorm")
    monkeypatch.setattr(kind, name, negated(getattr(kind, name)))
    with pytest.raises(InputError, match=rf"\.{name} was replaced"):
        prove_recall(model, TWO)


# --------------------------------------------------------------- a single answer

ONE = FactTable.random_bijections(1, 1, seed=0)
SINGLE = OneLayerShape(1, 1, 1, 2, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_single_answer_has_no_margin(dtype):
    proof = prove_recall(OneLayer(SINGLE, dtype=dtype), ONE)
    for claim in (proof.real, proof.in_dtype):
        assert (
            claim.in_words() == "PASS: all 1 queries are answered right; there is no other answer"
        )


@pytest.mark.parametrize(
    ("dtype", "size", "answer"),
    [
        (torch.float32, 1e30, [3e38, -3e38]),
        (torch.float16, 1e3, [6e4, -6e4]),
        (torch.float16, 1e3, [1e3, 1e3]),
        (torch.bfloat16, 1e30, [3e38, -3e38]),
    ],
)
def test_a_single_answer_whose_logit_is_no_finite_number_is_wrong(dtype, size, answer):
    model = OneLayer(SINGLE, dtype=dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(size)
        model.answers[0] = torch.tensor(answer)
    assert not bool(model(torch.tensor([[0, 1]])).isfinite().any())
    proof = prove_recall(model, ONE)
    assert (proof.real.verdict, proof.in_dtype.verdict) == ("PASS", "FAIL")
    assert "the logit of e0, the only answer, is no finite number" in proof.in_words()


def test_the_checker_says_that_there_is_no_other_answer(tmp_path):
    save_rounded(round_weights(OneLayer(SINGLE)), ONE, tmp_path / "one")
    found = check(tmp_path / "one")
    assert (found.verdict, found.real_margin) == ("PASS", 0)
    assert "margin: there is no other answer; " in margin_line(found)
    assert json.loads(check_as_json(found, None))["margin"] is None
