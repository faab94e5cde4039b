"""`verify learned`: experiments with trained models."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from constructions.guards.errors import InputError
from constructions.guards.wording import brief, joined
from verify.cli.commands.long_work import add_running, run
from verify.cli.commands.options import SEVERAL, Commands, add_json, add_plot, add_rows
from verify.cli.commands.sweeping import check_files, look
from verify.cli.output import complain, complain_interrupted, folded, say, say_text
from verify.cli.status import BAD_INPUT, FAILED, PASSED
from verify.cli.values import seeds, sizes
from verify.cli.written_files import write_text
from verify.learned.experiments.names import DEFAULT, NAMES
from verify.learned.experiments.points import REPORTED, Point, seeded

if TYPE_CHECKING:  # which takes seconds to import
    from verify.cli.reports.pictures import Look
    from verify.learned.experiments.experiment import Experiment
    from verify.learned.experiments.found import Found


def add_learned(commands: Commands) -> None:
    """The words of `verify learned`."""
    listed = "; ".join(f"{name}: {about}" for name, about in NAMES.items())
    parser = commands.add_parser(
        "learned",
        help="experiments with trained models: what gradient descent finds",
        description=(
            "Trains small models on random facts, several seeds at once, and measures what they"
            " have learned; says what was expected beforehand and whether it was met"
            f" (docs/learned.md). The experiments are: {listed}. `learned pretrained` measures a"
            " language model from a local folder, see `learned pretrained --help`. By default"
            f" {', '.join(DEFAULT)}. Exit status 0 if all models were trained, whatever came out;"
            " 1 if some were not. -N, -R and -k choose among the sizes of the protocols; what was"
            " expected is not compared then."
        ),
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="NAME",
        help="experiments to run, in place of the default ones",
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help="the large sizes of these, or of all: hours; give a --journal",
    )
    parser.add_argument(
        "--seeds",
        type=seeds,
        default=REPORTED,
        metavar="A-B",
        help=(
            f"from A to B (default {REPORTED[0]}-{REPORTED[-1]}, by which no setting was chosen;"
            " settings and expectations were chosen by 0-4)"
        ),
    )
    for word, what in (("-N", "entities"), ("-R", "relations"), ("-k", "hops")):
        parser.add_argument(
            word,
            type=sizes,
            metavar=word[1].upper(),
            help=f"of the sizes of the experiments those of so many {what} alone{SEVERAL}",
        )
    parser.add_argument(
        "--graph",
        type=Path,
        metavar="FILE",
        help=(
            "for `geometry` alone: memorise the edges of this file, the names of two nodes in each"
            " line, in place of its own graphs (docs/geometric-memory.md)"
        ),
    )
    add_json(parser, "all that was found")
    add_rows(parser, "a row for each point, seed and measure")
    add_plot(parser, "it, a panel for each")
    add_running(parser)
    parser.set_defaults(run=_run_learned, own=[])


def _run_learned(options: argparse.Namespace) -> int:
    """Experiments."""
    unknown = [name for name in options.experiments if name not in NAMES]
    if unknown:
        wrong = f"error: no experiment is called {brief(repr(unknown[0]))}"
        for line in folded(f"{wrong}; there are {', '.join(NAMES)}"):
            complain(line)
        return BAD_INPUT
    names = list(dict.fromkeys(options.experiments)) or list(NAMES if options.full else DEFAULT)
    if options.graph is not None and names != ["geometry"]:
        complain("error: --graph is for the experiment `geometry` alone: learned geometry --graph")
        return BAD_INPUT
    check_files(options)
    from verify.cli.reports.learned import LearnedRow, as_json, rows
    from verify.cli.reports.rows import columns_of, write_rows
    from verify.learned.experiments.known import EXPERIMENTS
    from verify.learned.experiments.training import LEARNED

    chosen = {name: EXPERIMENTS[name] for name in names}
    if options.graph is not None:
        from verify.learned.experiments.geometry import on_a_graph
        from verify.learned.geometry.edge_lists import read_edges

        chosen = {name: on_a_graph(read_edges(options.graph)) for name in names}
    points = {
        name: seeded(one.points(options.full), options.seeds) for name, one in chosen.items()
    }
    if any((options.N, options.R, options.k)):
        points = _of_these_sizes(points, options)
        chosen = {name: replace(chosen[name], expectations=()) for name in points}
    outcomes = _Outcomes(chosen, points, options.full)
    started = time.perf_counter()
    every = [point for some in points.values() for point in some]
    finished = run(LEARNED, every, options, "points", outcomes.add)
    outcomes.say_what_is_missing()
    say(
        f"{len(finished.results)} of {finished.planned} points, seeds"
        f" {', '.join(map(str, options.seeds))}, in {time.perf_counter() - started:.0f} s"
    )
    write_text(options.json, lambda: as_json(outcomes.every(), options.full, options.seeds))
    write_rows(options.csv, columns_of(LearnedRow), rows(outcomes.every()))
    if options.plot is not None:
        _draw(outcomes.whole, options.plot, look(options))
    if finished.interrupted:
        return complain_interrupted("points that were not run are unknown")
    done = len(finished.results) == finished.planned
    return PASSED if done and not any(one.lost for one in finished.results) else FAILED


def _of_these_sizes(
    points: Mapping[str, Sequence[Point]], options: argparse.Namespace
) -> dict[str, list[Point]]:
    """The points that have the sizes that are asked for, by the experiments that have some.

    Raises:
        InputError: none has.
    """
    asked = (options.N, options.R, options.k)
    kept = {
        name: [
            point
            for point in some
            if all(not axis or one in axis for one, axis in zip(point.n_r_k, asked, strict=True))
        ]
        for name, some in points.items()
    }
    if not any(kept.values()):
        there = dict.fromkeys(point.n_r_k for some in points.values() for point in some)
        raise InputError(
            "no experiment has a point of these sizes; there are (N, R, k) ="
            f" {brief(', '.join(map(str, there)))}"
        )
    return {name: some for name, some in kept.items() if some}


def _draw(whole: Sequence[tuple[str, Experiment, list[Found]]], path: Path, look: Look) -> None:
    """Draw the experiments of which all points are known, or say that there are none."""
    if not whole:
        complain(f"{path}: not drawn, since no experiment is whole")
        return
    from verify.cli.reports.learned_picture import write

    write([(experiment, found) for _, experiment, found in whole], path, look)
    say(f"drawn: {path}")


class _Outcomes:
    """Experiments, each of which is shown when all of its points are known.

    Attributes:
        whole: those of which all points are known, by name, with what was found in order.
    """

    def __init__(
        self, chosen: Mapping[str, Experiment], points: Mapping[str, Sequence[Point]], full: bool
    ):
        self._chosen, self._points, self._full = chosen, points, full
        self._found: dict[Point, Found] = {}
        self.whole: list[tuple[str, Experiment, list[Found]]] = []

    def add(self, found: Found) -> None:
        """One more point."""
        from verify.cli.reports.learned import lines

        self._found[found.point] = found
        shown = {name for name, _, _ in self.whole}
        for name, experiment in self._chosen.items():
            if name not in shown and all(point in self._found for point in self._points[name]):
                results = [self._found[point] for point in self._points[name]]
                self.whole.append((name, experiment, results))
                say_text(joined(lines(name, experiment, results, self._full)))

    def every(self) -> list[tuple[str, Experiment, list[Found], int]]:
        """All experiments: what was found, and how many points are not known."""
        known = {
            name: [self._found[point] for point in points if point in self._found]
            for name, points in self._points.items()
        }
        return [
            (name, experiment, known[name], len(self._points[name]) - len(known[name]))
            for name, experiment in self._chosen.items()
        ]

    def say_what_is_missing(self) -> None:
        """Of the other experiments, how many points are not known."""
        shown = {name for name, _, _ in self.whole}
        for name in self._chosen:
            if name not in shown:
                left = sum(point not in self._found for point in self._points[name])
                of = len(self._points[name])
                say(f"{name}: {left} of {of} points were not run; nothing is concluded")
