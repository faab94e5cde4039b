"""The default grid: the cells of `python -m verify all`."""

from __future__ import annotations

import itertools
from dataclasses import replace

from constructions.catalogue import CATALOGUE
from verify.runner.cells import FACT_KINDS, FORM_NAMES, Cell

GRID_ENTITIES = (1, 2, 3, 5, 16, 100, 1000, 4096)
GRID_RELATIONS = (1, 2, 7, 16)
MULTI_HOP_ENTITIES = (2, 5, 16, 64, 256)
LARGEST_VARIANT = {"hybrid_shared": 16}
LARGEST_OTHER_VARIANT = 64
MULTI_HOP_RELATIONS = (1, 2, 3, 4)
MULTI_HOP_HOPS = (1, 2, 3, 4)
SEPARATED = ((1024, 3), (4096, 2))
FORM_SIZE = (5, 3, 2)


def default_grid() -> list[Cell]:
    """The cells of `python -m verify all`: every construction at every size of its grid.

    One hop: total and partial facts at every size. Many hops: total facts at every size, partial
    facts at N = 16; the hybrids with every number of looked-up relations and chains of thought
    with every step length at N = 5. Variants of a builder (shared layers, depth 1) stop at N = 64
    or 16, which keeps the whole run near a minute and a half. Then sizes at which Theorem 4.2
    bites: two at which chain-of-thought is separated, one where a memory is near its bound. At
    last every construction in every other form, at one small size.
    """
    cells = []
    for entry in CATALOGUE.values():
        if not entry.multi_hop:
            sizes = itertools.product(GRID_ENTITIES, GRID_RELATIONS, FACT_KINDS)
            cells += [Cell(entry.name, n, r, facts=facts) for n, r, facts in sizes]
            continue
        largest = (
            LARGEST_VARIANT.get(entry.name, LARGEST_OTHER_VARIANT)
            if entry.fixed
            else max(MULTI_HOP_ENTITIES)
        )
        entities = [n for n in MULTI_HOP_ENTITIES if n <= largest]
        for n, r, k in itertools.product(entities, MULTI_HOP_RELATIONS, MULTI_HOP_HOPS):
            cells.append(Cell(entry.name, n, r, k))
            if n == 16 and entry.random_partial_facts is not None:
                cells.append(Cell(entry.name, n, r, k, facts="partial"))
            if n == 5 and entry.file == "hybrid":
                cells += [
                    Cell(entry.name, n, r, k, options=(("looked_up", q),))
                    for q in range(r + 1)
                    if q != r - 1
                ]
            if n == 5 and entry.name == "chain_of_thought":
                steps = [(("max_hops", k), ("hops_per_token", j)) for j in range(2, k + 1)]
                cells += [Cell(entry.name, n, r, k, options=options) for options in steps]
    cells += [Cell("chain_of_thought", n, 4, k, options=(("max_hops", k),)) for n, k in SEPARATED]
    cells.append(Cell("key_value_rows_shared", 1024, 8, 2))
    n, r, k = FORM_SIZE
    forms = itertools.product(CATALOGUE.values(), FORM_NAMES)
    return cells + [
        Cell(entry.name, n, r, k if entry.multi_hop else 1, form=form) for entry, form in forms
    ]


def forms_grid() -> list[Cell]:
    """The further cells of `python -m verify all --forms`: each of the default grid
    in every form.
    """
    default = dict.fromkeys(default_grid())
    forms = (replace(cell, form=form) for cell in default if not cell.form for form in FORM_NAMES)
    return [cell for cell in forms if cell not in default]
