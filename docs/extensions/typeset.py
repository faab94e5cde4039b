"""Formulas of the pages, set as mathematics.

On the pages of `formula_pages` code that is a formula in the notation of `formulas.py` becomes
MathML, in the text and in indented blocks; its plain text is its label for those who listen. Other
code stays as it is, as do titles.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from html import escape
from typing import Any

from docutils import nodes
from formulas import pieces
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


def setup(app: Sphinx) -> dict[str, bool]:
    """What sphinx calls."""
    app.add_config_value("formula_pages", [], "env")
    app.add_html_math_renderer("plain", (inline, None), (block, None))
    app.add_transform(Formulas)
    return {"parallel_read_safe": True}


class Formulas(SphinxTransform):
    """Code that is a formula becomes mathematics."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Go through a page."""
        if not any(fnmatch(self.env.docname, name) for name in self.config.formula_pages):
            return
        for code in list(self.document.findall(nodes.literal)):
            if not in_title(code) and pieces(code.astext()) is not None:
                code.replace_self(nodes.math(code.rawsource, code.astext()))
        for code in list(self.document.findall(nodes.literal_block)):
            if code.get("language") in {None, "none"} and all(map(line, rows(code.astext()))):
                text = code.astext()
                code.replace_self(nodes.math_block(text, text, nowrap=True, number=None))


def in_title(node: nodes.Node) -> bool:
    """Whether a node stands in a title, whose text is repeated where no formula can be."""
    while node.parent is not None:
        if isinstance(node, nodes.title):
            return True
        node = node.parent
    return False


def rows(text: str) -> list[str]:
    """The lines of a block."""
    return [row for row in text.splitlines() if row.strip()]


def line(text: str) -> str | None:
    """A line of a block as MathML, its parts apart where more than two spaces stand; None where it
    is no formula.
    """
    parts = []
    for part in re.split(r" {3,}", text.strip()):
        bare = part.rstrip(",.") if not part.endswith("...") else part
        formula = pieces(bare) or pieces(bare.removesuffix(":"))
        if formula is None:
            return None
        parts.append(joined(formula) + part[len(bare) :])
    return '<span class="apart"></span>'.join(parts)


def joined(formula: list[str]) -> str:
    """The stretches of a formula; a line may break between them."""
    return "<wbr>".join(formula)


def inline(translator: Any, node: nodes.math) -> None:
    """A formula of the text."""
    text = node.astext()
    formula = joined(pieces(text) or [f"<code>{escape(text)}</code>"])
    label = escape(" ".join(text.split()), quote=True)
    translator.body.append(
        f'<span class="formula" role="math" aria-label="{label}">{formula}</span>'
    )
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """A block of formulas, line by line."""
    for row in rows(node.astext()):
        label = escape(" ".join(row.split()), quote=True)
        formula = line(row) or f"<code>{escape(row)}</code>"
        translator.body.append(
            f'<div class="formula display" role="math" aria-label="{label}">{formula}</div>\n'
        )
    raise nodes.SkipNode
