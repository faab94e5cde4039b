"""Reports of small runs, and what stands on their pages."""

import json
from html.parser import HTMLParser

from cell_journals import GRID

from verify.__main__ import main
from verify.cells.jobs import CELLS
from verify.cli.reports.cells_json import as_json

VERDICTS = ("PASS", "FAIL", "UNKNOWN")


def run_data():
    """The JSON of a run of five cells, of which one is UNKNOWN."""
    results = [CELLS.run(cell) for cell in GRID]
    return json.loads(as_json(results, len(results)))


def counted(data):
    """The same with the counts that its cells have."""
    found = [cell["verdict"] for cell in data["cells"]]
    passed, failed = found.count("PASS"), found.count("FAIL")
    unknown = data["planned"] - passed - failed
    whole = passed == data["planned"] > 0
    verdict = "FAIL" if failed else "PASS" if whole else "UNKNOWN"
    return data | {"verdict": verdict, "passed": passed, "failed": failed, "unknown": unknown}


def report(folder, data, *more):
    """A report of this data in a folder, and the exit status."""
    file = folder / "run.json"
    file.write_text(json.dumps(data))
    out = folder / "out"
    return main(["report", str(out), "--from", str(file), *SMALL, *more]), out


SMALL = ("-N", "8", "-R", "2", "-k", "1")
"""One stop of the sliders."""


class Rows(HTMLParser):
    """The tables of a page outside of templates, or of one template alone: texts of cells by row;
    elements and their attributes; and all text.
    """

    def __init__(self, text, template=None):
        super().__init__()
        self.template, self.inside = template, []
        self.elements, self.rows, self.text = [], [], ""
        self.cell = None
        self.feed(text)

    @property
    def heard(self):
        """Whether what is read now counts."""
        return self.inside == ([self.template] if self.template else [])

    def handle_starttag(self, tag, attrs):
        """One element."""
        found = dict(attrs)
        if tag == "template":
            self.inside.append(found["id"])
        elif self.heard:
            self.elements.append((tag, found))
            if tag == "tr":
                self.rows.append([])
            if tag in ("td", "th"):
                self.cell = ""

    def handle_endtag(self, tag):
        """The end of one."""
        if tag == "template":
            self.inside.pop()
        elif self.heard and tag in ("td", "th") and self.cell is not None:
            self.rows[-1].append(" ".join(self.cell.split()))
            self.cell = None

    def handle_data(self, data):
        """Text."""
        if self.heard:
            self.text += data
            if self.cell is not None:
                self.cell += data


def verdicts_of(page):
    """(construction, verdict of the row, verdict that is read) of each cell of a page."""
    found = Rows(page)
    kept = [attrs for tag, attrs in found.elements if tag == "tbody" and "data-verdict" in attrs]
    rows = [row for row in found.rows if len(row) == 13 and row[0] in VERDICTS]
    return [
        (attrs["data-construction"], attrs["data-verdict"], row[0])
        for attrs, row in zip(kept, rows, strict=True)
    ]


def shown(out, name="index"):
    """The text of a page."""
    return (out / f"{name}.html").read_text("utf-8")
