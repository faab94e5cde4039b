"""The notebooks of the tutorials, made of the scripts: `python examples/notebooks.py [NAME ...]`.

A script in the percent format of jupytext is the source of a tutorial. This runs each script, or
those that are named, as a notebook in a fresh kernel, and writes the notebook beside it with what
it printed and drew. The site shows the notebooks as they are stored, and runs none of them. It
needs the extras `docs` and `examples`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
PICTURES = "--InlineBackend.rc={'figure.dpi': 100}"


def scripts() -> list[Path]:
    """The scripts of all tutorials."""
    return sorted(path for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)


def notebook_of(script: str) -> Any:
    """A script as a notebook that has not been run; the same script makes the same notebook."""
    notebook = jupytext.reads(script, fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"
    notebook.nbformat_minor = 5  # the first that has names of cells
    return notebook


def executed(script: str) -> Any:
    """A script as a notebook with what it prints and draws, run in a folder that is then removed.

    Raises:
        nbclient.exceptions.CellExecutionError: if a cell raises.
    """
    notebook = notebook_of(script)
    os.environ["PYTHONWARNINGS"] = "ignore:IProgress not found"  # no widgets, and no word of it
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=600,
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=[PICTURES],
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})  # without this machine's Python
    return notebook


def main(names: list[str]) -> None:
    """Write the notebooks of these tutorials, of all if none is named."""
    for script in scripts():
        if not names or script.stem in names:
            nbformat.write(executed(script.read_text("utf-8")), script.with_suffix(".ipynb"))
            print(f"written: {script.with_suffix('.ipynb').name}")


if __name__ == "__main__":
    main(sys.argv[1:])
