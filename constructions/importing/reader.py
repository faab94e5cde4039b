"""What every reader of a format has: the facts by number as they are read, the place of each, and
the defects.
"""

from __future__ import annotations

from array import array

from constructions.facts.defects import Defects
from constructions.facts.file_text import decodable_lines, no_utf8, packed
from constructions.guards.errors import FactFileError
from constructions.guards.wording import printable

PARTS = ("subject", "relation", "object")


class Reader:
    """Reads one file.

    Attributes:
        name: of the file, as messages have it.
        defects: all that is wrong with it.
        entities: the number of each name that is subject or object, in the order of appearance.
        relations: the number of each relation.
        subjects: of each fact that was read, and so `targets`, and `relation_ids`.
        records: of each fact, where it was read: a line, or the number of a record.
        fields: of each fact, in which field of the record its object stands.
        missing: how many empty values there are.
        repeats: how many facts stood there again, and were not taken.
        said: what the file was taken for, in words.
    """

    def __init__(self, name: str) -> None:
        self.name = printable(name)
        self.defects = Defects()
        self.entities: dict[str, int] = {}
        self.relations: dict[str, int] = {}
        self.subjects, self.relation_ids, self.targets = array("q"), array("q"), array("q")
        self.records, self.fields = array("q"), array("q")
        self.missing = self.repeats = 0
        self.said = ""

    def read(self) -> None:
        """Take all facts of the file, and note its defects."""
        raise NotImplementedError

    def add(self, subject: str, relation: str, target: str, record: int, field: int) -> None:
        """Take a fact."""
        entities = self.entities
        self.subjects.append(entities.setdefault(subject, len(entities)))
        self.relation_ids.append(self.relations.setdefault(relation, len(self.relations)))
        self.targets.append(entities.setdefault(target, len(entities)))
        self.records.append(record)
        self.fields.append(field)

    def place(self, record: int, field: int, part: int) -> str:
        """Where subject (0), relation (1) or object (2) of a fact stands, for a message."""
        raise NotImplementedError

    def note(self, record: int, field: int, found: str, action: str, part: int = 2) -> None:
        """Note a defect: in which record and field it is, what was found, what to do."""
        self.defects.note(
            (record, field), lambda: f"{self.place(record, field, part)}: {found}; {action}"
        )

    def refuse(self, found: str, action: str, where: str = "") -> FactFileError:
        """The error of a file that cannot be read any further."""
        return FactFileError([f"{self.name}{where}: {found}; {action}"])

    def text_of(self, raw: bytes) -> str:
        """The text of a file in UTF-8, without its byte order mark.

        Raises:
            FactFileError: it is none.
        """
        if what := packed(raw):
            raise FactFileError([f"{self.name}: the file is {what}"])
        if found := no_utf8(raw):
            raise self.refuse(found, "save the file as UTF-8", ":1:1")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            for number, line, column, found in decodable_lines(raw):
                if line is None:
                    message = f"{self.name}:{number}:{column}: {found}; save the file as UTF-8"
                    self.defects.note((number, column), message)
            self.defects.require_none()
            raise
