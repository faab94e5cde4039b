"""Digests of every weight of the default grid: `python tests/golden.py` prints them, `--write`
makes `tests/golden.txt` of them, and `tests/test_golden.py` compares.

A line is a cell: its construction, sizes and form, the dtype, and for each weight, in the order of
`named_parameters`, eight hexadecimal digits of a SHA-256 over its shape and its entries as 64-bit
integers; `~` where an entry is no such integer. These are floating forms, whose last bits depend
on the machine: `--floats` prints a digest of those too, for two versions on one machine.

A golden digest changes only in a commit that says why.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

FILE = Path(__file__).with_name("golden.txt")


def named(cell) -> str:
    """A cell in words that no renaming within the software changes."""
    options = "".join(f" {name}={value}" for name, value in cell.options)
    form = f" as {cell.form}" if cell.form else ""
    sizes = f"N={cell.entities} R={cell.relations} k={cell.hops}"
    return f"{cell.construction} {sizes}{options} {cell.facts}{form}"


def digest(weight: Tensor, floats: bool = False) -> str:
    """Eight hexadecimal digits over shape and entries; of floating entries only if
    asked, else ~.
    """
    weight = weight.detach()
    whole = weight.double()
    is_whole = bool((whole == whole.round()).all()) and bool((whole.abs() < 2**63).all())
    if not is_whole and not floats:
        return "~"
    entries = whole.long() if is_whole else whole + 0.0
    shape = f"{tuple(weight.shape)}{'' if is_whole else weight.dtype}:"
    return hashlib.sha256(shape.encode() + entries.contiguous().numpy().tobytes()).hexdigest()[:8]


def line(cell, model: torch.nn.Module, floats: bool = False) -> str:
    """The golden line of a cell whose model, or form, this is."""
    weights = [digest(weight, floats) for _, weight in model.named_parameters()]
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    return f"{named(cell)}: {dtype} {' '.join(weights)}"


def lines(cells, build: Callable, reform: Callable, floats: bool = False) -> Iterator[str]:
    """One line for each cell; `build` and `reform` are those of the verifier."""
    for cell in cells:
        yield line(cell, built(cell, build, reform), floats)


def built(cell, build: Callable, reform: Callable) -> torch.nn.Module:
    """The model of a cell, or its form, in the dtype that the verifier takes."""
    from constructions import DoesNotFit, construction

    entry, options = construction(cell.construction), dict(cell.options)
    model = build(entry, cell.table(), cell.hops, options, cell.dtype)
    if not cell.form:
        return model
    try:
        return reform(model, cell.form)
    except DoesNotFit:
        model = build(entry, cell.table(), cell.hops, options, "float64")
        return reform(model, cell.form)


def main() -> None:
    """Print the lines, or write them into the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help=f"into {FILE.name}")
    parser.add_argument("--floats", action="store_true", help="digests of floating entries too")
    options = parser.parse_args()
    from verify.cells.grid import default_grid
    from verify.cells.verifying import build
    from verify.queries.forms import FORMS

    found = lines(default_grid(), build, lambda model, form: FORMS[form](model)[0], options.floats)
    text = "".join(f"{one}\n" for one in found)
    if options.write:
        FILE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
