"""What a cell will take is estimated from formulas alone, which say how large its model will be."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from own_files import own_file

from constructions.catalogue import CATALOGUE, construction
from constructions.decoders.seeding import needed_shape
from constructions.forms.widening import widen
from verify.cells import cost as cells_cost
from verify.cells.cell import FORM_NAMES, Cell
from verify.cells.cost import cost
from verify.cells.dimensions import dimensions
from verify.cells.grid import FORM_SIZE, default_grid, forms_grid
from verify.cells.verifying import build
from verify.queries import exported, recall

DECODERS = [form for form in FORM_NAMES if form not in ("basis", "wide", "noise", "tied")]
"""Of a tied one the formulas do not say what the unembedding reads: see below."""


def small_cell(name, facts="total"):
    n, r, k = FORM_SIZE
    return Cell(name, n, r, k if construction(name).multi_hop else 1, facts=facts)


def decoder_of(form, model):
    """The shape of the smallest standard decoder."""
    norm, _, placement = form.partition(" ")
    if norm in ("standard", "tied"):
        return needed_shape(model, tied=norm == "tied")
    return needed_shape(model, norm, placement)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        (name, facts)
        for name, entry in CATALOGUE.items()
        # the sizes of others depend on the table
        if not entry.takes_disjoint_answers and not any(option.found for option in entry.options)
        for facts in ("total", *["partial"] * bool(entry.missing))
    ],
)
def test_formulas_say_how_large_each_form_is(name, facts):
    cell = small_cell(name, facts)
    model = build(cell.entry, cell.table(), cell.hops)
    for form in DECODERS:
        shape, said = decoder_of(form, model), dimensions(replace(cell, form=form))
        assert said.d_model == shape.d_model, form
        assert said.layers == shape.n_layers, form
        assert said.hidden == (shape.d_mlp,), form
        assert said.channels == shape.n_heads * shape.d_head, form
    wide, said = widen(model, 2 * model.shape.d_model), dimensions(replace(cell, form="wide"))
    assert said.d_model == wide.shape.d_model


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_tied_decoder_is_at_most_a_third_larger_or_smaller_than_said(name):
    cell = small_cell(name)
    model = build(cell.entry, cell.table(), cell.hops)
    shape, said = decoder_of("tied", model), dimensions(replace(cell, form="tied"))
    assert 2 / 3 <= said.d_model / shape.d_model <= 3 / 2


def test_a_wrong_formula_is_noticed():
    """The control: without its hidden layers a row memory would be taken for a smaller decoder."""
    entry = construction("key_value_rows")

    def forgetful(symbols):
        return replace(entry.sizing(symbols), hidden=())

    cell = small_cell(entry.name)
    shape = needed_shape(build(entry, cell.table(), cell.hops))
    wrong = replace(cell, given=replace(entry, sizing=forgetful), form="standard")
    assert dimensions(replace(cell, form="standard")).d_model == shape.d_model
    assert dimensions(wrong).d_model < shape.d_model


def test_all_costs_of_both_grids_take_less_than_half_a_millisecond_each():
    cells = [*default_grid(), *forms_grid()]
    began = time.process_time()
    costs = [cost(cell) for cell in cells]
    assert time.process_time() - began < 5e-4 * len(cells)
    assert all(one.seconds > 0 and one.memory > 0 for one in costs)


def test_more_queries_and_more_weights_take_longer_and_more_memory():
    for form in ("", *FORM_NAMES):
        small, large = (Cell("precomputed", n, 3, 3, form=form) for n in (16, 256))
        assert cost(small).seconds < cost(large).seconds
        assert cost(small).memory <= cost(large).memory


def test_a_construction_of_the_users_own_without_formulas_has_a_cost_too(tmp_path):
    mine = own_file(tmp_path, "mine = replace(right, sizing=None)")
    assert 0 < cost(Cell(mine, 16, 3)).seconds < 60
    assert cost(Cell(mine, 16, 3, form="noise")).memory > 0


def test_a_cell_that_no_machine_holds_has_a_cost():
    assert cost(Cell("precomputed", 10**9, 1000, 2000)).seconds > 10**6


def test_what_is_asked_at_once_is_that_of_the_queries():
    """Those files import torch: the numbers stand twice."""
    assert cells_cost.NUMBERS_AT_ONCE == exported.MOST_NUMBERS
    assert cells_cost.BYTES_AT_ONCE == recall.MEMORY_CAP
    assert cells_cost.NEAR_BYTES == recall.CACHE_FRIENDLY
    tiny = build(Cell("selector", 1, 1).entry, Cell("selector", 1, 1).table())
    most = recall._rows_within(recall.MEMORY_CAP, tiny, 1)
    assert most == cells_cost.STATES_AT_ONCE


def test_costs_need_no_torch():
    code = (
        "import sys; from verify.cells.cost import cost; from verify.cells.cell import Cell;"
        " cost(Cell('hybrid', 16, 3, 2, form='tied')); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
