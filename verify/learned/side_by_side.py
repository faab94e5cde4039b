"""A trained model beside a construction of the same facts: sizes, bits, margins, mechanism.

    found = side_by_side(fitted.models, selector(facts), facts)
    print(table(found))  # of verify.cli.reports.side_by_side

One hop. The numbers of a trained model are those of one seed, or the least and the largest of
several; measures have their interval over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from bounds.grids import fixed_point_width
from constructions.facts.table import FactTable
from constructions.forms.noise import noise_radius
from constructions.guards.errors import DoesNotFit, InputError
from constructions.guards.wording import counted, joined
from constructions.model.answering import Answering, Widths
from constructions.model.transformer import Transformer
from verify.learned.adapters import of
from verify.learned.answered import Answered
from verify.learned.claimed import answers_of
from verify.learned.intervention import intervention
from verify.learned.measure import Measure, over_seeds
from verify.learned.quantised import Quantised, least_bits
from verify.learned.superposition import superposition
from verify.learned.transfer import after_steps, zero_step

Numbers = tuple[float, ...]
"""One of each seed; whole ones are integers."""
Cell = Numbers | Measure | str
"""Numbers, a measure, or in words why there is none."""


@dataclass(frozen=True)
class Row:
    """One thing that is compared.

    Attributes:
        name: what it is, with its unit.
        trained, construction: what it is of each.
    """

    name: str
    trained: Cell
    construction: Cell

    def __str__(self) -> str:
        """In a line: the trained models, beside the construction."""
        return f"{self.name}: {_briefly(self.trained)} beside {_briefly(self.construction)}"


@dataclass(frozen=True)
class SideBySide:
    """All that is compared.

    Attributes:
        trained, construction: what they are, in words.
        n_facts: that both answer.
        rows: in the order of the table.
    """

    trained: str
    construction: str
    n_facts: int
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """The row of that name. Raises KeyError if there is none."""
        for one in self.rows:
            if one.name == name:
                return one
        raise KeyError(name)

    def __str__(self) -> str:
        """A line for each row; nulls, intervals and reasons stand in
        `verify.cli.reports.side_by_side.table`.
        """
        head = f"{self.n_facts:,} facts: {self.trained} beside {self.construction}"
        return joined([head, *map(str, self.rows)])


def side_by_side(
    trained: nn.Module | Sequence[nn.Module],
    construction: nn.Module,
    facts: FactTable,
    *,
    tuning_steps: int = 300,
    seed: int = 0,
) -> SideBySide:
    """Compare a trained model, or several that differ in their seeds, with a construction.

    Args:
        trained: a `OneLayer` or `StandardDecoder`, or several of one shape.
        construction: a construction, a form of one or a `StandardModel`, of one hop.
        facts: a total table, which both answer.
        tuning_steps: of fine-tuning on the grid.
        seed: of what the measures draw.

    Raises:
        InputError: the construction answers other facts or more hops, or no model is given.
    """
    models = [trained] if isinstance(trained, nn.Module) else list(trained)
    if not models:
        raise InputError("side by side: no trained model is given")
    if not isinstance(construction, Answering) or construction.hops != 1:
        raise InputError("side by side: the second model must be a construction of one hop")
    if construction.facts != facts:
        raise InputError("side by side: the construction answers other facts than those given")
    both = _Sides(models, construction, facts, seed)
    return SideBySide(
        f"{type(models[0]).__name__}, {counted(len(models), 'seed')}",
        str(construction.construction),
        facts.n_stored_queries(1),
        (*both.sizes(), *both.bits(tuning_steps), *both.distances(), *both.mechanism()),
    )


@dataclass
class _Sides:
    """The models of both sides, and how each row is filled."""

    trained: list[nn.Module]
    construction: nn.Module
    facts: FactTable
    seed: int

    def row(self, name: str, of_one: Callable[[nn.Module], float | str]) -> Row:
        """Numbers of each model; a reason in words of one of them stands for all."""
        cells: list[Cell] = []
        for models in (self.trained, [self.construction]):
            found = [of_one(model) for model in models]
            reasons = [one for one in found if isinstance(one, str)]
            cells.append(
                reasons[0] if reasons else tuple(one for one in found if not isinstance(one, str))
            )
        return Row(name, *cells)

    def sizes(self) -> list[Row]:
        """Dimension, width, parameters."""
        return [
            self.row("dimension", lambda model: _shape_of(model).d_model),
            self.row("width", lambda model: _shape_of(model).d_mlp),
            self.row("parameters", lambda model: sum(one.numel() for one in model.parameters())),
        ]

    def bits(self, tuning_steps: int) -> list[Row]:
        """Dense bits as the weights are, and the least that recall everything."""
        rows = [self.row("dense bits", dense_bits)]
        for way, steps in {"rounded": 0, "fine-tuned": tuning_steps}.items():
            if way == "rounded" or steps:
                found = {
                    id(model): least_bits(model, self.facts, tuning_steps=steps)
                    for model in (*self.trained, self.construction)
                }
                rows += _least_rows(self.row, way, found)
        return rows

    def distances(self) -> list[Row]:
        """Recall, margin and noise radius."""
        scores = {
            id(model): Answered(model, self.facts).score({})
            for model in (*self.trained, self.construction)
        }
        queries = self.facts.n_stored_queries(1)
        return [
            self.row("recall", lambda model: scores[id(model)].right / queries),
            self.row("margin", lambda model: scores[id(model)].margin),
            self.row("noise radius", radius),
        ]

    def mechanism(self) -> list[Row]:
        """What the measures find."""
        measured = [self._measures(self.trained), self._measures([self.construction])]
        return [
            Row(name, trained, built)
            for (name, trained), built in zip(
                measured[0].items(), measured[1].values(), strict=True
            )
        ]

    def _measures(self, models: list[nn.Module]) -> dict[str, Measure]:
        """Over the seeds."""
        answers = answers_of(self.facts)
        found: dict[str, list[Measure]] = {}
        for model in models:
            decoder = of(model, self.facts)
            exchanged = intervention(decoder, answers, seed=self.seed)
            for name, one in (
                ("superposition, held-out R^2", superposition(decoder, answers, seed=self.seed)),
                ("intervention: moves", exchanged.move),
                ("intervention: keeps", exchanged.keep),
                ("intervention: both", exchanged.both),
                ("transfer, no step", zero_step(decoder, answers, seed=self.seed)),
                ("transfer, 25 steps", after_steps(decoder, answers, seed=self.seed)),
            ):
                found.setdefault(name, []).append(one)
        return {name: over_seeds(several) for name, several in found.items()}


def _shape_of(model: nn.Module) -> Widths:
    """The sizes of a module of ours, which all have them as `shape`."""
    return cast("Widths", model.shape)


def dense_bits(model: nn.Module) -> int:
    """Entries times fixed-point width, of all tensors: what the weights as they are take."""
    return sum(
        value.numel() * fixed_point_width([value.detach().double().cpu().numpy()])
        for value in model.parameters()
    )


def radius(model: nn.Module) -> float | str:
    """The certified noise radius of a construction; of other models, why there is none."""
    if not isinstance(model, Answering) or not isinstance(model, Transformer):
        return "certified for constructions and their forms alone"
    try:
        return noise_radius(model, "queries")  # type: ignore[arg-type]
    except (InputError, DoesNotFit) as error:
        return str(error)


def _least_rows(
    row: Callable[[str, Callable[[nn.Module], float | str]], Row],
    way: str,
    found: Mapping[int, Quantised | None],
) -> list[Row]:
    """Bits of a tensor, and all bits, of models in the fewest bits; by the models' `id`."""

    def said(model: nn.Module, of_one: Callable[[Quantised], int]) -> float | str:
        """One of its numbers, or that there is none."""
        one = found[id(model)]
        return "not all is recalled" if one is None else of_one(one)

    return [
        row(f"bits a tensor, {way}", lambda model: said(model, lambda one: one.bits)),
        row(f"all bits, {way}", lambda model: said(model, lambda one: one.total_bits)),
    ]


def from_to(numbers: Numbers) -> str:
    """The least and the largest number of all seeds, or the one that all have."""
    low, high = min(numbers), max(numbers)
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    """Integers in full, others in four digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"


def _briefly(cell: Cell) -> str:
    """Numbers, a measure's value, or that there is none."""
    if isinstance(cell, tuple):
        return from_to(cell)
    if isinstance(cell, str) or cell.value is None:
        return "none"
    return f"{float(cell.value):.3f}"
