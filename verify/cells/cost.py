"""What a cell will take, estimated before anything is built: seconds of one core, and memory.

Both are sums over what is done: so much for the cell itself, so much for each layer, weight,
multiplication, number on its way, and logit. How many there are follows from the formulas of the
construction (`verify.cells.dimensions`); how much each takes was measured, form by form, and is
fitted again from the journal of a run by `benchmarks/costs.py`. An estimate is right within a
factor of two for most cells; a run learns how far it is off (`verify.runner.ratios`). It does not
know which forms their proof leaves open, so that they are run after all: these take far longer.
The rates of forms that are run were measured while every query was also asked as a whole sequence.

    >>> cost(Cell("selector", 1000, 16)).seconds < 2
    True
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from constructions.facts.codes import bits_needed
from constructions.guards.errors import InputError, UserCodeError
from verify.cells.cell import Cell
from verify.cells.decided_by import MOST_WORK_OF_FORMS, is_much
from verify.cells.dimensions import Dimensions, dimensions
from verify.runner.job import Cost

NUMBERS_AT_ONCE = 2**21
"""`verify.queries.exported.MOST_NUMBERS`; that file imports torch."""
STATES_AT_ONCE, BYTES_AT_ONCE, NEAR_BYTES = 8192, 2**28, 2**24
"""The most states of a batch, the most bytes of it, and of one number of each state, as in
`verify.queries.recall`.
"""
MOST = 10**18
"""No count is larger: a cell of that size is refused before anything is built."""
A_NUMBER = 8
"""Bytes, where a number is held in float64."""


class Work(NamedTuple):
    """What is done for a cell, in counts.

    Attributes:
        cells: 1.
        layers: of the model.
        weights: of the model.
        multiplications: in a pass over all queries, each asked as a whole sequence.
        numbers: that tokens make in that pass, between embedding and unembedding.
        logits: of the last token of each sequence.
    """

    cells: int
    layers: int
    weights: int
    multiplications: int
    numbers: int
    logits: int


class Held(NamedTuple):
    """What memory holds at one time, in numbers.

    Attributes:
        cells: 1.
        weights: of the model.
        asked: the widest layer, or the logits, for all tokens of the queries that are asked at
            once as whole sequences; 0 for a construction as it is built, which is not asked so.
        remembered: keys and values of a batch of states.
        states: the widest layer and the logits of a batch of states.
    """

    cells: int
    weights: int
    asked: int
    remembered: int
    states: int


PLAIN = (0.054, 1.3e-2, 1.4e-8, 1.0e-12, 1.5e-9, 9e-10)
BASIS = (0.011, 3.2e-2, 6e-8, 1.2e-11, 2.1e-7, 1e-7)
WIDE = (0.008, 1.3e-2, 3e-8, 5e-12, 2.5e-8, 5e-8)
NOISE = (0.001, 1.3e-1, 1.2e-7, 4.3e-11, 2.2e-8, 2.8e-8)
DECODER = (0.028, 9.2e-3, 6e-8, 2.8e-11, 2.1e-8, 4e-8)
NORMED = (0.028, 1.8e-2, 1.4e-7, 1.5e-11, 5.4e-8, 3.2e-8)
NORMS = ("rmsnorm pre", "rmsnorm post", "layernorm pre", "layernorm post")
SECONDS: dict[str, tuple[float, ...]] = {
    "": PLAIN,
    "basis": BASIS,
    "wide": WIDE,
    "noise": NOISE,
    **dict.fromkeys(("standard", "tied"), DECODER),
    **dict.fromkeys(NORMS, NORMED),
}
"""By form: what each count of `Work` takes."""

MEGABYTE = 10**6 / A_NUMBER
BYTES: dict[str, tuple[float, ...]] = {
    "": (50 * MEGABYTE, 0.8, 0, 1.5, 0.9),
    "basis": (50 * MEGABYTE, 2.5, 14, 2.0, 0.5),
    "wide": (50 * MEGABYTE, 1.2, 3.5, 1.3, 0.8),
    "noise": (50 * MEGABYTE, 1.5, 16, 0.1, 1.0),
    **dict.fromkeys(("standard", "tied", *NORMS[:2]), (50 * MEGABYTE, 3.5, 14, 0.6, 0.1)),
    **dict.fromkeys(NORMS[2:], (50 * MEGABYTE, 5.5, 15, 0.7, 0.1)),
}
"""By form: how often each count of `Held` is held, as numbers of `A_NUMBER` bytes."""


PROVING = 0.4, 0.04, 2 * 10**8
"""What a form that is proven takes whatever its size: seconds, and so many more for each length of
the sequences that are asked; bytes.
"""
PROVEN: dict[str, tuple[float, float]] = {
    "basis": (4.5e-7, 3.5),
    "wide": (0.3e-7, 1.5),
    "noise": (2.3e-7, 3.3),
    **dict.fromkeys(("standard", "tied"), (0.7e-7, 2.0)),
    **dict.fromkeys(NORMS[:2], (1.2e-7, 2.3)),
    **dict.fromkeys(NORMS[2:], (1.4e-7, 2.7)),
}
"""By form that is proven: the seconds that each weight of it takes, and how often it is held, as
numbers of `A_NUMBER` bytes.
"""


def cost(cell: Cell) -> Cost:
    """What a job of a cell takes (`verify.cells.jobs.run`) in a process that has run others
    before: seconds of one core, and at most how many bytes beside those of the idle process.

    A construction without formulas is taken to be as large as a selector with a layer for each
    hop; its cost is a guess.
    """
    try:
        size, own = dimensions(cell), dimensions(replace(cell, form=""))
    except (InputError, UserCodeError):
        size = own = _guess(cell)
    if cell.form and is_proven(cell, own):
        seconds, copies = PROVEN[cell.form]
        weights = min(size.parameters, MOST)
        least, for_each, held_at_least = PROVING
        least += for_each * sum(1 for _ in _sequences(cell))
        return Cost(least + seconds * weights, round(held_at_least + A_NUMBER * copies * weights))
    seconds = _sum(SECONDS[cell.form], work(cell, size))
    memory = A_NUMBER * _sum(BYTES[cell.form], held(cell, size))
    return Cost(seconds, round(memory))


def is_proven(cell: Cell, own: Dimensions) -> bool:
    """Whether a form is proven, since running it is much work; own: sizes of the construction."""
    internal = own.parameters - 2 * own.tokens * own.d_model
    least = cell.hops if cell.entry.longest_path is None else 1
    lengths = range(least, min(_longest(cell), 64) + 1)
    queries = sum(cell.entities * cell.relations**hops for hops in lengths)
    return is_much(internal, queries, MOST_WORK_OF_FORMS)


def work(cell: Cell, size: Dimensions) -> Work:
    """What is done for a cell."""
    sequences = list(_sequences(cell))
    asked = sum(queries for queries, _ in sequences)
    tokens = sum(queries * length for queries, length in sequences)
    return Work(
        cells=1,
        layers=size.layers,
        weights=size.parameters,
        multiplications=tokens * size.applied + asked * size.tokens * size.d_model,
        numbers=tokens * size.numbers,
        logits=asked * size.tokens,
    )


def held(cell: Cell, size: Dimensions) -> Held:
    """What memory holds at one time."""
    hops = _longest(cell) if cell.form else cell.hops
    queries = cell.entities * cell.relations ** min(hops, 64)
    widest = max(size.d_model, size.channels, *size.hidden, 1)
    a_state = size.layers * (size.channels + size.compared) * size.positions
    a_batch = (
        queries,
        STATES_AT_ONCE,
        NEAR_BYTES // (4 * max(size.d_model, *size.hidden, 1)),
        BYTES_AT_ONCE // (32 * (size.d_model + widest) + A_NUMBER * a_state),
    )
    states = max(1, min(a_batch))
    of_a_token = max(widest, size.tokens)
    asked = min(queries, max(1, NUMBERS_AT_ONCE // (of_a_token * (2 * hops + 1))))
    return Held(
        cells=1,
        weights=size.parameters,
        asked=asked * size.positions * of_a_token if cell.form else 0,
        remembered=states * a_state,
        states=states * (widest + size.tokens),
    )


def _sequences(cell: Cell) -> Iterator[tuple[int, int]]:
    """(queries, tokens of each) of all that is asked: a query is one sequence, or with a chain of
    thought one for each token that is written; a form that answers shorter paths is asked those,
    too.
    """
    longest = cell.entry.longest_path
    if longest is None:
        yield cell.n_queries(), cell.hops + 1
        return
    options = cell.entry.settings(cell.relations, cell.hops, dict(cell.options))
    most = options[longest.name]
    steps = [one.name for one in cell.entry.options if one.counts_hops and not one.longest_path]
    a_token = max(1, options[steps[0]]) if steps else 1
    for hops in range(1, most + 1) if cell.form else [cell.hops]:
        for written in range(-(-hops // a_token) + 1):
            yield cell.entities * cell.relations**hops, hops + 1 + written


def _longest(cell: Cell) -> int:
    """The hops of the longest path that the model of a cell answers."""
    longest = cell.entry.longest_path
    if longest is None:
        return cell.hops
    options = cell.entry.settings(cell.relations, cell.hops, dict(cell.options))
    return options[longest.name]


def _guess(cell: Cell) -> Dimensions:
    """The sizes of a model of which nothing is known."""
    facts = cell.relations * bits_needed(cell.entities + 1)
    tokens, positions = cell.entities + cell.relations + 1, cell.hops + 1
    compared = bits_needed(positions)
    width = facts + cell.relations + 1
    return Dimensions(tokens, 2, positions, width, cell.hops, facts, compared, (facts,))


def _sum(rates: Iterable[float], counts: Iterable[int]) -> float:
    """What all counts take together."""
    return sum(rate * min(count, MOST) for rate, count in zip(rates, counts, strict=True))
