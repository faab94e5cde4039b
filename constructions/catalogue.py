"""The one table of all constructions: the command line, the tests and the table in docs/ are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from constructions.errors import InputError
from constructions.facts import FactTable

if TYPE_CHECKING:
    from constructions.model import FactModel


@dataclass(frozen=True)
class Construction:
    """One way to write facts into a transformer.

    The size formulas are texts in the symbols N (entities), R (relations), m (bits of an answer), M (bits of all answer
    sets together, for relations with answer sets of their own), V (tokens) and d (`d_model`); `bounds.sizes` evaluates them.

    Attributes:
        name: the builder's name, as it is typed on the command line.
        theorem: where it stands: a theorem of the paper, or the theorem it extends.
        claim: what is verified, in one line.
        module: the file of the builder.
        d_model, d_mlp, n_layers, n_heads: formulas; `d_mlp` is the widest hidden layer, 0 for none.
        parameters: formula for the number of weights, embedding and unembedding included.
        needs: a condition on the facts beside being a table; empty for none.
        random_facts: the tables it is verified on: (entities, relations, seed) to total facts.
        random_partial_facts: the same with facts missing: (entities, relations, seed, missing) to facts.
        docs: the page in docs/ with statement and proof.
        test: the file in tests/ that checks it.
    """

    name: str
    theorem: str
    claim: str
    module: str
    d_model: str
    d_mlp: str
    n_layers: str
    n_heads: str
    parameters: str
    random_facts: Callable[[int, int, int], FactTable]
    random_partial_facts: Callable[[int, int, int, float], FactTable]
    docs: str
    test: str
    needs: str = ""

    @property
    def builder(self) -> Callable[..., FactModel]:
        """The constructor; importing it imports torch."""
        build: Callable[..., FactModel] = getattr(import_module(f"constructions.{self.module}"), self.name)
        return build


def _entry(**fields: object) -> tuple[str, Construction]:
    entry = Construction(**fields)  # type: ignore[arg-type]
    return entry.name, entry


CATALOGUE: dict[str, Construction] = dict(
    [
        _entry(
            name="selector",
            theorem="4.1",
            claim="embeddings stack the answers' codes; an MLP of one hidden layer masks all but the queried block",
            module="single_hop",
            d_model="R*m + R + 1",
            d_mlp="R*m",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 4*R*m) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
            docs="theorem-4.1.md",
            test="test_single_hop.py",
        ),
        _entry(
            name="scalar_selector",
            theorem="4.1 (ours)",
            claim="as selector with one integer for each block: MLP width R, independent of N",
            module="single_hop",
            d_model="2*R + 1",
            d_mlp="R",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 4*R) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
            docs="theorem-4.1.md",
            test="test_single_hop.py",
        ),
        _entry(
            name="attention_selector",
            theorem="4.1 (no MLP)",
            claim="R attention heads, no MLP; head h reads the subject iff the relation is h",
            module="single_hop",
            d_model="R*m + m + R + 1",
            d_mlp="0",
            n_layers="1",
            n_heads="R",
            parameters="(2*V + 2*R*m + 2*R) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
            docs="theorem-4.1.md",
            test="test_single_hop.py",
        ),
        _entry(
            name="superposition",
            theorem="F.1",
            claim="disjoint answer sets: no MLP, no query or key weights",
            module="disjoint",
            d_model="M + R",
            d_mlp="0",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 2*M) * d",
            random_facts=FactTable.random_disjoint,
            random_partial_facts=FactTable.random_disjoint,
            docs="theorem-F.1.md",
            test="test_disjoint.py",
            needs="relations with disjoint answer sets",
        ),
    ]
)


def construction(name: str) -> Construction:
    """The catalogue's entry of that name. Raises InputError with all names where there is none."""
    if name not in CATALOGUE:
        raise InputError(f"no construction is named {name!r}; there are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
