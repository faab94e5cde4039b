"""What a report holds, before it is made into pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verify.cells.against_bounds import BoundCheck
from verify.cli.pages.plane_stop import PlaneStop
from verify.cli.reports.summaries import count


@dataclass(frozen=True)
class ReportedCell:
    """A cell as the JSON of a run has it: see `verify.cli.reports.cells_json.cell_as_data`."""

    construction: str
    theorem: str
    entities: int
    relations: int
    hops: int
    facts: str
    dtype: str
    options: dict[str, int]
    verdict: str
    reason: str
    queries: int | None
    wrong: int | None
    unknown: int | None
    not_claimed: int
    margin: float | None
    margin_claim: str | None
    proof: str | None
    proven: int | None
    by: str | None
    d_model: int | None
    d_model_formula: int | None
    d_mlp: int | None
    n_layers: int | None
    n_heads: int | None
    parameters: int | None
    internal_bits: int | None
    embedding_bits: int | None
    unembedding_bits: int | None
    bounds: list[BoundCheck]
    separated: float | None
    form: str
    counterexamples: list[str]
    seconds: float


@dataclass(frozen=True)
class Run:
    """The cells of a run.

    Attributes:
        cells: that were run, in their order.
        planned: how many were to be run; those that are missing are unknown.
        source: where the cells come from, in words.
    """

    cells: tuple[ReportedCell, ...]
    planned: int
    source: str

    @property
    def counts(self) -> dict[str, Any]:
        """The verdict over all planned cells, and how many passed, failed and are unknown."""
        return count(self.cells, self.planned)

    @property
    def theorems(self) -> dict[str, list[ReportedCell]]:
        """The cells by theorem."""
        found: dict[str, list[ReportedCell]] = {}
        for cell in self.cells:
            found.setdefault(cell.theorem, []).append(cell)
        return found


@dataclass(frozen=True)
class Figure:
    """A picture of a file in the report.

    Attributes:
        name: of its files, without an ending.
        title: of the figure.
        text: in words what is seen, for those who do not see it.
        command: that draws it alone.
        svg: the picture.
        csv: the numbers that are drawn; "" where there is no such table.
    """

    name: str
    title: str
    text: str
    command: str
    svg: str
    csv: str = ""


@dataclass(frozen=True)
class Expected:
    """What was expected of an experiment, and what has become of it."""

    expected: str
    refuted_by: str
    outcome: str


@dataclass(frozen=True)
class TrainedModels:
    """An experiment with trained models.

    Attributes:
        name, title, question: of the experiment.
        expectations: that were written down before it was run.
        table: what was found, in lines.
        left: how many of its points were not run.
    """

    name: str
    title: str
    question: str
    expectations: Sequence[Expected]
    table: Sequence[str]
    left: int


@dataclass(frozen=True)
class Memories:
    """Memories of the same facts.

    Attributes:
        title, limits: the facts, and the information limit, in words.
        rows: a row of titles, then those of the memories.
        notes: what else is to be said.
        below: how many measured levels lie below the information limit: there must be none.
        left: how many searches were not run.
    """

    title: str
    limits: str
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    below: int
    left: int


@dataclass(frozen=True)
class Report:
    """All that a report shows.

    Attributes:
        version: of the program that makes the report.
        run: the cells.
        claims: of each construction of the catalogue, in a few words.
        planes: the capacity plane at every stop of the sliders, by (N, R, k).
        start: the stop that is shown first.
        figures: of the formulas.
        learned, learned_figure: experiments with trained models, if they are reported.
        memories, memories_figure: memories side by side, if they are reported.
        files: what else lies in the folder, by name.
    """

    version: str
    run: Run
    claims: Mapping[str, str]
    planes: Mapping[tuple[int, int, int], PlaneStop]
    start: tuple[int, int, int]
    figures: Sequence[Figure] = ()
    learned: Sequence[TrainedModels] = ()
    learned_figure: Figure | None = None
    memories: Sequence[Memories] = ()
    memories_figure: Figure | None = None
    files: Mapping[str, str] = field(default_factory=dict)
