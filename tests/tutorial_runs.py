"""The tutorials of `examples/`: their notebooks as stored, and run again in this process."""

import ast
import io
import json
import re
import sys
from contextlib import redirect_stdout

from page_blocks import ROOT

EXAMPLES = ROOT / "examples"
NAMES = tuple(sorted(path.stem for path in EXAMPLES.glob("*.ipynb")))
OTHER_TOOLS = ("own_table",)
"""Those that need an exports' environment."""


def stored(name):
    """A notebook, as the file has it."""
    return json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))


def text_of(cell):
    """The source of a cell."""
    return "".join(cell["source"])


def code_of(notebook):
    """The cells of code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose_of(notebook):
    """All that a reader reads, without links' addresses and code."""
    text = "\n".join(text_of(c) for c in notebook["cells"] if c["cell_type"] == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.S)


def printed(cell):
    """What a cell has printed when its notebook was made."""
    return "".join(
        "".join(output["text"])
        for output in cell["outputs"]
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )


def pictures(cell):
    """How many pictures a cell has drawn."""
    return sum("image/png" in output.get("data", {}) for output in cell["outputs"])


def differing(notebook):
    """Run all cells of code one after the other: (cell, what it prints now, what is stored) of
    those that print something else. A cell that raises, raises here.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    names, found = {"__name__": "__main__"}, []
    try:
        for place, cell in enumerate(code_of(notebook)):
            out = io.StringIO()
            with redirect_stdout(out):
                exec(compile(text_of(cell), f"cell {place}", "exec"), names)
            if out.getvalue() != printed(cell):
                found.append((place, out.getvalue(), printed(cell)))
    finally:
        pyplot.close("all")
    return found


def imported(name):
    """(module, name): what a tutorial imports of our packages."""
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text("utf-8"))
    return {
        (node.module, one.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for one in node.names
        if (node.module or "").partition(".")[0] in {"constructions", "bounds", "verify"}
    }


def maker():
    """`examples/notebooks.py`, which makes the notebooks."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        import notebooks
    finally:
        sys.path.remove(str(EXAMPLES))
    return notebooks
