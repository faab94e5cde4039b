"""What the catalogue says of a construction, and how one is built from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from constructions.facts.random_answers import thinned
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers
from constructions.guards.user_code import in_his_code, ours_to_report
from constructions.guards.wording import represented
from constructions.option import RESERVED, Option
from constructions.sizes.sizing import Sizing
from constructions.sizes.symbols import Symbols

Tables = Callable[[int, int, int], FactTable]
"""Makes a random table: (entities, relations, seed) to total facts."""

TABLES: dict[str, Tables] = {
    "bijections": FactTable.random_bijections,
    "functions": FactTable.random_functions,
    "disjoint": FactTable.random_disjoint,
    "sparse": FactTable.random_sparse,
}
"""The kinds of random tables that have a name; `disjoint`: relations with answer sets of their
own; `sparse`: facts of few relations for each subject.
"""


KINDS: dict[str, type] = {
    **dict.fromkeys(("name", "theorem", "claim", "needs"), str),
    **dict.fromkeys(("missing", "multi_hop", "stored_only"), bool),
    "fixed": Mapping,
    "options": Sequence,
}
"""Of which type attributes of a `Construction` are."""


def hops_and_subject(hops: int, options: Mapping[str, int]) -> int:
    """The positions of a model that answers at once: the subject, and a relation for each hop."""
    return hops + 1


def never(facts: FactTable, lengths: Sequence[int]) -> str:
    """A construction that is suggested for no table."""
    return ""


@dataclass(frozen=True)
class Construction:
    """One way to write facts into a transformer. Of a user's own all but the builder may be left
    out.

    Attributes:
        builder: makes the model of facts: a function, decorated with `recorded`. In the catalogue
            the file X in `constructions/theorems/` and its builder, `X.name`; the same X is the
            page in docs/theorems/ with statement and proof, and the test in tests/theorems/.
        sizing: all its sizes, as a function of the symbols of `Symbols`: of numbers it gives
            numbers, of sympy's symbols (`bounds.symbols`) expressions. None: sizes are counted,
            and compared with nothing.
        name: as it is typed on the command line; by default the builder's.
        theorem: where it stands: a theorem of the paper, or the theorem it extends; by default
            `own`.
        claim: what is verified, in one line; by default the first of the builder's docstring.
        tables: the tables it is verified on: a key of `TABLES`, or a function like those.
        missing: whether it takes such tables with facts missing.
        stored_only: whether its models claim the answers to those queries alone that meet no
            missing fact (`FactModel.stored_only`).
        needs: a condition on the facts beside being a table; empty for none.
        multi_hop: whether the builder takes the number of hops; if not, it answers one.
        fixed: arguments of the builder that make this variant of it.
        options: further arguments.
        n_specials: how many special tokens it has.
        positions: (hops, options by name) to the positions of its model.
        suits: (facts, lengths of paths) to why it is the one to take for these, in words; empty if
            it is not.
        largest_in_grid: the most entities with which the default grid builds it.
        near_bounds: sizes (entities, relations, hops) at which it is near a lower bound, or below
            that for models that write no tokens: further cells of the default grid.

    Raises:
        InputError: an attribute of another kind.
    """

    builder: str | Callable[..., Any]
    sizing: Callable[[Symbols], Sizing] | None = None
    name: str = ""
    theorem: str = ""
    claim: str = ""
    tables: str | Tables = "bijections"
    missing: bool = True
    stored_only: bool = False
    needs: str = ""
    multi_hop: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    n_specials: int = 1
    positions: Callable[[int, Mapping[str, int]], int] = hops_and_subject
    suits: Callable[[FactTable, Sequence[int]], str] = never
    largest_in_grid: int = 4096
    near_bounds: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        for word, make in TABLES.items():
            if self.tables == make:
                object.__setattr__(self, "tables", word)
        if not isinstance(self.builder, str):
            self._check()
            docstring = (inspect.getdoc(self.builder) or "").strip()
            self._default("theorem", "own")
            self._default("claim", " ".join(docstring.split("\n\n")[0].split()).rstrip("."))
        self._default("name", self.builder_name)

    def _default(self, name: str, value: str) -> None:
        """Give an attribute that was left out its value."""
        object.__setattr__(self, name, getattr(self, name) or value)

    def _check(self) -> None:
        """Raise InputError where a user has given an attribute that is none."""
        if not callable(self.builder):
            raise InputError(
                "builder must be a function that takes facts and is decorated with `recorded`;"
                f" got {represented(self.builder)}"
            )
        for attribute, kind in KINDS.items():
            if not isinstance(getattr(self, attribute), kind):
                raise InputError(
                    f"{attribute} must be a {kind.__name__.lower()}; got"
                    f" {represented(getattr(self, attribute))}"
                )
        name = self.name or getattr(self.builder, "__name__", "")
        if not name.isidentifier():
            raise InputError(f"a construction needs a name of letters and digits; got {name!r}")
        if self.sizing is not None and not callable(self.sizing):
            raise InputError(
                f"{name}: sizing must be a function of the symbols of size formulas; got"
                f" {represented(self.sizing)}"
            )
        if not callable(self.tables) and self.tables not in list(TABLES):
            raise InputError(
                f"{name}: tables must be one of {', '.join(TABLES)}, or a function of entities,"
                f" relations and a seed; got {represented(self.tables)}"
            )
        if not all(isinstance(option, Option) for option in self.options):
            raise InputError(f"{name}: options must be Options; got {represented(self.options)}")
        for option in self.options:
            if option.symbol in RESERVED:
                raise InputError(
                    f"{name}: the option {option.name!r} has the symbol {option.symbol!r}, and"
                    f" {', '.join(RESERVED)} are those of all size formulas; give it another"
                )

    @property
    def longest_path(self) -> Option | None:
        """The option that is the length of the longest path; None for a construction whose models
        answer paths of one length, and write no tokens on the way.
        """
        return next((option for option in self.options if option.longest_path), None)

    @property
    def takes_bijections(self) -> bool:
        """Whether its theorem is about bijections, or about tables among which they are."""
        return self.tables in ("bijections", "functions")

    @property
    def takes_disjoint_answers(self) -> bool:
        """Whether its theorem is about relations with answer sets of their own."""
        return self.tables == "disjoint"

    def random_facts(self, entities: int, relations: int, seed: int) -> FactTable:
        """A random table with all facts.

        Raises:
            InputError: sizes out of range, or what the user's own function returns is no such
                table.
            UserCodeError: that function has raised an error.
        """
        if isinstance(self.tables, str):
            return TABLES[self.tables](entities, relations, seed)
        what = f"the tables of {self.name}"
        facts = self._called(self.tables, what, entities, relations, seed)
        if not isinstance(facts, FactTable):
            raise InputError(
                f"{self.name}: tables must return a FactTable; got a {type(facts).__name__}"
            )
        if (facts.n_entities, facts.n_relations) != (entities, relations):
            raise InputError(
                f"{self.name}: tables was asked for {entities:,} entities and {relations:,}"
                f" relations, and made {facts.n_entities:,} and {facts.n_relations:,}"
            )
        return facts

    def random_partial_facts(
        self, entities: int, relations: int, seed: int, missing: float
    ) -> FactTable:
        """A random table of which each fact is missing with that probability: functions in place
        of bijections.

        Raises:
            InputError: the construction takes no such tables, or as `random_facts`.
        """
        if not self.missing:
            raise InputError(
                f"{self.name} needs {self.needs or 'all facts'}; it takes no table with facts"
                " missing"
            )
        if self.takes_disjoint_answers:
            return FactTable.random_disjoint(entities, relations, seed, missing)
        if self.takes_bijections:
            return FactTable.random_functions(entities, relations, seed, missing)
        return FactTable(
            thinned(self.random_facts(entities, relations, seed).answers, seed, missing)
        )

    @property
    def file(self) -> str:
        """The stem of the file in `constructions/theorems/`, of the page and of the test; of a
        user's own construction, that of its file.
        """
        if isinstance(self.builder, str):
            return self.builder.partition(".")[0]
        code = getattr(inspect.unwrap(self.builder), "__code__", None)
        return "" if code is None else Path(code.co_filename).stem

    @property
    def builder_name(self) -> str:
        """The builder's own name: the construction's, or that of which it is a variant."""
        if isinstance(self.builder, str):
            return self.builder.partition(".")[2]
        return str(getattr(self.builder, "__name__", ""))

    def constructor(self) -> Callable[..., Any]:
        """The builder itself; importing one of the catalogue imports torch."""
        if not isinstance(self.builder, str):
            return self.builder
        module = import_module(f"constructions.theorems.{self.file}")
        build: Callable[..., Any] = getattr(module, self.builder_name)
        return build

    def sized(self, symbols: Symbols) -> Sizing:
        """What the formulas say.

        Raises:
            InputError: it has none, or they make no `Sizing`.
            UserCodeError: a user's own formulas have raised an error.
        """
        if self.sizing is None:
            raise InputError(
                f"{self.name} has no size formulas, so that nothing is known of a size at which it"
                " is not built; give its Construction a `sizing`"
            )
        found = self._called(self.sizing, f"the sizing of {self.name}", symbols)
        if not isinstance(found, Sizing):
            raise InputError(
                f"{self.name}: sizing must return a Sizing; got a {type(found).__name__}"
            )
        return found

    def _called(self, function: Callable[..., Any], what: str, *args: Any, **kwargs: Any) -> Any:
        """What a function of the construction returns; its errors, if it is a user's, in words."""
        try:
            return function(*args, **kwargs)
        except (Exception, SystemExit) as error:
            if isinstance(self.builder, str) or ours_to_report(error):
                raise
            raise in_his_code(function, what, error) from error

    @takes_integers
    def settings(
        self, relations: int, hops: int, given: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """All options by name, the given ones and the defaults of the others: where facts decide
        on them, those for tables with all facts.

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

    def settled(self, model: Any) -> dict[str, int]:
        """The options that the builder of a model has found of its facts, by name."""
        recorded = model.recipe.options
        return {option.name: recorded[option.name] for option in self.options if option.found}

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
            UserCodeError: a user's own builder has raised another error.
        """
        return self._called_for(self.constructor(), facts, hops, given, others)

    @takes_integers
    def plan(
        self,
        facts: FactTable,
        hops: int = 1,
        given: Mapping[str, int] | None = None,
        **others: Any,
    ) -> Any:
        """The plan of what `build` makes: its sizes are known, and no weight is allocated.

        Raises:
            InputError: what the builder raises, or see `settings`.
            UserCodeError: a user's own builder has raised another error.
        """
        return self._called_for(self.constructor().plan, facts, hops, given, others)  # type: ignore[attr-defined]

    def _called_for(
        self,
        builder: Callable[..., Any],
        facts: FactTable,
        hops: int,
        given: Mapping[str, int] | None,
        others: Mapping[str, Any],
    ) -> Any:
        """Call the builder, or its planning, with all its arguments."""
        found = [option.name for option in self.options if option.found]
        settings = self.settings(facts.n_relations, hops, given)
        for name in found:
            if name not in (given or {}):
                del settings[name]
        positional: tuple[Any, ...] = ()
        if self.multi_hop:
            longest = self.longest_path
            positional = (hops if longest is None else settings.pop(longest.name),)
        arguments = {**self.fixed, **settings, **others}
        what = f"the builder of {self.name}"
        return self._called(builder, what, facts, *positional, **arguments)
