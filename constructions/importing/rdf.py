"""N-Triples and Turtle, by pyoxigraph: each triple is a fact.

A name is the text of a term: an IRI without its brackets, a literal without quotes, language and
datatype, spelled as in the file (`"0051"^^xsd:integer` is `0051`), a blank node with its `_:`.
Terms of the same text are one name; how many names stand for several terms is counted.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from constructions.guards.errors import InputError
from constructions.guards.extras import installing
from constructions.guards.wording import counted
from constructions.importing.asked import Asked
from constructions.importing.reader import PARTS, Reader

_LINE_END = re.compile(r"\r\n|\n|\r")
_BLANK_LABEL = re.compile(r"_:([^\s<>\"'(),;\[\]{}]+)")
_POSITION = re.compile(r"^Parser error.*?: ")
_ACTION = "write it as the standard has it"


class Rdf(Reader):
    """Reads a file of triples of RDF."""

    def __init__(self, name: str, raw: bytes, asked: Asked, turtle: bool) -> None:
        super().__init__(name)
        if asked.columns == "table" or asked.subject is not None:
            raise InputError(
                f"{self.name}: RDF has triples and no columns: leave out what names them"
            )
        try:
            import pyoxigraph
        except ImportError:
            raise InputError(
                f"{self.name}: RDF is read by pyoxigraph, which is not installed:"
                f" {installing('rdf')}"
            ) from None
        self.library, self.turtle = pyoxigraph, turtle
        self.text = self.text_of(raw)
        self.title = "Turtle" if turtle else "N-Triples"
        self.anonymous: dict[str, str] = {}
        self.statements = 0

    def read(self) -> None:
        """Take all facts."""
        known: dict[Any, str] = {}
        try:
            for number, triple in enumerate(self.parsed(self.text), start=1):
                names = []
                for term in (triple.subject, triple.predicate, triple.object):
                    name = known.get(term)
                    if name is None:
                        name = known[term] = self.name_of(term)
                    names.append(name)
                self.statements = number
                if isinstance(triple.object, self.library.Triple):
                    self.note(number, 2, "a triple as the object", "leave it out")
                else:
                    self.add(names[0], names[1], names[2], number, 2)
        except SyntaxError as error:
            self.note_syntax(error)
        if not self.statements and not len(self.defects):
            raise self.refuse("no facts: no triple", "write at least one")
        several = len(known) - len(set(known.values()))
        folded = (
            f"; {counted(several, 'term')} named as another is, of another language or datatype"
            if several
            else ""
        )
        self.said = f"{self.title}, {counted(self.statements, 'triple')}{folded}"

    def parsed(self, text: str) -> Any:
        """The triples of a text, one after another."""
        formats = self.library.RdfFormat
        kind = formats.TURTLE if self.turtle else formats.N_TRIPLES
        return self.library.parse(text, kind)

    def name_of(self, term: Any) -> str:
        """The name that a term is."""
        if isinstance(term, self.library.BlankNode):
            return self.blank(term.value)
        if isinstance(term, self.library.Triple):
            return ""
        return str(term.value)

    # ---------------------------------------------------------------- blank nodes

    @cached_property
    def labels(self) -> set[str]:
        """The labels of blank nodes in the file, and more that look like one."""
        found = _BLANK_LABEL.findall(self.text)
        return {label.rstrip(".") for label in found}

    def blank(self, label: str) -> str:
        """The name of a blank node: with its label, or where it has none, as `[]` in Turtle, with
        a number, in the order of the file.
        """
        if not self.turtle or label in self.labels:
            return f"_:{label}"
        number = len(self.anonymous) + 1
        while f"node{number}" in self.labels:
            number += 1
        self.labels.add(f"node{number}")
        return self.anonymous.setdefault(label, f"_:node{number}")

    # ---------------------------------------------------------------- places

    def note_syntax(self, error: SyntaxError) -> None:
        """Note what the parser does not take: of N-Triples every line, of Turtle the first."""
        if self.turtle:
            self.syntax(error, error.lineno or 1, error.offset or 1)
            return
        for number, line in enumerate(_LINE_END.split(self.text), start=1):
            try:
                for _ in self.parsed(line):
                    pass
            except SyntaxError as found:
                self.syntax(found, number, found.offset or 1)

    def syntax(self, error: SyntaxError, line: int, column: int) -> None:
        """Note what was found there."""
        what = _POSITION.sub("", str(error.msg))
        message = f"{self.name}:{line}:{column}: {what[0].lower()}{what[1:]}; {_ACTION}"
        self.defects.note((line, column), message)

    @cached_property
    def lines(self) -> list[int]:
        """The line of each triple of N-Triples."""
        ends = enumerate(_LINE_END.split(self.text), start=1)
        return [n for n, line in ends if line.strip() and not line.lstrip().startswith("#")]

    def place(self, record: int, field: int, part: int) -> str:
        """The line of a triple, or in Turtle its number, and its part."""
        if self.turtle:
            return f"{self.name}: triple {record}, {PARTS[part]}"
        return f"{self.name}:{self.lines[record - 1]}: {PARTS[part]}"
