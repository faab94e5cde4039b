"""How large the model of a cell will be, by the formulas of its construction: before anything is
built, without torch.

A form is larger than the construction. What is said here of standard decoders is what
`constructions.decoders.blocks` makes: the stream gets a slot `scratch` for hidden layers on their
way to the next block, and with a tied unembedding a slot `answer`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from bounds.sizes import bijection_values, sizing_at
from constructions.facts.codes import bits_needed
from constructions.sizes.sizing import Sizing
from verify.cells.cell import Cell

SLACK = 4
"""Coordinates that a norm gets beside the stream."""


@dataclass(frozen=True)
class Dimensions:
    """The sizes of a model, all its layers being as large as the largest.

    Attributes:
        tokens: the rows of the unembedding; of the embedding too, unless they are one matrix.
        tables: how many such matrices there are.
        positions: the most tokens of a query.
        d_model: the width of the stream.
        layers: how many are applied.
        channels: what all heads of a layer copy; and what they compare.
        compared: what all heads of a layer compare.
        hidden: the widths of the hidden layers of an MLP, in order.
    """

    tokens: int
    tables: int
    positions: int
    d_model: int
    layers: int
    channels: int
    compared: int
    hidden: tuple[int, ...]

    @property
    def applied(self) -> int:
        """The weights that a token meets between embedding and unembedding."""
        sides = (self.d_model, *self.hidden, self.d_model)
        mlp = sum(rows * columns for rows, columns in pairwise(sides)) if self.hidden else 0
        return self.layers * (2 * self.d_model * (self.channels + self.compared) + mlp)

    @property
    def parameters(self) -> int:
        """All weights; those of a layer that is applied several times as often."""
        return self.applied + self.d_model * (self.tables * self.tokens + self.positions)

    @property
    def numbers(self) -> int:
        """The numbers that a token makes on its way through the layers."""
        a_layer = self.d_model + sum(self.hidden) + self.channels + self.compared
        return self.layers * a_layer


def dimensions(cell: Cell) -> Dimensions:
    """The sizes of the model of a cell, in its form.

    Raises:
        InputError: its construction has no formulas, or does not take these options.
        UserCodeError: the user's own formulas have raised an error.
    """
    sizing = _sizing(cell) if cell.given else _kept_sizing(replace(cell, form=""))
    hidden = sizing.hidden or ((sizing.d_mlp,) if sizing.d_mlp else ())
    widest, heads = sizing.widest_head or sizing.d_model, sizing.n_heads
    options = cell.entry.settings(cell.relations, cell.hops, dict(cell.options))
    positions = cell.entry.positions(cell.hops, options)
    compared = bits_needed(positions)
    d, layers, tables = sizing.d_model, sizing.n_layers, 2
    if cell.form in ("wide", "noise"):
        d, layers, heads = 2 * d, layers + 1, heads + 1
        hidden = (2 * sizing.d_mlp + 1,) * max(1, len(hidden))
    elif cell.form not in ("", "basis"):
        tied = cell.form == "tied"
        answer = min(d, cell.relations * bits_needed(cell.entities + 1) + 1) if tied else 0
        width = d + max(hidden[:-1], default=0) + answer
        layers = layers * max(1, len(hidden)) + tied
        units = [1, *hidden[:1], *(sum(two) for two in pairwise(hidden)), 2 * width * tied]
        hidden, tables = (max(units),), 2 - tied
        norm = cell.form.split()[0] if " " in cell.form else ""
        d = (width + SLACK * bool(norm)) * (2 if norm == "layernorm" else 1)
        widest = compared = _power_of_4(widest)
    else:  # other heads copy little beside the widest one, but for those that are equally wide
        heads = heads if heads * widest <= d else 1
    return Dimensions(
        sizing.d_vocab, tables, positions, d, layers, heads * widest, heads * compared, hidden
    )


def queries(cell: Cell) -> int:
    """How many are asked of the model of a cell: in a form those of all shorter paths, too, if it
    answers them.
    """
    longest = cell.entry.longest_path
    if longest is None or not cell.form:
        return cell.n_queries()
    most = cell.entry.settings(cell.relations, cell.hops, dict(cell.options))[longest.name]
    return sum(cell.entities * cell.relations**hops for hops in range(1, most + 1))


def _sizing(cell: Cell) -> Sizing:
    """The sizes of a construction for tables of a cell's size, as if all answers occurred."""
    entry = cell.entry
    size = (cell.entities, cell.relations, cell.hops)
    values = bijection_values(entry, *size, dict(cell.options))
    if cell.facts == "partial":
        bits = bits_needed(cell.entities + 1)
        values |= {"u": 1, "a": cell.entities + 1, "b": bits, "m": bits}
    if entry.takes_disjoint_answers:
        share = bits_needed(-(-cell.entities // cell.relations) + values["u"])
        values |= {"w": share, "M": cell.relations * share}
    return sizing_at(entry, values)


@lru_cache(maxsize=1024)
def _kept_sizing(cell: Cell) -> Sizing:
    """The same for one that has a name: all its forms ask for it."""
    return _sizing(cell)


def _power_of_4(least: int) -> int:
    """The smallest power of 4 that is at least so large."""
    power = 1
    while power < least:
        power *= 4
    return power
