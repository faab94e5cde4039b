"""What it takes to read an embedding: Lemma 2 on models with more coordinates than they read, Lemma
3 by brute force, the numbers of the page, and all constructions of many hops held against it.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from own_files import ROOT

from bounds.lower_bound import Bound
from bounds.reading import reading_bound
from bounds.sizes import predicted_for_bijections
from bounds.theorem_4_2 import shared_leaves_bound
from constructions import CATALOGUE, InputError
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.model.transformer import Transformer

PAGE = (ROOT / "docs" / "theorems" / "theorem_4_2.md").read_text()


# ------------------------------------------------------------------ the lemmas


def narrow_reader(seed, repeats=1):
    """A transformer of 14 coordinates that reads few of them, with small integers everywhere."""
    layer = LayerShape((HeadShape(1, 2), HeadShape(1, 1)), (2, 3))
    model = Transformer(TransformerShape(6, 14, (layer,), 3, repeats), torch.float64)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.integers(-2, 3, parameter.shape).astype(float)))
    return model


def stack(model):
    """Keys, values and first MLP matrices, (rows, d)."""
    kept = ("key.weight", "value.weight", "mlp.weights.0.weight")
    parts = [w.detach() for name, w in model.named_parameters() if name.endswith(kept)]
    return torch.cat(parts)


def unread(model):
    """Integers that the stack takes to 0, (n, d)."""
    exact = sympy.Matrix(stack(model).long().tolist()).nullspace()
    return torch.tensor(
        [[int(x * math.lcm(*(y.q for y in one))) for x in one] for one in exact],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_answer_depends_on_what_the_stack_reads_of_the_subject(repeats):
    """Bit by bit the same logits for rows that differ in what it does not read; the control: other
    rows, and rows of a relation, whose coordinates the unembedding sees.
    """
    noticed = 0
    for seed in range(10):
        model, tokens = narrow_reader(seed, repeats), torch.tensor([[0, 4, 5]])
        before, moved = model(tokens)[0, -1], unread(model)
        assert len(moved) >= 14 - len(stack(model)) > 0
        for row, shift in itertools.product((0, 5), moved):
            with torch.no_grad():
                model.embedding.weight[row] += shift
                after = model(tokens)[0, -1]
                model.embedding.weight[row] -= shift
            assert torch.equal(before, after) or row == 5
            noticed += row == 5 and not torch.equal(before, after)
        with torch.no_grad():
            model.embedding.weight[0] += stack(model)[0]
            noticed += not torch.equal(before, model(tokens)[0, -1])
    assert noticed > 10


def test_what_is_read_takes_no_more_values_than_the_lemma_says():
    """Every row x on the grid, random matrices on theirs; the control forgets that d terms are
    added up.
    """
    exceeded = []
    for d, w, widths in ((3, 1, (1, 1)), (4, 1, (2,)), (2, 2, (1, 2)), (5, 1, (1,)), (3, 2, (2,))):
        rng = np.random.default_rng(d)
        rows = np.array(list(itertools.product(range(2**w), repeat=d)))
        for _ in range(40):
            matrix = np.stack([3 * rng.integers(0, 2**width, d) - 1 for width in widths])
            values = len({tuple(y) for y in (7 * rows - 2) @ matrix.T})
            most = d * 2**w * math.prod(d * 2 ** (w + width) for width in widths)
            assert values <= most <= d * 2**w * (d * 2 ** (w + 1)) ** sum(widths)
            if values > 2**w * math.prod(2**width for width in widths):
                exceeded.append((d, w, widths))
    assert exceeded


# ------------------------------------------------------------------ the bound


def by_hand(n, r, k, d, w, roots):
    """The formula of the page in floating point."""
    inner = sum(r**i for i in range(k - 1))
    free, frontier = n - roots * inner, roots * r ** (k - 1)
    tables = r * (math.lgamma(free + 1) - math.lgamma(free - frontier + 1)) / math.log(2)
    g = w + math.log2(d) + 1
    return (tables - r * d * w - roots * (g - 1)) / (1 + roots * g / d)


@pytest.mark.parametrize(
    ("n", "r", "k", "d", "w"), [(100, 3, 2, 40, 2), (64, 4, 1, 7, 5), (500, 2, 4, 90, 1)]
)
def test_the_bound_is_the_formula_at_its_m_and_at_most_the_best(n, r, k, d, w):
    found = reading_bound(n, r, k, d, w)
    assert isinstance(found, Bound)
    assert found.bits == pytest.approx(by_hand(n, r, k, d, w, found.M), rel=1e-9)
    best = max(by_hand(n, r, k, d, w, m) for m in range(1, n // sum(r**i for i in range(k)) + 1))
    assert best * 0.99 < found.bits < best * (1 + 1e-9)


def tables_of_the_page():
    """(B_e, shared leaves, by entry bits) of each line of the table."""
    for line in PAGE.splitlines():
        cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        if len(cells) == 7 and cells[0].isdigit():
            yield int(cells[0]), cells[1], [int(cell) for cell in cells[2:]]


def test_the_page_has_the_numbers_of_the_code():
    lines = list(tables_of_the_page())
    assert len(lines) == 7
    for b_e, shared, reading in lines:
        leaves = int(shared_leaves_bound(65536, 16, 3, b_e).bits)
        assert shared == (str(leaves) if leaves > 0 else "negative")
        widths = (1, 2, 8, 16, 24)
        assert reading == [int(reading_bound(65536, 16, 3, b_e // w, w).bits) for w in widths]
    assert int(reading_bound(65536, 16, 3, 65554, 1).bits) == 12_355_225


def test_the_grid_is_near_every_model_of_coarse_coordinates():
    """At each B_e of the page, and a hundred between, the larger of both bounds."""
    grid = predicted_for_bijections(CATALOGUE["key_value_grid"], 65536, 16, 3, {"lane_bits": 4})
    for w, factor in ((1, Fraction(16, 10)), (2, Fraction(18, 10)), (8, Fraction(29, 10))):
        for b_e in {*range(96, 40_000, 1200), *range(40_000, 147_456, 10_000)}:
            d = b_e // w
            least = max(
                shared_leaves_bound(65536, 16, 3, d * w).bits,
                reading_bound(65536, 16, 3, d, w).bits,
            )
            assert grid.internal_bits <= factor * Fraction(least), (w, b_e)


SIZES = [(16, 2, 2), (256, 2, 3), (1024, 8, 2), (4096, 4, 3), (65536, 16, 3), (2**20, 2, 2)]


def held(count):
    """(construction, size, dense bits inside, what `count` says) of all that the bound is about."""
    for name, entry in CATALOGUE.items():
        if not entry.multi_hop or entry.longest_path or entry.needs:
            continue
        for n, r, k in SIZES:
            costs = predicted_for_bijections(entry, n, r, k)
            w, rest = divmod(costs.embedding_bits, costs.d_model)
            assert not rest
            yield name, (n, r, k), costs.internal_bits, count(n, r, k, costs.d_model, w)


def test_no_construction_lies_below_the_bound():
    positive = [
        name
        for name, _, inside, bound in held(lambda *sizes: reading_bound(*sizes).bits)
        if bound > 0 and bound <= inside
    ]
    below = [
        found for found in held(lambda *sizes: reading_bound(*sizes).bits) if found[3] > found[2]
    ]
    assert not below
    assert {"precomputed", "hybrid_shared", "key_value_grid"} <= set(positive)


def test_a_bound_that_forgets_how_often_rows_are_read_is_told():
    """Without the factor 1 + M g / d `precomputed` with few relations lies below."""

    def wrong(n, r, k, d, w):
        found = reading_bound(n, r, k, d, w)
        return found.bits * (1 + found.M * (w + math.log2(d) + 1) / d)

    below = {name for name, _, inside, bound in held(wrong) if bound > inside}
    assert "precomputed" in below


def test_where_no_tree_exists_and_what_is_out_of_range_is_refused():
    with pytest.raises(InputError, match="M I\\(k\\) <= N"):
        reading_bound(10, 4, 3, 10, 1)
    with pytest.raises(InputError, match="d_model must be an integer of at least 1; got 0"):
        reading_bound(100, 2, 2, 0, 1)
    assert reading_bound(100, 2, 2, 10**9, 2).bits < 0  # the relations' rows may hold everything
