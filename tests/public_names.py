"""The public names of the three packages, and the pages that document them."""

import ast
import inspect
import re
from importlib import import_module
from pkgutil import iter_modules
from textwrap import dedent

from page_blocks import ROOT, python_of

import bounds
import constructions
import verify

INTERNAL = ("verify.cli", "verify.cells", "constructions.export.transformerlens")
"""Modules of which a page imports to show how the program is made, or one helper of a tool."""


def public_names():
    """(module, name): what `constructions` and `verify` export, the functions and classes of
    `bounds`, and what the Python of a page or of a tutorial imports.
    """
    found = {("constructions", name) for name in constructions.__all__}
    found |= {("verify", name) for name in verify.__all__}
    for module in (f"bounds.{one.name}" for one in iter_modules(bounds.__path__)):
        for name, one in vars(import_module(module)).items():
            own = getattr(one, "__module__", None) == module
            if own and not name.startswith("_") and (inspect.isclass(one) or callable(one)):
                found.add((module, name))
    return found | imported_by_pages()


def imported_by_pages():
    """What the Python of the pages, and of the tutorials, imports of our packages."""
    codes = [
        dedent(code)
        for page in ["README.md", *(str(path.relative_to(ROOT)) for path in pages())]
        for code in python_of(page)
    ]
    codes += [path.read_text("utf-8") for path in sorted((ROOT / "examples").glob("*.py"))]
    found = set()
    for code in codes:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and ours(node.module or ""):
                found |= {(node.module, one.name) for one in node.names}
    return found


def pages():
    """All pages."""
    return sorted((ROOT / "docs").rglob("*.md"))


def ours(module):
    """Whether a module is one of ours that users import from."""
    package = module.partition(".")[0]
    return package in {"constructions", "bounds", "verify"} and not module.startswith(INTERNAL)


def documented_names(texts=None):
    """(module, name): what the pages of the reference have entries for."""
    if texts is None:
        texts = [path.read_text() for path in sorted((ROOT / "docs/api").glob("*.md"))]
    found = []
    for text in texts:
        for module, names in re.findall(r"^\.\. documented:: (\S+)\n\n((?: +\S+\n)+)", text, re.M):
            found += [(module, name) for name in names.split()]
    return found


def object_of(module, name):
    """What a public name stands for."""
    return getattr(import_module(module), name)
