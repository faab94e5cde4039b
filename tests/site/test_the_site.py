"""The site is built by the command of CONTRIBUTING.md, without a warning; it documents every
public name, no link inside it is dead, and no page asks a network for anything.
"""

import re
import shutil
import subprocess
import sys

import pytest
from built_site import Page, dead_links, pages_of, requests
from page_blocks import ROOT
from public_names import documented_names, public_names

COMMAND = "python -m sphinx -W -b html docs site"


def built(docs, where):
    """Run the command on a folder of pages."""
    words = COMMAND.split()[1:-2]
    return subprocess.run(
        [sys.executable, *words, str(docs), str(where)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def small(tmp_path):
    """A source folder with the configuration of ours and one page."""
    docs = tmp_path / "docs"
    (docs / "api").mkdir(parents=True)
    for name in ("conf.py", "extensions"):
        path = ROOT / "docs" / name
        if path.is_dir():
            shutil.copytree(path, docs / name)
        else:
            shutil.copyfile(path, docs / name)
    (docs / "index.md").write_text("# Start\n")
    (docs / "glossary.md").write_text("---\norphan: true\n---\n\n# Glossary\n\n`x_r >= 0`\n")
    return docs


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_holds_together(tmp_path):
    done = built(ROOT / "docs", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{COMMAND}\n" in (ROOT / "CONTRIBUTING.md").read_text()

    pages = pages_of(tmp_path)
    sources = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert {str(path.with_suffix(".html")) for path in sources} <= pages.keys()
    assert len(sources) > 60
    assert requests(pages) == []
    assert dead_links(tmp_path, pages) == []

    entries = {one for page in pages.values() for one in page.ids}
    missing = {f"{module}.{name}" for module, name in public_names()} - entries
    assert missing == set()

    theorems = [page for name, page in pages.items() if name.startswith("theorems/")]
    assert len(theorems) > 10
    assert all(page.formulas > 20 for page in theorems)
    assert not any("mathjax" in address for page in pages.values() for address in page.loads)


@pytest.mark.long
def test_a_dead_link_and_a_dead_anchor_stop_the_build(small, tmp_path):
    sound = built(small, tmp_path / "sound")
    assert sound.returncode == 0, sound.stderr
    assert pages_of(tmp_path / "sound")["glossary.html"].formulas > 0
    page = small / "index.md"
    for link in ("[gone](gone.md)", "[gone](index.md#gone)", "[gone](../bounds/gone.py)"):
        page.write_text(f"# Start\n\n{link}\n")
        done = built(small, tmp_path / "broken")
        assert done.returncode != 0, link
        assert "gone" in done.stderr


def test_what_is_wrong_with_built_pages_is_noticed(tmp_path):
    """The controls of the checks above."""
    (tmp_path / "a.html").write_text('<p id="here"></p><a href="b.html#there">b</a>')
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="a.html#here">a</a>')
    assert dead_links(tmp_path, pages_of(tmp_path)) == requests(pages_of(tmp_path)) == []
    (tmp_path / "c.html").write_text(
        '<a href="b.html#nowhere">b</a><a href="d.html">d</a><img src="https://x.org/i.png">'
        '<script src="//x.org/s.js"></script><a href="https://x.org">a link loads nothing</a>'
    )
    pages = pages_of(tmp_path)
    assert sorted(dead_links(tmp_path, pages)) == [
        ("c.html", "b.html#nowhere"),
        ("c.html", "d.html"),
    ]
    assert [address for _, address in requests(pages)] == ["https://x.org/i.png", "//x.org/s.js"]


def test_every_public_name_has_one_entry_in_the_reference():
    documented = documented_names()
    assert set(documented) == public_names()
    assert len(documented) == len(set(documented)) > 120


def test_a_name_that_is_not_documented_is_noticed():
    text = (ROOT / "docs/api/facts.md").read_text()
    assert ("constructions", "FactTable") in documented_names([text])
    less = text.replace("   FactTable\n", "")
    assert ("constructions", "FactTable") not in documented_names([less])
    others = documented_names([less, *pages_of_the_reference_but_facts()])
    assert public_names() - set(others) == {("constructions", "FactTable")}


def pages_of_the_reference_but_facts():
    return [path.read_text() for path in (ROOT / "docs/api").glob("*.md") if path.stem != "facts"]


def test_every_figure_stands_in_the_gallery_with_its_command():
    gallery = (ROOT / "docs/gallery.md").read_text()
    figures = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.svg")}
    shown = re.findall(r"^!\[[^\]]+\]\((\S+)\)\n\n`(python [^`]*)`", gallery, re.M)
    assert {figure for figure, _ in shown} == figures
    for figure, command in shown:
        assert figure.rpartition("/")[2] in command, figure


def test_a_page_is_read_as_it_stands():
    page = Page('<h1 id="a">x</h1><math></math><link href="s.css"><a href="b.html">b</a>')
    assert (page.ids, page.formulas) == ({"a"}, 1)
    assert (page.loads, page.links) == (["s.css"], ["b.html"])
