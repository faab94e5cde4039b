"""The reference of the public names, made of their docstrings.

    .. documented:: constructions
       FactTable
       Codebook

documents names of a module: signature, docstring, the public methods that are ours, and a link to
the source. Docstrings are written as plain text with code in single backticks, as the pages are;
`as_rst` makes of one what Sphinx reads. Sections such as `Args:` and `Raises:` are read by
sphinx.ext.napoleon.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
OURS = ("constructions", "bounds", "verify")

SOURCES: set[str] = set()
"""The files that entries link to."""


def setup(app: Sphinx) -> dict[str, bool]:
    """What sphinx calls."""
    app.add_directive("documented", Documented)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-docstring", rewrite, priority=100)  # before napoleon
    return {"parallel_read_safe": True}


class Documented(SphinxDirective):
    """Entries for names of a module, one name a line."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The entries."""
        module = self.arguments[0]
        lines: list[str] = []
        for name in (line.strip() for line in self.content):
            if name:
                lines += entry(module, name)
        found = nodes.container()
        self.state.nested_parse(StringList(lines, module), 0, found)
        return found.children


def entry(module: str, name: str) -> list[str]:
    """The lines that document a name."""
    found = getattr(import_module(module), name)
    if inspect.isclass(found):
        kind = "exception" if issubclass(found, Exception) else "class"
        lines = [f".. auto{kind}:: {module}.{name}", "   :members:", "   :inherited-members:", ""]
        return lines if found.__mro__[1].__module__.split(".")[0] != "sympy" else lines[:1]
    if callable(found):
        return [f".. autofunction:: {module}.{name}", ""]
    text = as_rst(docstring_of_value(module, name))
    return [
        f".. py:data:: {name}",
        f"   :module: {module}",
        "",
        *(f"   {line}" for line in text),
        "",
    ]


def docstring_of_value(module: str, name: str) -> list[str]:
    """The text below a value, where it is defined."""
    for where in (module, *origins(module, name)):
        docs = ModuleAnalyzer.for_module(where).find_attr_docs()
        if ("", name) in docs:
            return docs["", name]
    raise ValueError(f"{module}.{name} has no docstring")


def origins(module: str, name: str) -> list[str]:
    """The modules from which a module imports a name."""
    source = inspect.getsource(import_module(module))
    return re.findall(rf"^from (\S+) import {name}\b", source, re.M)


def skip(app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what a class of others defines, as `torch.nn.Module`."""
    found = getattr(obj, "fget", None) or getattr(obj, "func", None) or obj
    module = getattr(found, "__module__", None) or ""
    return None if module.split(".")[0] in OURS else True


def as_written(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, returns: Any
) -> tuple[str, str] | None:
    """A signature with the types as the source names them."""
    if arguments is None:
        return None
    try:
        text = str(inspect.signature(obj))
    except (TypeError, ValueError):
        return None
    if what in {"method", "exception", "class"} and re.match(r"\((self|cls)\b", text):
        text = re.sub(r"^\(\w+(, )?", "(", text)
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text).replace("<factory>", "...")
    found = re.fullmatch(r"(?s)(\(.*\))(?: -> (.*))?", text)
    if found is None:
        return None
    shown = "" if what in {"class", "exception"} or found[2] is None else found[2]
    return found[1], shown


def rewrite(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A docstring of ours as Sphinx reads it."""
    lines[:] = as_rst(lines)


def as_rst(lines: list[str]) -> list[str]:
    """A docstring in the markup of Sphinx: indented examples as code, and the signs of its markup
    outside of code as themselves.
    """
    found: list[str] = []
    code = False
    section = False
    for place, line in enumerate(lines):
        indented = line.startswith("    ")
        if not line.strip():
            found.append("")
            continue
        if not indented:
            section = bool(re.fullmatch(r"[A-Z]\w*( \(.*\))?:", line))
            code = False
            found.append(line if section else "")
            if section:
                found[-1] = re.sub(r" \(.*\):$", ":", line)
                continue
            found[-1] = line
            continue
        if not section and not code and not lines[place - 1].strip():
            found += [".. code-block:: python", "   :force:", ""]
            code = True
        found.append(line)
    return escaped("\n".join(found)).split("\n")


def escaped(text: str) -> str:
    """Code in single backticks as literals, and other signs as they stand."""
    blocks = re.split(
        r"(^\.\. code-block::.*(?:\n(?: .*)?)*|^ *>>> .*(?:\n.+)*)", text, flags=re.M
    )
    return "".join(block if place % 2 else prose(block) for place, block in enumerate(blocks))


def prose(text: str) -> str:
    """Text without blocks of code."""
    parts = re.split(r"`([^`]+)`", text)
    for place, part in enumerate(parts):
        if place % 2:
            parts[place] = f"``{' '.join(part.split())}``"
        else:
            part = part.replace("\\", "\\\\").replace("|", "\\|")
            part = re.sub(r"(\w)_(?!\w)", r"\1\\_", part)
            part = re.sub(r"(?m)(^\s*|: )(\w)\.(?=\s|$)", r"\1\2\\.", part)  # no list of letters
            apart = re.split(r"((?<![\w*])\*(?=\S)[^*]+(?<=\S)\*(?![\w*]))", part)
            apart[::2] = [re.sub(r"(?m)(?!^\* )\*", r"\\*", text) for text in apart[::2]]
            parts[place] = "".join(apart)
    return "".join(joined(parts))


def joined(parts: list[str]) -> list[str]:
    """Parts of a text; a literal that touches a letter is set off from it."""
    found = []
    for place, part in enumerate(parts):
        if place % 2:
            before = "\\ " if parts[place - 1][-1:].isalnum() else ""
            after = "\\ " if parts[place + 1][:1].isalnum() or parts[place + 1][:1] == "'" else ""
            part = f"{before}{part}{after}"
        found.append(part)
    return found


def source_of(info: dict[str, str]) -> str | None:
    """The page of the source, at the line of an entry, as seen from a page in `api/`."""
    found: Any = import_module(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    found = getattr(found, "fget", None) or getattr(found, "func", None) or found
    try:
        found = inspect.unwrap(found)
        path = Path(inspect.getsourcefile(found) or "").resolve()
        line = inspect.getsourcelines(found)[1]
    except (TypeError, OSError, ValueError):
        return None
    if not path.is_relative_to(ROOT):
        return None
    name = str(path.relative_to(ROOT))
    SOURCES.add(name)
    return f"../source/{name}.html#L-{line}"
