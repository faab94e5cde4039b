"""A report as the files of one folder: pages of HTML with a style sheet, a script and pictures,
all of them in the folder. The templates are in `templates/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from constructions.catalogue import CATALOGUE
from constructions.guards.wording import printable, shortened
from verify.cells.against_bounds import tightest
from verify.cli.output import VERDICTS
from verify.cli.pages.plane_stop import PlaneStop
from verify.cli.pages.report import Report, ReportedCell
from verify.cli.reports.rounding import factor

FIXED = ("report.css", "report.js")
"""Files that are the same in every report."""
TITLES = {
    "index.html": "Verdicts",
    "plane.html": "Capacity plane",
    "figures.html": "Figures",
    "learned.html": "Trained models",
    "memories.html": "Memories side by side",
    "meaning.html": "What a verdict means",
}


def files_of(report: Report) -> dict[str, str]:
    """The text of every file of the report, by name. The same report makes the same files."""
    environment = Environment(
        loader=PackageLoader("verify.cli.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    pages = {name: title for name, title in TITLES.items() if _is_made(name, report)}
    made = {}
    for name in pages:
        values = {"index.html": _of_cells, "plane.html": _of_planes}.get(name)
        made[name] = environment.get_template(name).render(
            report=report, pages=pages, page=name, **(values(report) if values else {})
        )
    made |= {name: (files("verify.cli.pages") / "templates" / name).read_text() for name in FIXED}
    for figure in (*report.figures, report.learned_figure, report.memories_figure):
        if figure is not None:
            made[f"{figure.name}.svg"] = figure.svg
            if figure.csv:
                made[f"{figure.name}.csv"] = figure.csv
    return made | dict(report.files)


def stop_id(stop: PlaneStop) -> str:
    """What a stop of the sliders is called in the page."""
    return f"plane-{stop.n_entities}-{stop.n_relations}-{stop.hops}"


def label(cell: ReportedCell, sizes: bool = True) -> str:
    """A cell in a few words: its construction, options, and what is not usual."""
    known = {option.name: option.symbol for option in _options(cell.construction)}
    given = "".join(f" {known.get(name, name)}={value}" for name, value in cell.options.items())
    unusual = ", ".join([*(["partial"] * (cell.facts == "partial")), *filter(None, [cell.form])])
    size = f", N = {cell.entities:,}, R = {cell.relations:,}, k = {cell.hops:,}" * sizes
    return f"{cell.construction}{given}{f' ({unusual})' if unusual else ''}{size}"


def values_of(cell: ReportedCell) -> Iterator[tuple[str, str]]:
    """What stands in the row of a cell, by its title; `-` for what was not reached."""
    best = tightest(cell.bounds)
    proven = cell.proof or "-"
    if cell.proof == "PASS" and cell.proven is not None:
        proven = shortened(cell.proven)
    d_model = _or_dash(cell.d_model)
    if cell.d_model is not None and cell.d_model_formula not in (None, cell.d_model):
        d_model += f" != {cell.d_model_formula:,}"
    yield "N", shortened(cell.entities)
    yield "R", shortened(cell.relations)
    yield "k", shortened(cell.hops)
    yield "queries run", _or_dash(cell.queries)
    yield "wrong", _or_dash(cell.wrong)
    yield "margin", "-" if cell.margin is None else f"{cell.margin:.4g}"
    yield "proven", proven
    yield "d", d_model
    yield "B_T", _or_dash(cell.internal_bits)
    yield "B_T/bound", "-" if best is None or best.ratio is None else f"{best.ratio:.4g}"
    yield "seconds", f"{cell.seconds:.2f}"


def notes_of(cell: ReportedCell) -> Iterator[str]:
    """What is to be said of a cell below its row."""
    if cell.verdict != "PASS":
        yield f"why {cell.verdict}: {cell.reason}"
    if cell.not_claimed:
        yield (
            "stored queries alone are claimed; the other"
            f" {shortened(cell.not_claimed)} are not claimed"
        )
    if cell.separated is not None:
        yield (
            "separated: without chain-of-thought, with embeddings as small and a fixed"
            f" unembedding, no model has fewer than {factor(cell.separated)} times as many bits"
            " inside"
        )
    yield from cell.counterexamples


def _shown(value: Any) -> Any:
    """A text on one line, without a character that could steer what shows it; what is markup
    already stays.
    """
    return printable(value) if type(value) is str else value


def _is_made(page: str, report: Report) -> bool:
    """Whether there is something on a page."""
    return {"learned.html": bool(report.learned), "memories.html": bool(report.memories)}.get(
        page, True
    )


def _of_cells(report: Report) -> dict[str, Any]:
    """What the page of the cells shows."""
    run = report.run
    numbers = {id(cell): number for number, cell in enumerate(run.cells, 1)}
    theorems = {
        theorem: [(numbers[id(cell)], cell) for cell in cells]
        for theorem, cells in run.theorems.items()
    }
    return {
        "counts": run.counts,
        "missing": run.planned - len(run.cells),
        "not_passed": [(numbers[id(cell)], cell) for cell in run.cells if cell.verdict != "PASS"],
        "summary": _summary(report),
        "theorems": theorems,
        "constructions": list(dict.fromkeys(cell.construction for cell in run.cells)),
        "claimed": lambda cells: [
            name
            for name in dict.fromkeys(cell.construction for _, cell in cells)
            if name in report.claims
        ],
        "label": label,
        "values": lambda cell: list(values_of(cell)),
        "cell_notes": lambda cell: list(notes_of(cell)),
    }


def _summary(report: Report) -> list[list[str]]:
    """A row for each theorem, below one of titles."""
    rows = [["theorem", "cells", *VERDICTS, "constructions"]]
    for theorem, cells in report.run.theorems.items():
        found = [cell.verdict for cell in cells]
        names = {cell.construction for cell in cells}
        counts = [len(cells), *(found.count(verdict) for verdict in VERDICTS), len(names)]
        rows.append([theorem or "-", *(f"{count:,}" for count in counts)])
    if missing := report.run.planned - len(report.run.cells):
        rows.append(["planned, not run", f"{missing:,}", "0", "0", f"{missing:,}", "-"])
    return rows


def _of_planes(report: Report) -> dict[str, Any]:
    """What the page of the capacity plane shows."""
    axes = [
        (name, letter, sorted({size[place] for size in report.planes}))
        for place, (name, letter) in enumerate(
            (("entities", "N"), ("relations", "R"), ("hops", "k"))
        )
    ]
    starts = {
        letter: values.index(at)
        for (_, letter, values), at in zip(axes, report.start, strict=True)
    }
    return {
        "axes": axes,
        "starts": starts,
        "start": report.planes[report.start],
        "stop_id": stop_id,
        "sizes": lambda one: f"N = {one.n_entities:,}, R = {one.n_relations:,}, k = {one.hops:,}",
    }


def _options(name: str) -> Any:
    """The options of a construction of the catalogue."""
    return CATALOGUE[name].options if name in CATALOGUE else ()


def _or_dash(value: int | None) -> str:
    """A number; a dash if there is none."""
    return "-" if value is None else shortened(value)
