"""A sweep to CSV, and from there to a figure: dimension against N for three constructions.

    python docs/sweeps.py [FOLDER]

writes plans.csv and dimension.svg into the folder, or where it is run. It needs matplotlib, and
takes pandas where that is installed.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from verify.__main__ import main

CONSTRUCTIONS = ("key_value_rows_shared", "precomputed", "hybrid_shared")
SWEEP = ["plan", "-N", "2^10:2^20", "-R", "4,16,64", "-k", "1:3"]


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV."""
    try:
        import pandas
    except ImportError:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    rows: list[dict[str, Any]] = pandas.read_csv(path).to_dict("records")
    return rows


def figure_of(rows: list[dict[str, Any]]) -> Figure:
    """A panel for each R and k, a line for each construction."""
    cells = sorted({(int(row["R"]), int(row["k"])) for row in rows})
    figure = Figure(figsize=(9, 8), layout="constrained")
    for ax, (r, k) in zip(figure.subplots(3, 3, sharex=True).ravel(), cells, strict=True):
        for name in CONSTRUCTIONS:
            here = [
                row
                for row in rows
                if (int(row["R"]), int(row["k"]), row["construction"]) == (r, k, name)
            ]
            n, d = ([float(row[column]) for row in here] for column in ("N", "d_model"))
            ax.plot(n, d, marker=".", label=name)
        ax.set(xscale="log", yscale="log", title=f"R = {r}, k = {k}", xlabel="N", ylabel="d")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    status = main([*SWEEP, "--only", ",".join(CONSTRUCTIONS), "--csv", str(folder / "plans.csv")])
    if status:
        sys.exit(status)
    figure_of(read(folder / "plans.csv")).savefig(folder / "dimension.svg")
    print(f"drawn: {folder / 'dimension.svg'}")
