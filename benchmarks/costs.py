"""How well the costs of cells are estimated, and a table of what takes how long, fitted anew.

    python benchmarks/costs.py                     # the cells of measured_cells.jsonl
    python benchmarks/costs.py all.journal more.journal

Reads journals of `verify all`, in which each cell that is done has its seconds and its memory.
Half of the cells of which all queries are run, drawn at random, fit a table like
`verify.cells.cost.SECONDS`: form by form the non-negative numbers for which the logarithms of the
ratios are smallest, large ones being damped. Shown are, on the other half, measured / estimated:
by the table in use, and by the fitted one; and of forms that are proven, by the table in use. The
memory is that of the whole process, an idle one included; above 1 it was underestimated.
"""

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from verify.cells.cell import Cell
from verify.cells.cost import SECONDS, cost, is_proven, work
from verify.cells.dimensions import dimensions
from verify.cells.jobs import described
from verify.runner.places import IDLE_MEMORY

SAMPLE = Path(__file__).parent / "measured_cells.jsonl"
TOGETHER = (
    ("",),
    ("basis",),
    ("wide",),
    ("noise",),
    ("standard", "tied"),
    ("rmsnorm pre", "rmsnorm post", "layernorm pre", "layernorm post"),
)
"""Forms that have one row of the table."""
PERCENTILES = (5, 25, 50, 75, 95, 100)


def measured(paths: list[Path]) -> list[tuple[Cell, float, int | None]]:
    """Each cell that is done, its seconds and the most bytes of its process."""
    found = {}
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if "done" in entry and entry["kind"] == "cell":
                cell = described(entry["what"])
                found[cell] = (cell, entry["seconds"], entry["memory"])
    return list(found.values())


def fitted(counts: np.ndarray, seconds: np.ndarray, start: tuple[float, ...]) -> np.ndarray:
    """What each count takes, by a robust fit of logarithms."""
    unit = np.array(start)

    def off(logarithms: np.ndarray) -> np.ndarray:
        return np.log(seconds) - np.log(counts @ (unit * np.exp(logarithms)))

    found = least_squares(off, np.zeros(len(unit)), loss="soft_l1", f_scale=0.5, bounds=(-5, 5))
    return unit * np.exp(found.x)


def _is_run(cell: Cell) -> bool:
    """Whether all its queries are run."""
    return not cell.form or not is_proven(cell, dimensions(replace(cell, form="")))


def show_proven(cells: list[tuple[Cell, float, int | None]]) -> None:
    """The same of forms that are proven; nothing is fitted."""
    ratios = [took / cost(cell).seconds for cell, took, _ in cells if not _is_run(cell)]
    if ratios:
        print(f"{'proven':12} {len(ratios):5} in use {percentiles(np.array(ratios))}")


def percentiles(ratios: np.ndarray) -> str:
    """Some percentiles of ratios, as a part of a line."""
    return " ".join(f"{ratio:6.2f}" for ratio in np.percentile(ratios, PERCENTILES))


def show_form(forms: tuple[str, ...], cells: list[tuple[Cell, float, int | None]]) -> None:
    """Fit and compare the cells of some forms."""
    of_form = [
        (cell, max(took, 1e-3)) for cell, took, _ in cells if cell.form in forms and _is_run(cell)
    ]
    name = forms[0] or "(none)"
    if len(of_form) < 20:
        print(f"{name:12} {len(of_form):5} cells: too few")
        return
    counts = np.array([work(cell, dimensions(cell)) for cell, _ in of_form], float)
    seconds = np.array([took for _, took in of_form])
    half = len(of_form) // 2
    row = fitted(counts[:half], seconds[:half], SECONDS[forms[0]])
    in_use = np.array([cost(cell).seconds for cell, _ in of_form])
    print(f"{name:12} {half:5} in use {percentiles(seconds[half:] / in_use[half:])}")
    print(f"{'':12} {'':5} fitted {percentiles((seconds / (counts @ row))[half:])}")
    print(f"{'':12} {'':5} table  ({', '.join(f'{rate:.1e}' for rate in row)})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("journals", nargs="*", type=Path, default=[SAMPLE], metavar="JOURNAL")
    cells = measured(parser.parse_args().journals)
    random.Random(0).shuffle(cells)
    heads = " ".join(f"{percentile:5}%" for percentile in PERCENTILES)
    print(f"{'form':12} {'cells':>5} {'time':6} {heads}")
    for forms in TOGETHER:
        show_form(forms, cells)
    show_proven(cells)
    ratios = np.array(
        [held / (IDLE_MEMORY + cost(cell).memory) for cell, _, held in cells if held]
    )
    print(f"{'memory':12} {len(ratios):5} {'':6} {percentiles(ratios)}")
    print(f"{'':12} above 1: {np.mean(ratios > 1):.1%}")
    total = sum(took for _, took, _ in cells)
    print(f"{len(cells):,} cells took {total:,.0f} s; {said_total(cells):,.0f} s were estimated")


def said_total(cells: list[tuple[Cell, float, int | None]]) -> float:
    """The seconds that all together were estimated to take."""
    return sum(cost(cell).seconds for cell, _, _ in cells)


if __name__ == "__main__":
    main()
