"""The default grid: the cells of `python -m verify all`."""

from __future__ import annotations

import itertools
from dataclasses import replace

from constructions.catalogue import CATALOGUE, construction
from constructions.entry import Construction
from verify.cells.cell import FACT_KINDS, FORM_NAMES, Cell, FactKind

GRID_ENTITIES = (1, 2, 3, 5, 16, 100, 1000, 4096)
GRID_RELATIONS = (1, 2, 7, 16)
MULTI_HOP_ENTITIES = (2, 5, 16, 64, 256)
MULTI_HOP_RELATIONS = (1, 2, 3, 4)
MULTI_HOP_HOPS = (1, 2, 3, 4)
FORM_SIZE = (5, 3, 2)


def default_grid(*own: str) -> list[Cell]:
    """The cells of `python -m verify all`: every construction at every size of its grid.

    One hop: total and partial facts at every size; every choice of options (bits of a digit) at N
    = 100. Many hops: total facts at every size, partial facts at N = 16; every choice of options
    (looked-up relations, hops for each written token) at N = 5. Variants of a builder (shared
    layers, depth 1) stop at N = 64 or 16, which keeps the whole run to some minutes. Then
    sizes at which Theorem 4.2 bites: two at which chain-of-thought is separated, one where a
    memory is near its bound. At last every construction in every other form, at one small size.

    Args:
        own: constructions of the user's that are verified beside those of the catalogue,
            `path/file.py:name`.
    """
    cells = []
    for name in (*CATALOGUE, *own):
        cells += _many_hops(name) if construction(name).multi_hop else _one_hop(name)
    near = [cell for name in (*CATALOGUE, *own) for cell in _near_bounds(name)]
    cells += sorted(near, key=lambda cell: cell.relations)
    n, r, k = FORM_SIZE
    return cells + [
        Cell(name, n, r, k if construction(name).multi_hop else 1, form=form)
        for name, form in itertools.product((*CATALOGUE, *own), FORM_NAMES)
    ]


def _one_hop(name: str) -> list[Cell]:
    """The cells of a construction that answers one hop."""
    entry, cells = construction(name), []
    for n, r in itertools.product(GRID_ENTITIES, GRID_RELATIONS):
        cells += [Cell(name, n, r, facts=facts) for facts in FACT_KINDS if _takes(name, facts)]
        if n == 100:
            cells += [Cell(name, n, r, options=some) for some in _choices(entry, r, 1)]
    return cells


def _many_hops(name: str) -> list[Cell]:
    """The cells of a construction that answers paths."""
    entry, cells = construction(name), []
    entities = [n for n in MULTI_HOP_ENTITIES if n <= entry.largest_in_grid]
    for n, r, k in itertools.product(entities, MULTI_HOP_RELATIONS, MULTI_HOP_HOPS):
        cells.append(Cell(name, n, r, k))
        if n == 16 and _takes(name, "partial"):
            cells.append(Cell(name, n, r, k, facts="partial"))
        if n == 5:
            cells += [Cell(name, n, r, k, options=some) for some in _choices(entry, r, k)]
    return cells


def _near_bounds(name: str) -> list[Cell]:
    """The cells of a construction that is near a lower bound; no path is longer than asked for."""
    longest = construction(name).longest_path
    return [
        Cell(name, n, r, k, options=() if longest is None else ((longest.name, k),))
        for n, r, k in construction(name).near_bounds
    ]


def _takes(name: str, facts: FactKind) -> bool:
    """Whether a construction takes tables of a kind."""
    return facts == "total" or construction(name).missing


def _choices(entry: Construction, relations: int, hops: int) -> list[tuple[tuple[str, int], ...]]:
    """All choices of a construction's options in which one that has several values has not its
    default.
    """
    names = [option.name for option in entry.options]
    values = [list(option.choices(relations, hops)) for option in entry.options]
    usual = [
        some[0] if len(some) == 1 else option.default(relations, hops)
        for option, some in zip(entry.options, values, strict=True)
    ]
    return [
        tuple(zip(names, chosen, strict=True))
        for chosen in itertools.product(*values)
        if list(chosen) != usual
    ]


def forms_grid(*own: str) -> list[Cell]:
    """The further cells of `python -m verify all --forms`: each of the default grid in every form.

    Args:
        own: as of `default_grid`.
    """
    default = dict.fromkeys(default_grid(*own))
    forms = (replace(cell, form=form) for cell in default if not cell.form for form in FORM_NAMES)
    return [cell for cell in forms if cell not in default]
