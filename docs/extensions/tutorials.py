"""The notebooks of `examples/`, copied to `docs/tutorials/`, where they are pages of the site.

Their links are those that a code host follows from `examples/`: `../docs/show.md`. In the copies
they start in `docs/tutorials/`. A file that is already there as it should be is not written again.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

EXAMPLES = Path(__file__).parents[2] / "examples"


def setup(app: Sphinx) -> dict[str, bool]:
    """What sphinx calls, before it looks for pages."""
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        copy(path, Path(app.srcdir) / "tutorials" / path.name)
    app.connect("source-read", lead)
    return {"parallel_read_safe": True}


def lead(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead the links of a page that go to a notebook in `examples/` to the page made of it."""
    source[0] = re.sub(
        r"\]\(\.\./((?:\.\./)*)examples/(\w+\.ipynb)", r"](\1tutorials/\2", source[0]
    )


def copy(path: Path, target: Path) -> None:
    """Write a notebook as a page."""
    text = moved(path.read_text("utf-8"))
    if not target.is_file() or target.read_text("utf-8") != text:
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8")


def moved(text: str) -> str:
    """A text with the links of `examples/`, as one of `docs/tutorials/`."""
    text = re.sub(r"\]\((\w+\.py)\)", r"](../examples/\1)", text)
    text = re.sub(r"\]\(\.\./(?!docs/)", "](../../", text)
    return text.replace("](../docs/", "](../")
