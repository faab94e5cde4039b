"""Two checkers that share no proof: the kernel tabulates, the symbolic checker follows codes. On
every construction they say the same.
"""

import json

import pytest
from battery import PROVEN_BY_THE_KERNEL_ALONE
from hand_made import built, files_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import bijections, tables_for
from tiers import diagonal

from constructions import CATALOGUE
from verify import symbolic
from verify.cells.grid import default_grid
from verify.cells.verifying import build
from verify.kernel import proof as kernel

NAMES = [name for name in CATALOGUE if name not in PROVEN_BY_THE_KERNEL_ALONE]
SIZES = [(1, 1, 1), (2, 1, 3), (5, 2, 2), (8, 3, 3), (16, 4, 2)]
LARGEST = 10**6
"""Parameters of a cell of the default grid that both are asked of."""


def assert_both_prove(files):
    """PASS by both, the same margin, and leaks taken off that differ by rounding alone."""
    manifest = json.loads(files["manifest.json"])
    one, other = symbolic.prove(files, manifest), kernel.prove(files, manifest)
    assert (one.verdict, other.verdict) == ("PASS", "PASS")
    for what in ("queries", "margin", "exact", "hops_per_token"):
        assert getattr(one, what) == getattr(other, what), what
    assert 0 < other.real_margin <= other.margin
    assert other.real_margin >= one.real_margin - one.margin / 10**9


@pytest.mark.parametrize(("name", "partial", "size"), diagonal(NAMES, [False, True], SIZES))
def test_every_construction_at_five_sizes(name, partial, size):
    if partial and not CATALOGUE[name].missing:
        pytest.skip("total facts only")
    assert_both_prove(files_of(built(name, *size, partial, seed=sum(size))))


@settings(max_examples=2)
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_every_table_and_option(name, data):
    entry = CATALOGUE[name]
    facts = data.draw(tables_for(name) if entry.missing else bijections())
    hops = data.draw(st.integers(1, 3 if facts.n_relations < 4 else 1)) if entry.multi_hop else 1
    settled = entry.settings(facts.n_relations, hops)
    options = {
        option.name: data.draw(
            st.sampled_from(list(option.choices(facts.n_relations, hops))), label=option.name
        )
        for option in entry.options
    }
    assert_both_prove(files_of(entry.build(facts, hops, settled | options)))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_default_grid(name):
    """All cells of up to a million parameters, in the dtype that the grid takes."""
    seen = 0
    for cell in default_grid():
        if cell.construction == name and not cell.form and cell.entities <= 256:
            model = build(CATALOGUE[name], cell.table(), cell.hops, dict(cell.options), cell.dtype)
            if sum(weight.numel() for weight in model.parameters()) <= LARGEST:
                assert_both_prove(files_of(model))
                seen += 1
    assert seen > 20
