"""An unembedding that is read some rows at a time gives the logits, and of them the best, that it
gives when it is held.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from verify.queries import mapped_tables
from verify.queries.mapped_tables import InPieces, judged

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def in_pieces(weight):
    """The unembedding, of which no file has the weights."""
    raw = np.zeros((len(weight), 1), np.uint8)
    return InPieces(weight, raw)


@st.composite
def cases(draw):
    """States (Q, d), an unembedding (tokens, d), and what is wanted; whole numbers that are so
    small that every dtype has all logits, and so few that ties are common.
    """
    queries, tokens, d_model = (draw(st.integers(1, most)) for most in (6, 12, 4))
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(DTYPES))
    x = torch.randint(-2, 3, (queries, d_model), generator=numbers).to(dtype)
    weight = torch.randint(-2, 3, (tokens, d_model), generator=numbers).to(dtype)
    wanted = torch.randint(-1, tokens, (queries,), generator=numbers)
    return x, weight, wanted


@given(case=cases(), rows=st.integers(1, 13))
def test_of_all_logits_the_best_are_kept(case, rows):
    x, weight, wanted = case
    unembedding = in_pieces(weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_tables, "rows_at_once", lambda d_model: rows)
        found, logits = unembedding.judged(x, wanted), unembedding(x)
    expected = x.double() @ weight.double().T
    assert logits.dtype == x.dtype
    assert torch.equal(logits.double(), expected)
    assert found.said.tolist() == expected.numpy().argmax(-1).tolist()
    largest = 0.0
    for query, token in enumerate(wanted.tolist()):
        row = expected[query].tolist()
        if token < 0:
            assert found.margins[query] == math.inf
            continue
        own = row.pop(token)
        assert found.margins[query] == own - max(row, default=-math.inf)
        largest = max(largest, abs(own))
    assert found.largest == largest
    again = judged(logits, wanted)
    assert (again.margins.tolist(), again.largest) == (found.margins.tolist(), found.largest)


@pytest.mark.parametrize("token", [0, 3, 5])
@pytest.mark.parametrize("rows", [2, 6])
def test_a_logit_that_is_no_number_leaves_no_margin(token, rows, monkeypatch):
    monkeypatch.setattr(mapped_tables, "rows_at_once", lambda d_model: rows)
    weight = torch.ones(6, 1)
    weight[token] = torch.nan
    found = in_pieces(weight).judged(torch.ones(3, 1), torch.tensor([0, 3, -1]))
    assert found.margins[:2].isnan().all()


def test_logits_of_16_bits_are_summed_in_more():
    """In float16 itself 2048 + 1 + ... + 1 would stay 2048."""
    for dtype, large in ((torch.float16, 2048), (torch.bfloat16, 256)):
        weight = torch.tensor([[large] + [1] * 16], dtype=dtype)
        found = in_pieces(weight)(torch.ones(1, 17, dtype=dtype))
        assert found.item() == large + 16
