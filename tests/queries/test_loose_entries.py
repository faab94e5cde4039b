"""What is exact beside entries of which only a bound is known: whatever stands there, the rest stays
as it is.
"""

import os

import numpy as np
import pytest
import torch
from near_ties import margins, sequences, shapes

from constructions import CATALOGUE, standard
from verify.queries.exact import Exactness
from verify.queries.exact_arithmetic import Arithmetic
from verify.queries.exact_numbers import Known
from verify.queries.recall import check_recall
from verify.queries.rounded import Rounding

FRESH = int(os.environ["TEST_SEED"])
"""Another one in each run; every message has it."""
RUNS = 60


def drawn(rng, *shape, zeros=0.5):
    """Small integers, many of them 0, some of them loose with bounds of up to 2^9; what is known
    of them.
    """
    whole = rng.integers(-4, 5, shape) * (rng.random(shape) > zeros)
    loose = np.abs(rng.normal(size=shape)) * 2.0 ** rng.integers(0, 9) + np.abs(whole)
    loose = loose.astype(np.float32).astype(float)  # `other` reaches it
    tensor = torch.from_numpy(whole).float()
    loose = torch.from_numpy(loose * (rng.random(shape) < rng.choice([0.0, 0.1, 0.4])))
    tensor.exactly = Known(0.0, loose=loose if bool(loose.any()) else None)
    return tensor


def other(rng, tensor):
    """The same, with other numbers within their bounds in place of the loose ones."""
    loose = tensor.exactly.loose
    if loose is None:
        return tensor
    some = torch.from_numpy(rng.uniform(-1, 1, tuple(tensor.shape))) * loose
    return torch.where(loose > 0, torch.where(some.abs() < loose / 2, some, loose), tensor).float()


def beside_slack(rng, *shape):
    """Vectors beside a slack of 2^30, for RMSNorm."""
    x = drawn(rng, *shape)
    x[..., :4] = 2.0**30 * torch.tensor([np.sqrt(shape[-1]), 0, 0, 0])
    if x.exactly.loose is not None:
        x.exactly.loose[..., :4] = 0
    return x


def one_hot_scores(rng, *shape):
    """Scores of which some rows are one-hot by far, and some are not; the last is hidden."""
    scores = drawn(rng, *shape)
    top = torch.from_numpy(rng.integers(0, shape[-1] - 1, shape[:-1]))[..., None]
    scores.scatter_(-1, top, float(rng.choice([40, 1000, 4000])))
    if scores.exactly.loose is not None:
        scores.exactly.loose.mul_(int(rng.choice([1, 1, 8, 32])))  # as large as the largest, too
        scores.exactly.loose.scatter_(-1, top, 0.0)
        scores.exactly.loose[..., -1] = 0
    scores[..., -1] = -torch.inf
    return scores


WEIGHT = torch.nn.Parameter(torch.tensor([[0.0, 1, 0, -3, 0], [2, 0, 0, 0, 0.5]]), False)
HIDDEN = torch.tensor([False, False, True, False, True])
CASES = {
    "a sum": (torch.add, lambda rng: (drawn(rng, 2, 3, 5), drawn(rng, 3, 5))),
    "a product": (torch.matmul, lambda rng: (drawn(rng, 2, 3, 5), drawn(rng, 2, 5, 4))),
    "a matrix": (
        lambda x: torch.nn.functional.linear(x, WEIGHT),
        lambda rng: (drawn(rng, 2, 3, 5),),
    ),
    "a row of parts": (
        lambda *parts: torch.cat(parts, -1),
        lambda rng: (drawn(rng, 2, 3), drawn(rng, 2, 4)),
    ),
    "a view": (lambda x: x[:, 1:].mT.relu(), lambda rng: (drawn(rng, 2, 3, 5),)),
    "a quotient": (lambda x: x.div(4.0), lambda rng: (drawn(rng, 2, 5),)),
    "a softmax": (lambda x: x.softmax(-1), lambda rng: (one_hot_scores(rng, 2, 3, 5),)),
    "a mixture": (
        lambda x, y: x.softmax(-1).matmul(y),
        lambda rng: (one_hot_scores(rng, 2, 3, 5), drawn(rng, 2, 5, 4)),
    ),
    "columns of a mixture": (
        lambda x, y: x.softmax(-1).mT.matmul(y),
        lambda rng: (one_hot_scores(rng, 2, 3, 5), drawn(rng, 2, 3, 4)),
    ),
    "hidden scores": (
        lambda x: x.masked_fill(HIDDEN, -torch.inf).softmax(-1),
        lambda rng: (one_hot_scores(rng, 2, 3, 5),),
    ),
    "a norm": (
        lambda x: torch.nn.functional.rms_norm(x, (16,), torch.full((16,), 2.0**30), 1e-6),
        lambda rng: (beside_slack(rng, 2, 16),),
    ),
}


def violated(name, key):
    """Whether an exact entry changes, or a loose one exceeds its bound, when loose arguments
    change; how many entries are exact beside loose ones.
    """
    rng = np.random.default_rng([FRESH, list(CASES).index(name), key])
    function, draw = CASES[name]
    given, exactness = draw(rng), Exactness(torch.float32)
    with exactness:
        result = function(*given)
    known = getattr(result, "exactly", None)
    if known is None:
        return False, 0
    loose = torch.zeros(result.shape) if known.loose is None else known.loose
    free, bad = loose > 0, False
    for _ in range(8):
        found = function(*(other(rng, one) for one in given))
        bad |= not torch.equal(found[~free], result[~free])
        bad |= bool((found.abs().double()[free] > loose[free]).any())
    return bad, int((~free).sum()) if bool(free.any()) else 0


@pytest.mark.parametrize("name", CASES)
def test_what_is_exact_does_not_depend_on_what_is_loose(name):
    found = [violated(name, key) for key in range(RUNS)]
    assert not any(bad for bad, _ in found), (FRESH, name, [bad for bad, _ in found].index(True))
    assert sum(exact for _, exact in found) >= 20, (FRESH, name)


def forgetful(self, held, loose):
    return held


def narrow(self, held, loose, with_loose=Arithmetic.with_loose):
    return with_loose(self, held, loose / 4)


@pytest.mark.parametrize("wrong", [forgetful, narrow])
@pytest.mark.parametrize("name", CASES)
def test_a_rule_that_forgets_what_is_loose_or_bounds_it_by_too_little_is_noticed(
    name, wrong, monkeypatch
):
    monkeypatch.setattr(Arithmetic, "with_loose", wrong)
    assert any(violated(name, key)[0] for key in range(RUNS)), (FRESH, name)


def test_loose_entries_that_may_overflow_are_not_bounded():
    """Infinity times an exact 0 is NaN, wherever it stands."""
    x = torch.tensor([[1.0, 3.0]])
    x.exactly = Known(0.0, loose=torch.tensor([[0.0, 2.0**100]], dtype=torch.float64))
    exactness = Exactness(torch.float32)
    for size, known in ((2.0**20, True), (2.0**27, False)):
        weight = torch.nn.Parameter(torch.tensor([[1.0, size], [1.0, 0.0]]), False)
        with exactness:
            found = torch.nn.functional.linear(x, weight)
        assert hasattr(found, "exactly") is known


def test_parts_side_by_side_are_off_by_as_much_as_the_worst():
    parts = [torch.tensor([[1000.0]]), torch.tensor([[0.0]])]
    for error, part in zip((0.0, 50.0), parts, strict=True):
        part.exactly = Known(0.0, error=error)
    with Exactness(torch.float32):
        assert torch.cat(parts, -1).exactly.error == 50
        assert torch.cat(parts[::-1], -1).exactly.error == 50


def test_a_tie_of_scores_that_round_is_none():
    scores = torch.tensor([[1000.0, 1000.0]])
    for error, loose in ((0.0, False), (1e-3, True)):
        scores.exactly = Known(0.0, error=error)
        with Exactness(torch.float32):
            assert (scores.softmax(-1).exactly.loose is not None) is loose


DEEP = (
    ("key_value_rows_shared", 3, {}),
    ("key_value_rows_shared", 3, {"tied": True}),
    ("key_value_rows_shared", 3, {"norm": "rmsnorm"}),
    ("key_value_rows_shared", 3, {"norm": "rmsnorm", "placement": "post"}),
    ("hybrid_shared", 3, {"norm": "rmsnorm", "placement": "post"}),
)


def deep(name, hops, how):
    """A construction that applies its layers again and again, as a standard decoder: heads of later
    hops read what earlier positions have no use for.
    """
    model = CATALOGUE[name].build(CATALOGUE[name].random_facts(4, 2, 3), hops)
    return standard(model, **how)


@pytest.mark.parametrize(("name", "hops", "how"), DEEP)
def test_deep_decoders_that_repeat_layers_are_exact_in_float32(name, hops, how, monkeypatch):
    """Their logits are the same in all shapes of the batch, and rounding is never asked."""
    model = deep(name, hops, how)
    asked = []
    monkeypatch.setattr(Rounding, "decide", lambda self, *args: asked.append(args))
    recall = check_recall(model, model.facts, hops, "full")
    assert (recall.verdict, recall.unknown, asked) == ("PASS", 0, [])
    found = [margin for _, margin in shapes(model, model.facts, np.random.default_rng(FRESH))]
    assert all(torch.equal(margin, found[0]) for margin in found)


@pytest.mark.parametrize(("name", "hops", "how"), DEEP)
def test_a_decoder_that_reads_what_is_loose_is_not_exact(name, hops, how):
    """The control: an unembedding that also reads the other coordinates, of a head that mixes."""
    model, exactness = deep(name, hops, how), Exactness(torch.float32)
    tokens, said = sequences(model, model.facts)
    with torch.no_grad():
        for block in model.block_sequence():
            block.attention.query.weight.mul_(2.0**-12)  # now no head selects
        before = margins(model, tokens, said)
        with exactness:
            states, _ = model.states(tokens)
        assert not exactness.exact_product(states[:, -1], model.unembedding.weight)
    assert before.isfinite().all()
