"""Import of what export wrote gives the same table; `number` and inverses by brute force."""

import csv
import io
import json
import unicodedata

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructions import FactTable, InputError, read_table
from constructions.importing import inverse as inverse_module
from constructions.importing import many as many_module
from constructions.importing.asked import Asked
from constructions.importing.delimited import Delimited
from constructions.importing.table import imported

CHARACTERS = st.one_of(
    st.sampled_from("abc \"',;\\#=[]{}<>_:\U0001f1eb\u00e9\u200d"),
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]),
)


def is_name(text):
    sound = text and text == text.strip() and "\ufeff" not in text
    return bool(sound) and unicodedata.normalize("NFC", text) == text


names = st.text(CHARACTERS, min_size=1, max_size=8).filter(is_name)
triples = st.lists(st.tuples(names, names, names), min_size=1, max_size=12)


def functions_of(found):
    """The first object of each subject and relation."""
    facts = {}
    for subject, relation, target in found:
        facts.setdefault((subject, relation), target)
    return {(*key, target) for key, target in facts.items()}


def as_csv(path, rows):
    text = io.StringIO()
    csv.writer(text).writerows([("subject", "relation", "object"), *rows])
    path.write_text(text.getvalue(), newline="")


def as_json(path, rows):
    path.write_text(json.dumps([list(row) for row in rows]))


def as_json_lines(path, rows):
    path.write_text("\n".join(json.dumps(list(row), ensure_ascii=False) for row in rows))


def as_parquet(path, rows):
    columns = dict(zip(("subject", "relation", "object"), zip(*rows, strict=True), strict=True))
    pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), path)


def as_facts(path, rows):
    FactTable.from_triples(rows).to_tsv(path)


WRITERS = {
    ".csv": as_csv,
    ".json": as_json,
    ".jsonl": as_json_lines,
    ".parquet": as_parquet,
    ".tsv": as_facts,
}


@pytest.mark.parametrize("ending", WRITERS)
@given(found=triples)
def test_a_table_in_every_format_is_read_back(ending, found, tmp_path_factory):
    facts = functions_of(found)
    path = tmp_path_factory.mktemp("back") / f"table{ending}"
    WRITERS[ending](path, sorted(facts))
    assert set(read_table(path).rows()) == facts


@given(texts=st.lists(names, min_size=1, max_size=5, unique=True))
def test_literals_of_rdf_are_read_back(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("rdf") / "table.nt"
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    lines = [f'<http://s/{i}> <http://p> "{text}"@de .' for i, text in enumerate(quoted)]
    path.write_text("\n".join(lines))
    expected = {(f"http://s/{i}", "http://p", text) for i, text in enumerate(texts)}
    assert set(read_table(path).rows()) == expected


@given(found=triples)
def test_what_import_writes_is_what_the_table_writes(found, tmp_path_factory):
    place = tmp_path_factory.mktemp("written")
    as_json(place / "table.json", sorted(functions_of(found)))
    read = imported(place / "table.json", Asked())
    read.to_tsv(place / "one.tsv")
    read.table().to_tsv(place / "other.tsv")
    assert (place / "one.tsv").read_bytes() == (place / "other.tsv").read_bytes()
    assert set(read_table(place / "one.tsv").rows()) == functions_of(found)
    assert read_table(place / "one.tsv") == FactTable.from_tsv(place / "one.tsv")


def test_one_fact_is_said_in_the_singular(tmp_path):
    path = tmp_path / "one.tsv"
    path.write_text("a\tr\tb\n")
    assert imported(path, Asked()).sizes().startswith("1 fact, 2 entities, 1 relation, 1 of 2 ")


@pytest.mark.parametrize("ending", [".csv", ".json", ".jsonl", ".parquet"])
def test_a_name_over_two_lines_is_a_defect_in_every_format(ending, tmp_path):
    path = tmp_path / f"table{ending}"
    WRITERS[ending](path, [("a", "r", "b\nc")])
    with pytest.raises(InputError, match=r"U\+000A .* in the object 'b\\nc'"):
        read_table(path)


def test_a_reader_that_takes_quotes_as_letters_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    as_csv(path, [("a, b", "r", 'the "Rock"')])
    monkeypatch.setattr(
        Delimited,
        "records_of_csv",
        lambda self: enumerate((line.split(",") for line in self.text.split()), start=1),
    )
    with pytest.raises(InputError, match="fields where"):
        read_table(path)


# -------------------------------------------------------------------- several objects, inverses

few = st.lists(
    st.tuples(*[st.sampled_from(letters) for letters in ("abcd", "rq", "abcd")]),
    min_size=1,
    max_size=20,
)


def numbered(rows):
    """By brute force: what `number` is to make."""
    objects = {}
    for subject, relation, target in rows:
        objects.setdefault((subject, relation), set()).add(target)
    several = {relation for (_, relation), held in objects.items() if len(held) > 1}
    return {
        (subject, f"{relation} {i}" if relation in several else relation, target)
        for (subject, relation), held in objects.items()
        for i, target in enumerate(sorted(held), start=1)
    }


def check_numbers(rows, place):
    as_json(place / "table.json", rows)
    read = imported(place / "table.json", Asked(many="number"))
    assert set(read.facts.in_order()) == numbered(rows)
    assert set(read.table().rows()) == numbered(rows)


@given(rows=few, seed=st.randoms())
def test_numbered_relations_are_those_of_brute_force_in_any_order_of_the_rows(
    rows, seed, tmp_path_factory
):
    place = tmp_path_factory.mktemp("number")
    check_numbers(rows, place)
    shuffled = list(rows)
    seed.shuffle(shuffled)
    check_numbers(shuffled, place)


def test_numbers_by_the_order_of_the_file_are_noticed(tmp_path, monkeypatch):
    rows = [("a", "r", "c"), ("a", "r", "b")]
    check_numbers(rows, tmp_path)
    by_file = lambda facts, which: facts.records  # noqa: E731
    monkeypatch.setattr(many_module, "_name_ranks", by_file)
    with pytest.raises(AssertionError):
        check_numbers(rows, tmp_path)


@given(rows=few)
def test_first_and_drop_keep_what_brute_force_keeps(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "table.json"
    as_json(path, rows)
    assert set(read_table(path, many="first").rows()) == functions_of(rows)
    sizes = {}
    for subject, relation, target in rows:
        sizes.setdefault((subject, relation), set()).add(target)
    single = {(*key, *held) for key, held in sizes.items() if len(held) == 1}
    if single:
        assert set(read_table(path, many="drop").rows()) == single
    else:
        with pytest.raises(InputError, match="no facts are left"):
            read_table(path, many="drop")
    if len(single) < len(sizes):
        with pytest.raises(InputError, match="with several objects, in"):
            read_table(path)


def check_inverse(rows, place):
    as_json(place / "table.json", rows)
    read = read_table(place / "table.json", many="number", inverse={"back": rows[0][1]})
    expected = {*rows, *((o, "back", s) for s, r, o in rows if r == rows[0][1])}
    assert set(read.rows()) == numbered(expected)


@given(rows=few)
def test_an_inverse_holds_every_fact_turned_round(rows, tmp_path_factory):
    check_inverse(rows, tmp_path_factory.mktemp("inverse"))


def test_an_inverse_that_turns_nothing_round_is_noticed(tmp_path, monkeypatch):
    def unturned(facts, name, of):
        inverted = facts.take(facts.relation_ids == of)
        return ORIGINAL(inverted.take(inverted.subjects < 0), name, of)

    ORIGINAL = inverse_module._with_inverse
    rows = [("a", "r", "b")]
    check_inverse(rows, tmp_path)
    monkeypatch.setattr(inverse_module, "_with_inverse", unturned)
    with pytest.raises((AssertionError, InputError)):
        check_inverse(rows, tmp_path)


def test_conflicts_are_summed_up_by_relation_before_the_first_twenty(tmp_path):
    rows = [(f"s{i}", "r", o) for i in range(30) for o in "xyz"] + [
        ("a", "q", "b"),
        ("a", "q", "c"),
    ]
    as_json(tmp_path / "table.json", rows)
    with pytest.raises(InputError) as caught:
        read_table(tmp_path / "table.json")
    lines = str(caught.value).split("\n")
    assert "31 (subject, relation) pairs with several objects, in 2 relations" in lines[0]
    assert f"the command `sets {tmp_path / 'table.json'}` answers with all of them" in lines[0]
    assert lines[1:3] == [
        "    'r': 30 subjects with several objects, up to 3",
        "    'q': 1 subject with several objects, up to 2",
    ]
    assert len(lines) == 3 + 20 + 1
    assert lines[-1] == "... and 41 more"


@pytest.mark.parametrize("library", ["pyarrow", "pyoxigraph"])
def test_a_library_that_is_missing_is_named_with_its_extra(library, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    name, extra = ("x.parquet", "parquet") if library == "pyarrow" else ("x.nt", "rdf")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=rf"{library}, which is not installed: .*\[{extra}\]"):
        read_table(tmp_path / name)


def test_arguments_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\nx,y\n")
    for given_, said in (
        (
            {"many": "all"},
            "many must be 'error' or 'first' or 'drop' or 'number' or 'set'; got 'all'",
        ),
        ({"columns": "rows"}, "columns must be 'triples' or 'table'; got 'rows'"),
        ({"format": "xls"}, "the formats are facts, tsv, csv, .*; got 'xls'"),
        ({"columns": "triples", "subject": "a"}, "not both"),
    ):
        with pytest.raises(InputError, match=said):
            read_table(tmp_path / "x.csv", **given_)
