"""How the site is made of these pages: `python -m sphinx -W -b html docs site`."""

import sys
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "extensions")]

import reference  # noqa: E402

import constructions  # noqa: E402

project = "Geometric factual recall"
version = release = constructions.__version__
language = "en"
root_doc = "index"
exclude_patterns = ["extensions"]
nb_execution_mode = "off"  # the notebooks show what is stored in them; tests run them
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.napoleon",
    "reference",
    "source_pages",
    "tutorials",
    "typeset",
]
autodoc_member_order = "bysource"
napoleon_use_ivar = True
napoleon_use_rtype = False
suppress_warnings = ["ref.python"]  # two classes are named Plan, and a signature says no more
myst_heading_anchors = 6
html_math_renderer = "plain"
formula_pages = [
    "README",
    "api/constructions",
    "certificates",
    "choosing",
    "forms",
    "given-rows",
    "glossary",
    "imperfect-recall",
    "lower-bounds",
    "paper-and-ours",
    "path-star",
    "position_reading",
    "theorems/*",
    "tutorials/*",
]
font = (
    files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf"
)  # so that formulas look alike everywhere
html_static_path = ["extensions/static", str(font)]
html_css_files = ["site.css"]
html_show_copyright = False
html_theme = "furo"
html_title = project


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Where the source of an entry of the reference is."""
    return reference.source_of(info) if domain == "py" else None
