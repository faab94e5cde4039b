"""What a person says of a file that is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from constructions.facts.conflicts import MANY
from constructions.guards.errors import InputError
from constructions.importing.columns import COLUMNS

NAMES = ("error", "trim", "drop")
"""What is done with names that no fact file can hold: they are defects; white space at their ends
is cut off; facts with such a name are left out.
"""


@dataclass(frozen=True)
class Asked:
    """What was said of a file, and what is to be done with its facts: see `read_table`.

    Raises:
        InputError: one of them has a value that it cannot have.
    """

    format: str | None = None
    columns: str | None = None
    subject: str | None = None
    many: str = "error"
    names: str = "error"
    inverse: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("columns", self.columns, (None, *COLUMNS)),
            ("many", self.many, MANY),
            ("names", self.names, NAMES),
        ):
            if value not in known:
                shown = " or ".join(map(repr, filter(None, known)))
                raise InputError(f"{name} must be {shown}; got {value!r}")
        if self.columns == "triples" and self.subject is not None:
            raise InputError(
                f"triples have their subject in a column of their own: give --columns triples or"
                f" --subject {self.subject}, not both"
            )
