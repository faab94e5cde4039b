"""Links of the pages to files and folders of this repository.

On a code host a link such as `../constructions/facts/table.py` opens the file. In the site it
opens a page of its own with the source, whose lines have anchors; a link to a folder
opens a list of its files. `README.md`, `CONTRIBUTING.md` and `CHANGELOG.md` of the root are pages
of the site that include them. What lies in `docs/` and is no program, as a picture or a table of
numbers, stays a download.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import reference
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "index", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog"}
"""The pages of the site that stand for files of the root."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - {site}</title>
<link rel="stylesheet" href="{up}_static/source.css">
</head>
<body>
<p><a href="{up}index.html">{site}</a></p>
{content}
</body>
</html>
"""


def setup(app: Sphinx) -> dict[str, bool]:
    """What sphinx calls."""
    app.connect("builder-inited", begin)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", link_sources, priority=100)  # before downloads are collected
    app.connect("build-finished", write_pages)
    return {"parallel_read_safe": False}


def begin(app: Sphinx) -> None:
    """A place in the environment for what is linked: the paths by page."""
    if not hasattr(app.env, "linked_sources"):
        app.env.linked_sources = {}  # type: ignore[attr-defined]


def forget(app: Sphinx, env: Any, docname: str) -> None:
    """A page is read anew."""
    env.linked_sources.pop(docname, None)


def link_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Replace the links of a page that lead to files of the repository."""
    docname = app.env.docname
    for link in [*doctree.findall(addnodes.download_reference), *doctree.findall(pending)]:
        path, _, anchor = link["reftarget"].partition("#")
        target = (ROOT / "docs" / docname).parent / path
        if not target.exists():  # MyST drops the ending of a page's name
            target = target.with_name(f"{target.name}.md")
        uri = uri_of(app, docname, target.resolve(), anchor or link.get("reftargetid") or "")
        if uri is not None:
            new = nodes.reference("", "", *link.children, refuri=uri, internal=True)
            link.replace_self(new)


def pending(node: nodes.Node) -> bool:
    """Whether a node is a link that MyST has still to resolve."""
    return isinstance(node, addnodes.pending_xref) and bool(node.get("reftarget"))


def uri_of(app: Sphinx, docname: str, target: Path, anchor: str) -> str | None:
    """The address of the page for a file or folder, relative to a page; None where it is not for
    this module to say.
    """
    if not target.is_relative_to(ROOT) or not target.exists() or target == ROOT:
        return None
    name = str(target.relative_to(ROOT))
    if name in PAGES:
        uri = app.builder.get_relative_uri(docname, PAGES[name])
        return f"{uri}#{anchor}" if anchor else uri
    if target.suffix == ".md" or (name.startswith("docs/") and target.suffix != ".py"):
        return None
    app.env.linked_sources.setdefault(docname, set()).add(name)  # type: ignore[attr-defined]
    return app.builder.get_relative_uri(docname, page_of(name))


def page_of(name: str) -> str:
    """The page for a path of the repository."""
    return f"source/{name}/index" if (ROOT / name).is_dir() else f"source/{name}"


def write_pages(app: Sphinx, error: Exception | None) -> None:
    """Write the pages for all files that are linked, and for the files of linked folders: without
    the navigation of the theme, which takes longer to lay out than all the rest.
    """
    if error is not None or app.builder.format != "html":
        return
    by_page = app.env.linked_sources.values()  # type: ignore[attr-defined]
    linked = {name for names in by_page for name in names} | reference.SOURCES
    files = {name for name in linked if (ROOT / name).is_file()}
    for folder in sorted(linked - files):
        files.update(files_in(folder))
        write(app, folder, listing(folder, files_in(folder)))
    for name in sorted(files):
        write(app, name, body(name))


def write(app: Sphinx, name: str, content: str) -> None:
    """Write one page."""
    path = Path(app.outdir) / f"{page_of(name)}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    up = "../" * page_of(name).count("/")
    title, site = html.escape(name), html.escape(app.config.html_title)
    path.write_text(PAGE.format(up=up, title=title, site=site, content=content), encoding="utf-8")


def files_in(folder: str) -> list[str]:
    """The sources in a folder."""
    found = (path for path in (ROOT / folder).iterdir() if path.suffix in {".py", ".v"})
    return sorted(str(path.relative_to(ROOT)) for path in found)


def listing(folder: str, files: list[str]) -> str:
    """A folder as a list of links."""
    items = (
        f'<li><a class="reference internal" href="{html.escape(name.removeprefix(folder + "/"))}'
        f'.html"><code>{html.escape(name.removeprefix(folder + "/"))}</code></a></li>'
        for name in files
    )
    return f"<h1>{html.escape(folder)}</h1>\n<ul>\n{''.join(items)}\n</ul>"


def body(name: str) -> str:
    """A file with an anchor `L-7` at line 7; in one colour, as hundreds of files would take longer
    to highlight than all pages take to build.
    """
    lines = html.escape((ROOT / name).read_text(encoding="utf-8"), quote=False).split("\n")
    anchored = (f'<span id="L-{place}">{line}</span>' for place, line in enumerate(lines, 1))
    return f"<h1>{html.escape(name)}</h1>\n<pre>{chr(10).join(anchored)}</pre>"
