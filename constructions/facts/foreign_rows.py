r"""Rows and names of a fact file that another format wrote, and that would be mangled as facts.

Column titles, lines of RDF with the dot that ends them, quotes and `\N` of database exports, names
that only look alike. What is found is refused, unless the first line of the file is `#literal`:
see docs/fact-files.md, which states the same rules in words.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice

from constructions.facts.triples import Row

RowsOf = Callable[[set[str]], Iterable[Row]]
RowFinding = tuple[Row, int, str, str]
"""A row, the field (0 to 2) that gives it away, what was found, what to do."""
NameFinding = tuple[str, str | None, str, str]
"""A name, the name that it is mistaken for if there is one, what was found, what to do."""

_TITLES = (
    (
        "subject subj subjekt sujet sujeto soggetto head source src from start item lhs entity"
        " entity1"
    ),
    (
        "predicate pred prädikat prédicat predicado predicato relation rel relación relazione "
        "relationship property prop edge metaedge link interaction attribute verb type label"
    ),
    (
        "object obj objekt objet objeto oggetto tail target tgt to end destination dest dst rhs "
        "entity2 node2 arg2 value val answer"
    ),
)
"""Titles of the columns of subjects, relations and objects, in small letters."""
_ROLES = {title: column for column, titles in enumerate(_TITLES) for title in titles.split()}
_LETTERS = {("s", "p", "o"), ("s", "r", "o"), ("h", "r", "t")}
_SUFFIX = re.compile(r"(?:entity|node|name|label|type|id|uri|iri)$")
_VARIABLE = re.compile(r"[?$]\w+")
_RULER = re.compile(r"[-=+:_]{2,}")
_RDF_RELATION = re.compile(r"<[^<>]*>|[\w.-]*:[\w./#-]*|a")
_TERMINATED = re.compile(r"""(?:.*\s|<.*>|".*"(?:@[A-Za-z-]+)?|_:\S+)[.;,]""")
_QUOTED = re.compile(r"""".+"|'.+'""")
_CSV_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_PLAIN_NAME = re.compile(r"(?![\\\"])[!-%'-~]+(?: [!-%'-~]+)*")
_ENDED = re.compile(r".+( \.|,|;)")
_LISTED = re.compile(r"([-*+>|\u2022] ).+")
_BRACKETED = re.compile(r"([(\[{])[^)\]}]*\t([^(\[{]*[)\]}])")
_ALIKE = "differ only in spaces, quotes around them, or characters that cannot be seen"
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


def foreign_rows(relations: Collection[str], rows: RowsOf) -> Iterator[RowFinding]:
    """Rows that are certainly no facts: titles, rulers, lines of RDF, lines in quotes.

    Args:
        relations: the names of all relations.
        rows: gives the rows of some relations, in the order of the file.
    """
    titles = {name for name in relations if _role(name) is not None or _VARIABLE.fullmatch(name)}
    for row in rows(titles) if titles else ():
        roles = [_role(name) for name in row]
        if all(map(_VARIABLE.fullmatch, row)) or roles == [0, 1, 2]:
            yield row, 0, f"the column titles {_shown(row)}, not a fact", "delete the line"
        elif {0, 1, 2} == set(roles):
            order = "put the columns into the order subject, relation, object, and delete the line"
            yield row, 0, f"column titles in another order: {_shown(row)}", order
    for relation in {"p", "r", "P", "R"} & set(relations):
        held = list(islice(rows({relation}), 2))
        if len(held) == 1 and tuple(map(str.lower, held[0])) in _LETTERS:
            what = f"the column titles {_shown(held[0])}: the relation has no other fact"
            yield held[0], 0, what, "delete the line"
    rulers = {name for name in relations if _RULER.fullmatch(name)}
    for row in rows(rulers) if rulers else ():
        if all(map(_RULER.fullmatch, row)):
            yield row, 0, "a ruled line, not a fact", "delete the line"
    quoted = {name for name in relations if _QUOTED.fullmatch(name)}
    for row in rows(quoted) if quoted else ():
        if all(map(_QUOTED.fullmatch, row)):
            what = "all three fields are in quotes, which would be part of the names"
            yield row, 0, what, "export the table without quotes"
    yield from _rdf_rows(relations, rows)
    yield from _marked_rows(relations, rows)


def title_order(fields: Sequence[str]) -> tuple[int, int, int] | None:
    """The places of the titles of subject, relation and object among three column titles; None if
    they are no such titles.
    """
    roles = [_role(name) for name in fields]
    if len(fields) == 3 and set(roles) == {0, 1, 2}:
        return roles.index(0), roles.index(1), roles.index(2)
    return (0, 1, 2) if tuple(map(str.lower, fields)) in _LETTERS else None


def _rdf_rows(relations: Collection[str], rows: RowsOf) -> Iterator[RowFinding]:
    """Lines of RDF: directives, and statements with the mark that ends them."""
    action = "write names alone, without the mark that ends a statement"
    rdf = {name for name in relations if _RDF_RELATION.fullmatch(name)}
    for row in rows(rdf) if rdf else ():
        if row[0].lower() in ("@prefix", "prefix") and row[1].endswith(":"):
            yield row, 0, f"the RDF directive {row[0]!r}, not a fact", "delete the line"
        elif _TERMINATED.fullmatch(row[2]):
            found = f"{row[2][-1]!r} at the end of the object {row[2]!r}"
            yield row, 2, f"a line of RDF (N-Triples, Turtle): {found}", action


def _marked_rows(relations: Collection[str], rows: RowsOf) -> Iterator[RowFinding]:
    """All rows, if each has the same mark, which is no part of its names."""

    def everywhere(marks: Iterable[str | None]) -> bool:
        """Whether there is a mark, and all are the same."""
        first = next(marks := iter(marks), None)
        return first is not None and all(mark == first for mark in marks)

    def mark(pattern: re.Pattern[str], text: str) -> str | None:
        """The mark that the pattern finds in the whole text; None if it does not fit."""
        found = pattern.fullmatch(text)
        return found and found[1]

    everything = set(relations)
    if everywhere(mark(_ENDED, target) for _, _, target in rows(everything)):
        for row in rows(everything):
            if _RDF_RELATION.fullmatch(row[1]) and _TERMINATED.fullmatch(row[2]):
                continue  # which is a finding of its own
            found = f"every object ends with {mark(_ENDED, row[2])!r}, here {row[2]!r}"
            yield row, 2, found, "write names alone, without the mark"
    if everywhere(mark(_LISTED, subject) for subject, _, _ in rows(everything)):
        for row in rows(everything):
            found = f"every subject starts with {mark(_LISTED, row[0])!r}, here {row[0]!r}"
            yield row, 0, found, "write names alone, without the mark"
    if everywhere(mark(_BRACKETED, f"{row[0]}\t{row[2]}") for row in rows(everything)):
        for row in rows(everything):
            found = f"every line is in brackets, here from {row[0]!r} to {row[2]!r}"
            yield row, 0, found, "write names alone, without the brackets"


def foreign_names(names: Collection[str]) -> Iterator[NameFinding]:
    """Names that are certainly none, and pairs of names that are most likely one.

    Args:
        names: the names of all entities, or of all relations, in the order of the file.
    """
    first: dict[str, str] = {}
    for name in names:
        if _PLAIN_NAME.fullmatch(name):
            continue
        bare = _bare(name)
        if name == r"\N":
            found = r"the name is '\N', by which databases say that there is none"
            yield name, None, found, "delete the line"
        elif "\ufffd" in name:
            found = f"U+FFFD in {name!r}, which stands for characters that a conversion has lost"
            yield name, None, found, "convert the table again: two names may have become one"
        elif not bare:
            yield name, None, f"nothing in the name {name!a} can be seen", "delete the line"
        elif _CSV_QUOTED.fullmatch(name) and ('"' in name[1:-1] or len(name) == 2):
            found = f"{name!r} is quoted as in a CSV file"
            yield name, None, found, "export the table without quotes"
        else:
            other = bare if bare != name and bare in names else first.setdefault(bare, name)
            if unicodedata.normalize("NFC", other) != unicodedata.normalize("NFC", name):
                yield name, other, _ALIKE, "spell the name alike"
            for how, reading in _READINGS.items():
                if (other := reading(name)) != name and other in names:
                    yield name, other, how, "spell the name alike"


def _recoded(name: str) -> str:
    """What is in UTF-8 the bytes that the name is in Windows-1252; the name itself if there is
    nothing.
    """
    try:
        return name.encode("cp1252").decode()
    except UnicodeError:
        return name


_READINGS = {
    "are one name, of which HTML has escaped characters": html.unescape,
    "are one name, which was read as Windows-1252 although it was UTF-8": _recoded,
}


def _shown(row: Row) -> str:
    """A row in a message."""
    return ", ".join(map(repr, row))


def _bare(name: str) -> str:
    """The name as it is seen: no quotes around it, nothing invisible, plain spaces alone."""
    seen = " ".join(_INVISIBLE.sub("", name).split())
    if len(seen) > 2 and seen[0] == seen[-1] == '"':
        seen = seen[1:-1].strip()
    return unicodedata.normalize("NFC", seen)


def _role(name: str) -> int | None:
    """The column, 0 to 2, that has such a title; None if it is no title."""
    if len(name) > 40:
        return None
    word = re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).lower())
    while word not in _ROLES and _SUFFIX.search(word):
        word = _SUFFIX.sub("", word)
    return _ROLES.get(word)
