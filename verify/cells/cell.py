"""Cells: one construction at one size, and how it is to be verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from constructions.catalogue import construction
from constructions.entry import Construction
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from verify.queries.answers import Logits

FactKind = Literal["total", "partial"]
DType = Literal["auto", "float32", "float64", "float16", "bfloat16"]
By = Literal["auto", "proof", "queries", "both"]
"""What decides: see `verify.cells.decided_by`."""
BY: tuple[By, ...] = get_args(By)
FACT_KINDS: tuple[FactKind, ...] = get_args(FactKind)
DTYPES: tuple[DType, ...] = get_args(DType)
MISSING_SHARE = 0.25
FORM_NAMES = (
    "basis",
    "wide",
    "noise",
    "standard",
    "tied",
    "rmsnorm pre",
    "rmsnorm post",
    "layernorm pre",
    "layernorm post",
)
"""The names of `verify.queries.forms.FORMS`, which imports torch, as help does not."""


@dataclass(frozen=True)
class Cell:
    """What is to be verified.

    Attributes:
        construction: name in the catalogue, or where a user's own is: `path/file.py:name`.
        entities, relations, hops: N, R, k.
        facts: `total`, the tables of the theorem, `partial`, functions with a quarter of the facts
            missing, or `given`, a table from elsewhere.
        options: the construction's options that are not left to their defaults, (name, value).
        seed: of the random table.
        dtype: of the module; `auto` is float32, or float64 where float32 does not hold the
            construction exactly, does not certify its form, or leaves a query of it undecided.
        logits: how answers are decided, see `verify.queries.recall`.
        form: another form that the construction is put in, see `verify.queries.forms`; "" for
            itself.
        given: the construction itself, where it was handed over and no name leads to it.
    """

    construction: str
    entities: int
    relations: int
    hops: int = 1
    facts: FactKind | Literal["given"] = "total"
    options: tuple[tuple[str, int], ...] = ()
    seed: int = 0
    dtype: DType = "auto"
    logits: Logits = "auto"
    form: str = ""
    given: Construction | None = field(default=None, compare=False, repr=False)

    @property
    def entry(self) -> Construction:
        """The construction: a row of the catalogue, or a user's own."""
        return self.given or construction(self.construction)

    def n_queries(self) -> int:
        """N R^k: a Python integer; 2^63 where it is not less."""
        most = 2**63
        if self.relations > 1 and self.hops > 63:
            return most
        return min(most, self.entities * (self.relations**self.hops if self.relations > 1 else 1))

    def table(self) -> FactTable:
        """The random fact table of the cell.

        Raises:
            InputError: the construction takes no table of this kind, or the table is given.
        """
        if self.facts == "given":
            raise InputError("the facts of this cell are given, and no table is made for it")
        if self.facts == "total":
            return self.entry.random_facts(self.entities, self.relations, self.seed)
        return self.entry.random_partial_facts(
            self.entities, self.relations, self.seed, MISSING_SHARE
        )
