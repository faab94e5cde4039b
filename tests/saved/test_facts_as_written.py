"""`facts.tsv` of a folder: what is read as it was written, and what the reader of fact files says of
all else, are the same.
"""

import random

import numpy as np
import pytest

from constructions.facts import tsv
from constructions.facts.named import NamesAlone
from constructions.facts.set_table import SetTable
from constructions.facts.table import FactTable
from constructions.guards.errors import FactFileError
from constructions.saved import saved_facts
from constructions.saved.reading import _functions, _sets

NAMES = ["a", "é", "b c", "#d", "e.", "e5"]


def functions(seed):
    """A table of some of the facts, with odd names."""
    drawn = FactTable.random_functions(len(NAMES), 3, seed, missing=0.4)
    return FactTable(drawn.answers, NAMES, ["r", "ß", "s t"])


def sets(seed):
    """The same, with several answers to a question."""
    ids = np.random.default_rng(seed).integers(0, (6, 3, 6), (12, 3))
    return SetTable(np.unique(ids, axis=0), 6, 3, NAMES, ["r", "ß", "s t"])


KINDS = [(functions, _functions, False), (sets, _sets, True)]


def changed(text, rng):
    """The text with a change or two: of lines, of a character, of a name."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 2)):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        change = rng.randrange(6)
        if change == 0:
            lines[at], lines[other] = lines[other], lines[at]
        elif change == 1:
            lines.insert(at, lines[other])
        elif change == 2 and len(lines) > 1:
            del lines[at]
        elif change == 3:
            lines[at] = lines[at].replace("\t", rng.choice(["\n", "\t\t", " "]), 1)
        elif change == 4:
            lines[at] = rng.choice(["#", "\r", " ", "e\u0301", "\ufeff"]) + lines[at]
        else:
            lines[at] = lines[at].replace("é", "e\u0301")
    return "\n".join(lines)


def outcome(path, table, table_of, many):
    """The table that is read, or the message."""
    names = NamesAlone(table.entity_names, table.relation_names)
    try:
        return saved_facts.read_saved_facts(path, names, table_of, many)
    except FactFileError as error:
        return str(error)


@pytest.mark.parametrize(("make", "table_of", "many"), KINDS)
def test_a_changed_file_of_facts_is_read_as_line_by_line(
    make, table_of, many, tmp_path, monkeypatch
):
    path, seen = tmp_path / "facts.tsv", set()
    for seed in range(150):
        rng, table = random.Random(seed), make(seed)
        text = "".join(tsv.fact_lines(table))
        path.write_text(changed(text, rng) if seed % 3 else text, "utf-8", newline="")
        found = outcome(path, table, table_of, many)
        with monkeypatch.context() as patch:
            patch.setattr(saved_facts, "_as_written", lambda raw, names, table_of: None)
            expected = outcome(path, table, table_of, many)
        assert type(found) is type(expected)
        assert found == expected, path.read_text("utf-8")
        seen.add(type(found))
    assert seen == {str, type(table)}


@pytest.mark.parametrize(("make", "table_of", "many"), KINDS)
def test_facts_as_they_were_saved_need_no_reader_of_lines(
    make, table_of, many, tmp_path, monkeypatch
):
    def refused(*words, **more):
        raise AssertionError("the file was read line by line")

    monkeypatch.setattr(saved_facts, "read_tsv", refused)
    monkeypatch.setattr(saved_facts, "READ_AT_ONCE", 5)
    table = make(0) if many else FactTable(functions(0).answers, list("abcdef"), list("rst"))
    lines = [line for line in tsv.fact_lines(table) if not line.startswith("#")]
    if many:
        table = SetTable.from_triples(line.rstrip("\n").split("\t") for line in lines)
        lines = list(tsv.fact_lines(table))
    (tmp_path / "facts.tsv").write_text("".join(lines), "utf-8", newline="")
    assert outcome(tmp_path / "facts.tsv", table, table_of, many) == table
    (tmp_path / "facts.tsv").write_text("".join(lines[::-1]), "utf-8", newline="")
    with pytest.raises(AssertionError, match="line by line"):
        outcome(tmp_path / "facts.tsv", table, table_of, many)
