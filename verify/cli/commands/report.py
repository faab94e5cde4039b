"""`verify report`: a run as a folder of pages for a browser."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from constructions import __version__
from constructions.catalogue import CATALOGUE
from constructions.files.new_folder import new_folder
from constructions.guards.errors import InputError
from constructions.guards.wording import counted
from verify.cells.sizes import grid
from verify.cli.commands import cells
from verify.cli.commands.journal import cells_of_journal
from verify.cli.commands.long_work import add_running
from verify.cli.commands.options import SEVERAL, Commands, Paragraphs, add_own
from verify.cli.commands.own import own_constructions
from verify.cli.commands.show import small_model
from verify.cli.output import say
from verify.cli.progress import progress
from verify.cli.status import FAILED, INTERRUPTED, PASSED
from verify.cli.values import sizes
from verify.cli.written_files import check_folder_is_new

if TYPE_CHECKING:  # which takes a second to import
    from verify.cli.pages.report import Figure, Report, Run
    from verify.cli.reports.plane import Plane

STOPS = {
    "N": (16, 64, 256, 4096, 65536, 2**20),
    "R": (2, 4, 8, 16),
    "k": (1, 2, 3, 4),
}
"""Of the sliders, where nothing else is asked for."""
MOST_STOPS = 500
EXAMPLES = """examples:
  run the default grid, and make a report of it:
    %(prog)s report
  of a run that is done, from its JSON or its journal:
    python -m verify all --json all.json
    %(prog)s report --from all.json
    %(prog)s report --from all.journal
  with what training finds, and with every memory on the same facts:
    python -m verify learned --json learned.json
    python -m verify compare -N 64 -R 4 --json compared.json
    %(prog)s report --from all.json --learned learned.json --compared compared.json
  with other sizes for the sliders of the capacity plane:
    %(prog)s report --from all.json -N 2^10:2^14 -R 4,8 -k 1:3
"""


def add_report(commands: Commands) -> None:
    """The words of `verify report`."""
    parser = commands.add_parser(
        "report",
        help="a run as a folder of pages for a browser: verdicts, capacity plane, figures",
        description=(
            "Makes one folder of HTML that asks no network for anything: all verdicts by theorem\n"
            "with filters, the capacity plane with sliders, every figure, and what a verdict\n"
            "means. Open OUT/index.html. See docs/report.md. Needs matplotlib. Exit status 0 if\n"
            "every planned cell passed, 1 if one failed or is unknown, 2 for bad input."
        ),
        epilog=EXAMPLES,
        formatter_class=Paragraphs,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the new folder")
    parser.add_argument(
        "--from",
        dest="results",
        type=Path,
        metavar="FILE",
        help=(
            "of the run whose JSON (--json of `all` or of a construction) or journal this is; by"
            " default the default grid is run"
        ),
    )
    parser.add_argument(
        "--learned", type=Path, metavar="FILE", help="also what `learned --json` has written"
    )
    parser.add_argument(
        "--compared", type=Path, metavar="FILE", help="also what `compare --json` has written"
    )
    for letter, what in (("N", "entities"), ("R", "relations"), ("k", "hops")):
        stops = STOPS[letter]
        parser.add_argument(
            f"-{letter}",
            type=sizes,
            default=stops,
            metavar=letter.upper(),
            help=(
                f"stops of the slider for {what}{SEVERAL if letter == 'N' else ', likewise'}"
                f" (default {','.join(map(str, stops))})"
            ),
        )
    add_own(parser, "a construction of your own that is verified as well, or took part")
    add_running(parser)
    parser.set_defaults(run=_run_report, wide=False, json=None, csv=None)


def _run_report(options: argparse.Namespace) -> int:
    """Read or run the cells, and write the pages."""
    from verify.cli.pages.written import files_of
    from verify.cli.reports.pictures import require_matplotlib
    from verify.cli.reports.sweeps import planes

    at = grid(options.N, options.R, options.k, MOST_STOPS)
    found = planes(options.N, options.R, options.k)  # refuses what is too large, before the work
    check_folder_is_new(options.out)
    require_matplotlib("a report")
    run, text, interrupted = _run(options)
    if interrupted:
        return INTERRUPTED
    report = _report(options, run, text, at, found)
    with new_folder(options.out, _refuse, _require_files_alone) as part:
        for name, written in files_of(report).items():
            (part / name).write_text(written, encoding="utf-8")
        for path in part.iterdir():
            path.chmod(part.stat().st_mode & 0o666)
    counts = run.counts
    say(
        f"{options.out}: {counted(counts['planned'], 'cell')} planned, {counts['passed']:,}"
        f" passed, {counts['failed']:,} failed, {counts['unknown']:,} unknown;"
        f" {counted(len(at), 'capacity plane')}"
    )
    say(f"open {options.out / 'index.html'}")
    return PASSED if counts["verdict"] == "PASS" else FAILED


def _run(options: argparse.Namespace) -> tuple[Run, str, bool]:
    """The cells, from a file or from here, with the JSON that they stand in; and whether it was
    interrupted.
    """
    from verify.cli.pages.run_file import json_of_a_run, run_of
    from verify.cli.reports.cells_json import as_json

    if options.results is not None and (text := json_of_a_run(options.results)) is not None:
        return run_of(text, options.results), text, False
    if options.results is not None:
        results, planned = cells_of_journal(options.results, options.own)
        text = as_json(results, planned)
        return run_of(text, options.results), text, False
    own_constructions(options.own)  # said before any cell is run
    found, status = cells.run_default_grid(options)
    text = as_json(found.results, found.planned)
    return run_of(text, "a run of the default grid"), text, status == INTERRUPTED


def _report(
    options: argparse.Namespace,
    run: Run,
    text: str,
    at: list[tuple[int, int, int]],
    found: Iterable[Plane],
) -> Report:
    """All that the report shows."""
    from verify.cli.pages import compared
    from verify.cli.pages.figures import figures, mechanisms
    from verify.cli.pages.plane_stop import plane_stop
    from verify.cli.pages.report import Report

    learned, learned_figure = None, None
    memories, memories_figure = None, None
    if options.learned is not None:
        learned, learned_figure = compared.learned(options.learned)
    if options.compared is not None:
        memories, memories_figure = compared.memories(options.compared)
    shown, stops = {}, {}
    with progress("planes") as begin:
        advance = begin("capacity planes", len(at))
        for done, (size, one) in enumerate(zip(at, found, strict=True), 1):
            shown[size], stops[size] = one, plane_stop(one)
            advance(done)
    n, r, k = (_middle({size[place] for size in at}) for place in range(3))
    start = (n, r, k)
    drawn: list[Figure] = [*figures(shown, start), *mechanisms(small_model)]
    return Report(
        version=__version__,
        run=run,
        claims={name: entry.claim for name, entry in CATALOGUE.items()},
        planes=stops,
        start=start,
        figures=drawn,
        learned=learned or (),
        learned_figure=learned_figure,
        memories=memories or (),
        memories_figure=memories_figure,
        files={"run.json": text},
    )


def _middle(values: Iterable[int]) -> int:
    """The middle one of several, by size; the larger one of two."""
    found = sorted(values)
    return found[len(found) // 2]


def _refuse(folder: Path) -> None:
    """Raise InputError: a report takes the place of nothing but an empty folder."""
    raise InputError(
        f"{folder}: is not empty, so it stays as it is; give another name, or remove it"
    )


def _require_files_alone(folder: Path) -> None:
    """Raise InputError unless the folder may be what a report leaves that is killed."""
    if any(not path.is_file() or path.is_symlink() for path in folder.iterdir()):
        raise InputError(f"{folder}: holds folders or links, which no report has left")
