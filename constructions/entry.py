"""What the catalogue says of a construction, and how one is built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers
from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols


@dataclass(frozen=True)
class Option:
    """An integer argument of a builder beside the facts and the hops.

    Attributes:
        name: of the builder's argument.
        symbol: in the size formulas.
        help: what it is, in one line.
        default: (relations, hops) to the value where none is given.
        choices: (relations, hops) to all values that are worth comparing.
    """

    name: str
    symbol: str
    help: str
    default: Callable[[int, int], int]
    choices: Callable[[int, int], Iterable[int]]


@dataclass(frozen=True)
class Construction:
    """One way to write facts into a transformer.

    Attributes:
        name: as it is typed on the command line.
        theorem: where it stands: a theorem of the paper, or the theorem it extends.
        claim: what is verified, in one line.
        builder: the file X in `constructions/theorems/` and its builder, `X.name`. The same X is
            the page in docs/theorems/ with statement and proof, and the test in tests/theorems/.
        sizing: all its sizes, as a function of the symbols of `Symbols`: of numbers it gives
            numbers, of sympy's symbols (`bounds.symbols`) expressions.
        random_facts: the tables it is verified on: (entities, relations, seed) to total facts.
        random_partial_facts: the same with facts missing: (entities, relations, seed, missing) to
            facts; None if it does not take such tables.
        needs: a condition on the facts beside being a table; empty for none.
        multi_hop: whether the builder takes the number of hops; if not, it answers one.
        fixed: arguments of the builder that make this variant of it.
        options: further arguments.
        n_specials: how many special tokens it has.
    """

    name: str
    theorem: str
    claim: str
    builder: str
    sizing: Callable[[Symbols], Sizing]
    random_facts: Callable[[int, int, int], FactTable]
    random_partial_facts: Callable[[int, int, int, float], FactTable] | None
    needs: str = ""
    multi_hop: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    n_specials: int = 1

    @property
    def takes_bijections(self) -> bool:
        """Whether its theorem is about bijections, or about tables among which they are."""
        return self.random_facts == FactTable.random_bijections

    @property
    def takes_disjoint_answers(self) -> bool:
        """Whether its theorem is about relations with answer sets of their own."""
        return self.random_facts == FactTable.random_disjoint

    @property
    def file(self) -> str:
        """The stem of the file in `constructions/theorems/`, of the page and of the test."""
        return self.builder.partition(".")[0]

    @property
    def builder_name(self) -> str:
        """The builder's own name: the construction's, or that of which it is a variant."""
        return self.builder.partition(".")[2]

    def constructor(self) -> Callable[..., Any]:
        """The builder itself; importing it imports torch."""
        module = import_module(f"constructions.theorems.{self.file}")
        build: Callable[..., Any] = getattr(module, self.builder_name)
        return build

    @takes_integers
    def settings(
        self, relations: int, hops: int, given: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """All options by name, the given ones and the defaults of the others.

        Raises:
            InputError: an option that this construction does not have, or more hops than it
                answers.
        """
        if not self.multi_hop and hops != 1:
            raise InputError(f"{self.name} answers one hop; got {hops}")
        names = [option.name for option in self.options]
        for name in given or {}:
            if name not in names:
                raise InputError(
                    f"{self.name} has no option {name!r}; it has {', '.join(names) or 'none'}"
                )
        return {option.name: option.default(relations, hops) for option in self.options} | dict(
            given or {}
        )

    @takes_integers
    def build(
        self,
        facts: FactTable,
        hops: int = 1,
        given: Mapping[str, int] | None = None,
        **others: Any,
    ) -> Any:
        """Call the builder for paths of `hops` relations, with the options given and further
        arguments such as dtype.

        Raises:
            InputError: what the builder raises, or see `settings`.
        """
        settings = self.settings(facts.n_relations, hops, given)
        positional: tuple[Any, ...] = ()
        if self.multi_hop:
            positional = (settings.pop("max_hops", hops),)
        return self.constructor()(facts, *positional, **self.fixed, **settings, **others)
