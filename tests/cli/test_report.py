"""`verify report`: what stands on the pages is what the run has found and what formulas say."""

import json
import re

import jinja2
import pytest
from built_site import dead_links, pages_of, requests
from cell_journals import GRID, cells_journal
from reported import Rows, counted, report, shown, verdicts_of

from verify.__main__ import main
from verify.cells.cell import Cell
from verify.learned.experiments.known import EXPERIMENTS
from verify.learned.experiments.points import OneHop

# ------------------------------------------------------------------ verdicts


def expected(data):
    return sorted((one["construction"], one["verdict"], one["verdict"]) for one in data["cells"])


def test_every_cell_of_a_run_stands_in_its_report_with_its_verdict(data, no_figures, tmp_path):
    data["cells"][1] |= {"verdict": "FAIL", "wrong": 2, "reason": "2 of 45 are answered wrong"}
    data = counted(data)
    status, out = report(tmp_path, data)
    page = shown(out)
    assert status == 1
    assert sorted(verdicts_of(page)) == expected(data)
    assert {verdict for _, verdict, _ in verdicts_of(page)} == {"PASS", "FAIL", "UNKNOWN"}
    for cell in data["cells"]:
        assert cell["reason"] in Rows(page).text
    assert "FAIL 3 of 5 cells passed" in " ".join(Rows(page).text.split())
    assert json.loads((out / "run.json").read_text()) == data
    damaged = page.replace("FAIL</strong></td>", "PASS</strong></td>", 1)
    assert sorted(verdicts_of(damaged)) != expected(data), "the control"


def test_what_was_not_run_is_unknown_in_a_report_and_never_passed(data, no_figures, tmp_path):
    data["cells"] = [one for one in data["cells"] if one["verdict"] == "PASS"]
    for planned, verdict in ((4, "PASS"), (7, "UNKNOWN"), (0, None)):
        (tmp_path / str(planned)).mkdir()
        if not planned:
            data["cells"] = []
        status, out = report(tmp_path / str(planned), counted(data | {"planned": planned}))
        text = " ".join(Rows(shown(out)).text.split())
        assert status == (verdict != "PASS")
        assert f"{verdict or 'UNKNOWN'} {len(data['cells'])} of {planned} cells passed" in text
        assert ("3 cells were planned and not run" in text) == (planned == 7)


def changed(data, what, **values):
    """A run in which a cell, or the run itself, says something else."""
    copy = json.loads(json.dumps(data))
    (copy["cells"][0] if what == "cell" else copy).update(values)
    return copy


def test_a_run_that_contradicts_itself_is_refused(data, no_figures, tmp_path, capsys):
    wrong = {
        "says PASS with 1 wrong": changed(data, "cell", wrong=1),
        "and 2 open": changed(data, "cell", unknown=2),
        "the proof FAIL": changed(data, "cell", proof="FAIL"),
        "says passed 4, and its cells say 3": changed(data, "cell", verdict="UNKNOWN"),
        "says verdict": changed(data, "run", verdict="PASS"),
        "it is 3": changed(data, "run", planned=3),
        "is none of PASS": changed(data, "cell", verdict="pass"),
        "verdict cannot be null": changed(data, "cell", verdict=None),
        "queries cannot be true": changed(data, "cell", queries=True),
        "margin cannot be": changed(data, "cell", margin="2"),
        "options cannot be": changed(data, "cell", options={"C": "2"}),
        "bounds: this is no stored": changed(data, "cell", bounds=[{"name": "global"}]),
        "cell 1 is no object": data | {"cells": [None, *data["cells"][1:]]},
        "has no cells": {"verdict": "PASS"},
    }
    for said, one in wrong.items():
        status, out = report(tmp_path, one)
        captured = capsys.readouterr()
        assert (status, captured.out) == (2, ""), said
        assert said in captured.err, (said, captured.err)
        assert captured.err.count("\n") == 1
        assert not out.exists()
    assert report(tmp_path, data)[0] == 1, "the control: the same run, unchanged"


# ------------------------------------------------------------------ hostile names

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"' \u202e{{ 7 * 7 }}"


def hostile(data):
    """A run whose every text is hostile."""
    cell = data["cells"][0]
    cell |= dict.fromkeys(("construction", "theorem", "facts", "form", "margin_claim"), HOSTILE)
    cell |= {"verdict": "FAIL", "reason": HOSTILE, "counterexamples": [HOSTILE]}
    cell |= {"options": {HOSTILE: 1}}
    return counted(data)


def foreign(page):
    """Elements that no template has."""
    return [
        (tag, attrs)
        for tag, attrs in Rows(page).elements
        if tag == "img" or (tag == "script" and attrs != {"src": "report.js", "defer": None})
    ]


def test_names_that_would_be_markup_are_shown_as_text(data, no_figures, tmp_path, monkeypatch):
    status, out = report(tmp_path, hostile(data))
    page = shown(out)
    assert status == 1
    assert foreign(page) == []
    assert HOSTILE.replace("\u202e", r"\u202e") in Rows(page).text
    assert "\u202e" not in page
    careless = jinja2.Environment
    monkeypatch.setattr(
        "verify.cli.pages.written.Environment",
        lambda **given: careless(**given | {"autoescape": False}),
    )
    (tmp_path / "bad").mkdir()
    _, bad = report(tmp_path / "bad", hostile(data))
    assert len(foreign(shown(bad))) > 1, "the control: without escapes they are markup"


def strays(folder):
    """Addresses on pages, in styles and in scripts that lead out of a folder or nowhere."""
    pages = pages_of(folder)
    found = requests(pages) + dead_links(folder, pages)
    found += [
        (name, one)
        for name, page in pages.items()
        for one in (*page.links, *page.loads)
        if re.match(r"[a-z]+:|//|/|\.\.", one) and not one.startswith("data:,")
    ]
    words = r"https?:|url\(|@import|\bimport\b|fetch|XMLHttp|WebSocket|sendBeacon|EventSource"
    for path in (folder / "report.css", folder / "report.js"):
        found += [(path.name, one) for one in re.findall(words, path.read_text())]
    return found


def test_nothing_in_a_report_leads_out_of_its_folder(data, no_figures, tmp_path):
    _, out = report(tmp_path, hostile(data))
    assert len(pages_of(out)) == 4
    assert strays(out) == []
    with (out / "meaning.html").open("a") as page:
        page.write('<a href="https://example.org">x</a><a href="gone.html">x</a>')
    with (out / "report.js").open("a") as script:
        script.write('fetch("x")')
    assert {name for name, _ in strays(out)} == {"meaning.html", "report.js"}, "the control"


# ------------------------------------------------------------------ where a report comes from


def test_a_journal_makes_the_same_pages_as_the_json_of_its_run(no_figures, tmp_path):
    book, file = tmp_path / "book", tmp_path / "book.json"
    cells_journal(book, GRID, done=GRID[1:])
    assert main(["journal", str(book), "--json", str(file)]) == 1
    words = ("-N", "4", "-R", "1")
    for source, out in ((book, "one"), (file, "two")):
        assert main(["report", str(tmp_path / out), "--from", str(source), *words]) == 1
    pages = {path.name: path.read_text() for path in (tmp_path / "one").iterdir()}
    other = {path.name: path.read_text() for path in (tmp_path / "two").iterdir()}
    assert other == {
        name: text.replace("from book.", "from book.json.") for name, text in pages.items()
    }
    assert "1 cells were planned and not run" not in pages["index.html"]
    assert "1 cell was planned and not run" in pages["index.html"]


def test_without_a_run_the_default_grid_is_run(no_figures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "verify.cli.commands.cells.default_grid", lambda *own: [Cell("selector", 5, 2)]
    )
    words = ["-N", "4", "-R", "1", "--workers", "0"]
    assert main(["report", str(tmp_path / "out"), *words]) == 0
    assert "PASS: 1 cell planned, 1 passed" in capsys.readouterr().out
    assert verdicts_of(shown(tmp_path / "out")) == [("selector", "PASS", "PASS")]


def test_trained_models_and_memories_are_reported(data, no_figures, tmp_path, monkeypatch, capsys):
    points = [OneHop(1, 5, 1, 2, 4, steps=5)]
    monkeypatch.setitem(vars(EXPERIMENTS["threshold"]), "points", lambda full: points)
    learned, compared = str(tmp_path / "learned.json"), str(tmp_path / "compared.json")
    few = ["--seeds", "3", "--workers", "0"]
    assert main(["learned", "threshold", *few, "--json", learned]) == 0
    words = ["compare", "-N", "5", "-R", "2", "selector", *few, "--json", compared]
    assert main(words) == 0
    printed = capsys.readouterr().out.splitlines()
    _, out = report(tmp_path, data, "--learned", learned, "--compared", compared)
    capsys.readouterr()
    text = Rows(shown(out, "learned")).text
    found = json.loads((tmp_path / "learned.json").read_text())["experiments"]["threshold"]
    for one in found["expectations"]:
        assert f"{one['outcome']} {one['expected']}" in text
    assert found["expectations"]
    row = next(line for line in printed if line.startswith("selector")).split()
    assert row in [row for row in Rows(shown(out, "memories")).rows if row]
    assert {"learned.svg", "memories.svg"} <= {path.name for path in out.iterdir()}
    assert strays(out) == []
    for option, file in (("--learned", compared), ("--compared", learned)):
        (tmp_path / option).mkdir()
        assert report(tmp_path / option, data, option, file)[0] == 2
        assert "write it anew" in capsys.readouterr().err


@pytest.mark.long
def test_every_figure_of_a_report_is_drawn_and_described(data, tmp_path):
    _, out = report(tmp_path, data, "-N", "16,64", "-R", "2,4", "-k", "1,2")
    page = pages_of(out)["figures.html"]
    pictures = {one for one in page.loads if one.endswith(".svg")}
    assert {"plane.svg", "dimension.svg", "bits.svg", "ratio.svg", "separation.svg"} < pictures
    assert len(pictures) == 11
    described = [attrs for tag, attrs in Rows(shown(out, "figures")).elements if tag == "img"]
    assert all(len(attrs["alt"]) > 60 for attrs in described)
    assert strays(out) == []


# ------------------------------------------------------------------ places


def test_a_report_is_written_whole_into_a_new_folder_or_refused(
    data, no_figures, tmp_path, capsys, monkeypatch
):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(data))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.json").write_text('{"cells": [NaN]}')
    (tmp_path / "large.json").write_text('{"cells": [1e999]}')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    monkeypatch.chdir(tmp_path)
    small = ["-N", "4", "-R", "1"]
    for words, said in (
        (["kept"], "is not empty"),
        (["gone/out"], "cannot be written"),
        (["run.json"], "lies in --from|are both|is no folder|cannot be written"),
        (["no.json"], "cannot be written"),
        (["a\0b"], "cannot be written"),
        (["out", "--from", "gone.json"], "gone.json: cannot be read"),
        (["out", "--from", "kept"], "kept: cannot be read"),
        (["out", "--from", "a\0b"], "cannot be read"),
        (["out", "--from", "no.json"], "NaN is no number of JSON"),
        (["out", "--from", "large.json"], "1e999 is too large"),
        (["out", "--from", "deep.json"], "is no JSON"),
        (["out", "--learned", "gone.json"], "gone.json: cannot be read"),
        (["out", "-N", "1:1000", "-R", "1"], "at most 500 sizes"),
    ):
        given = [] if "--from" in words else ["--from", "run.json"]
        sized = [] if "-N" in words else small
        assert main(["report", *words, *given, *sized]) == 2, words
        captured = capsys.readouterr()
        assert re.search(said, captured.err), (words, captured.err)
        assert captured.err.count("\n") == 1, captured.err
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            ["kept", "empty", "no.json", "large.json", "deep.json", "run.json"]
        ), words
    assert (tmp_path / "kept" / "mine").read_text() == "mine"
    assert main(["report", "empty", "--from", "run.json", *small]) == 1
    assert main(["report", "empty", "--from", "run.json", *small]) == 2


def test_a_report_needs_matplotlib_and_says_so(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert report(tmp_path, data)[0] == 2
    said = "a report needs matplotlib: pip install -c constraints.txt '.[plot]'"
    assert said in capsys.readouterr().err
