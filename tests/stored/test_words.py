"""What a model that claims stored facts alone does not claim is reported, in words, to whoever
asks it.
"""

import json
import warnings

import numpy as np
import pytest
from stored_models import sparse_facts, stored_selector

from constructions import CATALOGUE, FactTable, InputError, NotStoredWarning
from constructions.export.names import about_claims
from verify.__main__ import main
from verify.cli.reports.mechanism import title
from verify.queries.showing import shown

FAMILY = "anna\tlikes\tben\nanna\tson\tcarl\nben\tlikes\tcarl\n"
TABLE = FactTable.from_triples([line.split("\t") for line in FAMILY.splitlines()])
OWN = """
import sys
sys.path.insert(0, {tests!r})
from stored_models import STORED as stored
"""


@pytest.fixture
def folder(tmp_path, pytestconfig, monkeypatch):
    """A folder with facts, and the construction in a file; the current one."""
    (tmp_path / "family.tsv").write_text(FAMILY)
    (tmp_path / "own.py").write_text(OWN.format(tests=str(pytestconfig.rootpath / "tests")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *words, status=0):
    assert main(list(words)) == status
    printed = capsys.readouterr()
    assert "arning" not in printed.err
    return printed.out


def test_asking_what_is_not_stored_warns_and_says_what_the_model_says():
    model = stored_selector(TABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.answer("anna", ["likes"]) == TABLE.entity_id("ben")
        assert model.answer([0, 1], [["likes"], ["likes"]]).tolist() == [1, 2]
    reported = "carl son: is not stored, and this model claims the answers to stored queries alone"
    with pytest.warns(NotStoredWarning, match=reported) as caught:
        answer = model.answer("carl", ["son"])
    assert isinstance(answer, int)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="ben son: is not stored"):
        answers = model.answer(np.arange(3), ["son"])
    assert answers.tolist() == model.said(np.arange(3), np.array([1])).tolist()
    with pytest.raises(InputError, match="relation 2 does not exist"):
        model.answer(0, [2])


def test_a_model_that_claims_all_never_warns():
    model = CATALOGUE["selector"].build(TABLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.answer("carl", ["son"]) == -1


def test_facts_are_asked_and_what_is_not_stored_is_reported(folder, capsys):
    found = said(
        capsys,
        *("facts", "family.tsv", "--construction", "own.py:stored"),
        *("--ask", "anna likes", "--ask", "carl son", "--save", "model", "--json", "found.json"),
    )
    assert (
        "\nanna likes -> ben\ncarl son -> not stored (no such fact: 'carl' has no 'son'; " in found
    )
    assert "    stored queries alone are claimed; the other 3 are not claimed\n" in found
    assert "construction: stored_selector (as asked; it claims stored facts alone)\n" in found
    assert "by both: all stored queries were run, and the weights, as saved, are proven" in found
    assert "sample: all 3 stored queries run in float32, 0 wrong" in found
    assert max(map(len, found.splitlines())) < 100
    written = json.loads((folder / "found.json").read_text())
    assert written["answers"] == [
        {"subject": "anna", "path": ["likes"], "answer": "ben", "stored": True},
        {"subject": "carl", "path": ["son"], "answer": None, "stored": False},
    ]
    (cell,) = written["cells"]
    assert (cell["queries"], cell["not_claimed"], cell["proven"]) == (3, 3, 3)

    found = said(capsys, "check", "model", "--json", "checked.json")
    assert found.startswith(
        "PASS: all 3 stored queries are answered right, by the kernel; the other 3 queries are"
        " not claimed\n"
    )
    checked = json.loads((folder / "checked.json").read_text())
    assert (checked["queries"], checked["not_claimed"]) == (3, 3)
    found = said(capsys, "check", "model", "--by", "symbolic", status=1)
    assert found.startswith("UNKNOWN: stored queries alone are claimed, and this checker proves")

    found = said(capsys, "show", "model", "carl", "son", "--with", "own.py:stored")
    assert "(means nothing: the query is not stored, and not claimed)" in " ".join(found.split())
    found = said(capsys, "list", "--with", "own.py:stored")
    claim = "A selector without a code of *unknown* (stored facts alone are claimed)"
    assert claim in " ".join(found.split())


@pytest.mark.usefixtures("folder")
def test_by_queries_alone_all_stored_ones_are_run(capsys):
    words = ["facts", "family.tsv", "--construction", "own.py:stored", "--by", "queries"]
    found = said(capsys, *words)
    assert "    by queries: all stored ones were run\n" in found


def test_what_is_shown_of_a_query_says_whether_it_is_claimed():
    facts = sparse_facts()
    model = stored_selector(facts)
    for missing in (False, True):
        relation, subject = map(int, np.argwhere((facts.answers < 0) == missing)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = shown(model, subject, [relation])
        assert found.claimed is not missing
        assert ("not claimed" in title(found)) is missing
        assert "WRONG" not in title(found)
    with pytest.raises(InputError, match="entity 12 does not exist"):
        shown(model, 12, [0])


def test_an_export_says_what_it_claims():
    reported = about_claims(stored_selector(TABLE))
    assert reported.startswith("\nOf 6 queries it answers the 3 that are stored,")
    assert max(map(len, reported.splitlines())) < 100
    assert about_claims(CATALOGUE["selector"].build(TABLE)) == ""
