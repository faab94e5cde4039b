"""Rows that another format wrote are refused, wherever they stand; what is like them and is meant,
is not.
"""

import re

import pytest
from bad_tables import FOREIGN, SOUND
from hypothesis import example, given
from hypothesis import strategies as st
from random_fact_files import triples

from constructions import FactFileError, FactTable
from constructions.facts.fact_reader import LITERAL
from constructions.facts.foreign_rows import _TITLES

FACTS = ["Alice\tmother\tBeth", "Beth\tsister\tCarla", "Rome\ttype\tcity"]
TITLES = [column.split() for column in _TITLES]


def read(tmp_path_factory, lines, end="\n"):
    path = tmp_path_factory.getbasetemp() / "foreign.tsv"
    path.write_bytes(end.join([*lines, ""]).encode())
    return FactTable.from_tsv(path)


def refused_lines(tmp_path_factory, lines, end="\n"):
    """The numbers of the lines that are refused."""
    with pytest.raises(FactFileError) as caught:
        read(tmp_path_factory, lines, end)
    assert all(LITERAL in defect for defect in caught.value.defects)
    return {int(re.match(r".*?\.tsv:(\d+):\d+: ", defect)[1]) for defect in caught.value.defects}


def among(lines, line, at):
    """The lines with one more, and its number."""
    at %= len(lines) + 1
    return [*lines[:at], line, *lines[at:]], at + 1


@st.composite
def title_rows(draw):
    """Column titles as tools and people write them."""
    titles = [draw(st.sampled_from(column)) for column in TITLES]
    suffix = draw(st.sampled_from(["", "_id", " name", ".uri", "Label", "_Entity", "-node-id"]))
    case = draw(st.sampled_from([str, str.upper, str.title]))
    mark = draw(st.sampled_from(["", "?", ":", "@", "$", '"']))
    end = mark if mark == '"' else ""
    return "\t".join(mark + case(title + suffix) + end for title in draw(st.permutations(titles)))


@given(titles=title_rows(), at=st.integers(0, 3), end=st.sampled_from(["\n", "\r\n"]))
@example(titles="?s\t?p\t?o", at=0, end="\n")
@example(titles="?person\t?p\t?place", at=2, end="\n")
@example(titles="head\trelation\ttail", at=3, end="\n")
def test_column_titles_are_refused_wherever_they_stand(titles, at, end, tmp_path_factory):
    lines, number = among(FACTS, titles, at)
    assert refused_lines(tmp_path_factory, lines, end) == {number}


@given(
    titles=title_rows(),
    column=st.integers(0, 2),
    name=st.sampled_from(["Alice", "nose", "head of state", "42"]),
)
def test_a_row_with_two_titles_is_a_fact(titles, column, name, tmp_path_factory):
    fields = titles.replace('"', "").replace("?", "").split("\t")
    fields[column] = name
    found = read(tmp_path_factory, [*FACTS, "\t".join(fields)])
    assert tuple(fields) in triples(found)


@pytest.mark.parametrize("letters", ["s\tp\to", "S\tP\tO", "h\tr\tt", "s\tr\to"])
def test_single_letters_are_titles_only_of_a_relation_without_other_facts(
    letters, tmp_path_factory
):
    assert refused_lines(tmp_path_factory, [letters, *FACTS]) == {1}
    relation = letters.split("\t")[1]
    assert read(tmp_path_factory, [letters, f"x\t{relation}\ty"]).n_facts == 2


iris = st.sampled_from(["<a>", "<http://example.org/b#c>", "<urn:x:%C3%A9>"])
curies = st.sampled_from(["ex:a", ":b", "wd:Q42", "owl:sameAs"])
literals = st.sampled_from(
    ['"Oslo"', '"Oslo"@no', '"5"^^<http://www.w3.org/2001/XMLSchema#int>', '"a \\"b\\" c"']
)


@st.composite
def rdf_rows(draw):
    """A statement of N-Triples, N-Quads or Turtle with TABs inside, and the mark that ends it."""
    relation = draw(iris | curies | st.just("a"))
    subject, target = (
        draw(iris | curies | st.just("_:x1")),
        draw(iris | curies | st.just("_:x2") | literals),
    )
    space = "" if relation[0] == target[0] == "<" and draw(st.booleans()) else " "
    graph = draw(st.sampled_from(["", "", " <http://example.org/g>"]))
    return f"{subject}\t{relation}\t{target}{graph}", space + draw(
        st.sampled_from([".", ";", ","])
    )


@given(row=rdf_rows(), at=st.integers(0, 3))
@example(row=("<a>\t<p>\t<b>", " ."), at=0)
@example(row=("<a>\t<p>\t<b>", "."), at=1)
@example(row=('<a>\t<p>\t"x"@en', "."), at=2)
def test_a_line_of_rdf_is_refused_for_the_mark_that_ends_it(row, at, tmp_path_factory):
    statement, mark = row
    lines, number = among(FACTS, statement + mark, at)
    assert refused_lines(tmp_path_factory, lines) == {number}
    assert read(tmp_path_factory, among(FACTS, statement, at)[0]).n_facts == 4


def test_a_dot_that_ends_every_object_is_no_part_of_a_name(tmp_path_factory):
    lines = [f"{line} ." for line in FACTS]
    assert refused_lines(tmp_path_factory, lines) == {1, 2, 3}
    assert read(tmp_path_factory, [*lines, "Alice\tsaid\tno"]).n_facts == 4


@given(facts=st.permutations(FACTS), quote=st.sampled_from(['"', "'"]), at=st.integers(0, 2))
def test_rows_in_quotes_are_refused(facts, quote, at, tmp_path_factory):
    facts[at] = "\t".join(f"{quote}{field}{quote}" for field in facts[at].split("\t"))
    assert at + 1 in refused_lines(tmp_path_factory, facts)


UNSEEN = ["\u200b", "\u00ad", "\u200e", "\u2060", "\u202c", "\u200d"]


@given(
    name=st.sampled_from(["New York", "Zürich am See", "a b"]),
    change=st.sampled_from(["same", *UNSEEN, "\u00a0", "  ", "\u3000", "quotes"]),
    shape=st.sampled_from(
        ["{}\tr\tx\n{}\tq\tx", "{}\tr\tx\nx\tr\t{}", "x\t{}\tx\ny\t{}\ty", "x\t{}\t{}"]
    ),
)
def test_names_that_only_look_alike_are_reported_apart(name, change, shape, tmp_path_factory):
    inside = name[:-1] + change + name[-1] if change in UNSEEN else name.replace(" ", change)
    other = {"same": name, "quotes": f'"{name}"'}.get(change, inside)
    lines = shape.format(name, other).split("\n")
    if name != other and len(lines) > 1:  # an entity and a relation never stand for one another
        assert refused_lines(tmp_path_factory, lines) == {2}
    else:
        assert read(tmp_path_factory, lines).n_facts == len(lines)


# -------------------------------------------------------------------- cases by name


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_table_gets_its_message_and_is_read_where_it_is_meant(name, tmp_path):
    content, expected = FOREIGN[name]
    path = tmp_path / "facts.tsv"
    path.write_bytes(content)
    with pytest.raises(FactFileError) as caught:
        FactTable.from_tsv(path)
    pattern = re.escape(f"{path}:{expected}").replace(re.escape("..."), ".*")
    assert any(re.match(pattern, message) for message in caught.value.defects), str(caught.value)
    assert all(LITERAL in message for message in caught.value.defects), str(caught.value)
    path.write_bytes(f"{LITERAL}\n".encode() + content)
    facts = FactTable.from_tsv(path)
    lines = {tuple(line.split("\t")) for line in content.decode().splitlines()}
    assert triples(facts) == lines
    facts.to_tsv(path)
    assert path.read_text(encoding="utf-8").startswith(f"{LITERAL}\n")
    assert triples(FactTable.from_tsv(path)) == lines


@pytest.mark.parametrize("name", SOUND)
def test_a_table_that_means_what_it_says_is_read(name, tmp_path):
    path = tmp_path / "facts.tsv"
    path.write_text(SOUND[name], encoding="utf-8", newline="")
    facts = FactTable.from_tsv(path)
    assert triples(facts) == {tuple(line.split("\t")) for line in SOUND[name].splitlines()}
    facts.to_tsv(path)
    assert not path.read_text(encoding="utf-8").startswith("#")
