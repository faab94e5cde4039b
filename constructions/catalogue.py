"""The one table of all constructions: the command line, the tests and the table in docs/ are made
from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.guards.integers import takes_integers

if TYPE_CHECKING:
    from constructions.model.fact_model import FactModel


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

    The size formulas are texts in these symbols; `bounds.sizes` evaluates them: N entities, R
    relations, k hops, V tokens, d `d_model`; a possible answers, m bits of an answer; for
    relations with answer sets of their own M bits of all sets together and w bits of the widest; b
    bits of a state (an entity, or *unknown*), c bits of a relation, p bits of a position; u is 1
    if facts are missing, else 0; and the symbols of the options. tree(R, n) is 1 + R + ... +
    R^(n-1), bits(n) the bits that tell n values apart, odd(n) is n without its factors of two,
    beta(R) the gain of `attention_selector`.

    Attributes:
        name: as it is typed on the command line.
        theorem: where it stands: a theorem of the paper, or the theorem it extends.
        claim: what is verified, in one line.
        builder: the file X in `constructions/theorems/` and its builder, `X.name`. The same X is
            the page in docs/theorems/ with statement and proof, and the test in tests/theorems/.
        d_model, d_mlp, n_layers, n_heads: formulas; `d_mlp` is the widest hidden layer (0 for
            none), `n_layers` the depth, `n_heads` the most heads in a layer.
        parameters: formula for the number of stored weights, embeddings and unembedding included.
        random_facts: the tables it is verified on: (entities, relations, seed) to total facts.
        random_partial_facts: the same with facts missing: (entities, relations, seed, missing) to
            facts; None if it does not take such tables.
        needs: a condition on the facts beside being a table; empty for none.
        multi_hop: whether the builder takes the number of hops; if not, it answers one.
        fixed: arguments of the builder that make this variant of it.
        options: further arguments.
        n_specials: how many special tokens it has.
        internal_bits: formula for the dense bits of all internal weights (attention, MLPs,
            positions), B_T of Theorem 4.2: the entries of each tensor times the bits of its values
            on a dyadic grid.
        embedding_bits, unembedding_bits: the same for one token's row of the embedding, B_e, and
            of the unembedding, B_u.
        internal_fact_bits: formula for the bits of those entries of internal weights that change
            with the facts.
        embedding_fact_bits, unembedding_fact_bits: the same for one entity's row of the embedding,
            of the unembedding.
        written_tokens: formula for the tokens that are written until the answer stands.
    """

    name: str
    theorem: str
    claim: str
    builder: str
    d_model: str
    d_mlp: str
    n_layers: str
    n_heads: str
    parameters: str
    internal_bits: str
    embedding_bits: str
    unembedding_bits: str
    random_facts: Callable[[int, int, int], FactTable]
    random_partial_facts: Callable[[int, int, int, float], FactTable] | None
    needs: str = ""
    multi_hop: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    n_specials: int = 1
    internal_fact_bits: str = "0"
    embedding_fact_bits: str = "R*m"
    unembedding_fact_bits: str = "0"
    written_tokens: str = "1"

    @property
    def takes_bijections(self) -> bool:
        """Whether its theorem is about bijections, or about tables among which they are."""
        return self.random_facts == FactTable.random_bijections

    @property
    def file(self) -> str:
        """The stem of the file in `constructions/theorems/`, of the page and of the test."""
        return self.builder.partition(".")[0]

    @property
    def builder_name(self) -> str:
        """The builder's own name: the construction's, or that of which it is a variant."""
        return self.builder.partition(".")[2]

    def constructor(self) -> Callable[..., FactModel]:
        """The builder itself; importing it imports torch."""
        module = import_module(f"constructions.theorems.{self.file}")
        build: Callable[..., FactModel] = getattr(module, self.builder_name)
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
    ) -> FactModel:
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


def _entry(**fields: Any) -> tuple[str, Construction]:
    entry = Construction(**fields)
    return entry.name, entry


_MANY_HOPS = {
    "multi_hop": True,
    "random_facts": FactTable.random_bijections,
    "random_partial_facts": FactTable.random_functions,
}
_PAIRS = "(N*R + 2*b + 2*c + u)"
_RAILS = "(2*b + 2*c + {rails})"
_ONE_HOT = "(N + u + R + {passes})"
_ROWS = "(R*b + b + c + 1{pointer})"
_ONCE = {"rails": "2", "passes": "1", "pointer": ""}
_SHARED = {"rails": "k + 1", "passes": "k", "pointer": " + k"}
_HYBRID_BLOCKS = "((R - q)*tree(R, k) + 1)*b"
_WORDS = "R*tree(R, j)"


def _hybrid_1(left: str) -> str:
    """The first hidden layer where `left` letters are left to read, this one included."""
    return f"(R + b + (R - q)*b*tree(R, {left}) + (N + u)*Min(q, 1))"


def _hybrid_2(later: str) -> str:
    """The second hidden layer where `later` letters are left to read after this one."""
    return f"(R + b + q*b + b*Min(R - q, 1) + 2*(R - q)*b*tree(R, {later}))"


_HYBRID_LAYER_H = (_hybrid_1("k - h + 1"), _hybrid_2("k - h"))
_HYBRID_SHARED_1 = "(R + b + k + 2*(R - q)*b*tree(R, k) + (N + u)*Min(q, 1))"
_HYBRID_SHARED_2 = "(R + b + k + q*b + b*Min(R - q, 1) + (R - q)*b*(tree(R, k) + tree(R, k - 1)))"
_MEMORY_THRESHOLD = "bits(Max((b - 1)*Min(q, 1), 1) + 2)"
_SHARED_THRESHOLD = "bits(Max((b - 1)*Min(q, 1), p - 1, 1) + 2)"
_HYBRID_SHARED_GRIDS = (_SHARED_THRESHOLD, "(1 + Min(q, 1))", "3")
_ROWS_THRESHOLD = "bits(b + c + 1 + Max(p - 1, 1))"
_LOOKED_UP = Option(
    "looked_up",
    "q",
    "relations in the row memory, 0 to R (default R - 1)",
    default=lambda R, k: R - 1,
    choices=lambda R, k: range(R + 1),
)


# Dense bits. Codes are read from 0/1 or sign entries; a threshold or a constant makes the grid of
# its matrix wider.
_POSITIONS = "2*(k + 1)"
_SELECTING = "(4*p + 2*p*(k - 1) - p*(Min(k - 1, 1) + Min(Max(2**p - 2 - k, 0), 1)) + (k + 1)*p)"
"""Queries and keys of layers whose heads select positions, for each coordinate: layer 1 has two
heads, the others one. A query holds 0 and both signs of the gain, or one sign if the codes of the
two positions agree, or differ, in every bit.
"""
_ALL_SELECTING = "(2*(k + 1)*p + (k + 1)*p)"
_POINTING = "(2*2*p + 2*p)"
_SIGN_ROW = "d*bits(2 + (b + 1)*Min(N + u - 1, 1))"
_BIT_ROW = "d*bits(m + Max(m, 2) + 1 + Min(a - 1, 1))"


def _rows(sharing: Mapping[str, str]) -> list[str]:
    return [width.format(**sharing) for width in (_RAILS, _ONE_HOT, _ROWS)]


def _widest(widths: list[str]) -> str:
    return f"Max({', '.join(widths)})"


def _mlp(*widths: str, bits: tuple[str, ...] = ()) -> str:
    """The entries of an MLP with these hidden layers, or their bits."""
    matrices = [f"{a}*{b}" for a, b in pairwise(["d", *widths, "d"])]
    return " + ".join(
        f"{m}*{w}" for m, w in zip(matrices, bits or ("1",) * len(matrices), strict=True)
    )


CATALOGUE: dict[str, Construction] = dict(
    [
        _entry(
            name="selector",
            builder="theorem_4_1.selector",
            internal_bits="5*R*m*d",
            embedding_bits="d",
            unembedding_bits=_BIT_ROW,
            theorem="4.1",
            claim=(
                "embeddings stack the answers' codes; an MLP of one hidden layer masks all but the"
                " queried block"
            ),
            d_model="R*m + R + 1",
            d_mlp="R*m",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 4*R*m) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
        ),
        _entry(
            name="scalar_selector",
            builder="theorem_4_1.scalar_selector",
            internal_bits="(3 + bits(a + 1))*R*d",
            embedding_bits="d*bits(Max(a, 2))",
            embedding_fact_bits="R*bits(a)",
            unembedding_bits="d*bits(2*a - 1 + Max((a - 1)**2, 1 + Min(a - 1, 1)))",
            theorem="4.1 (ours)",
            claim="as selector with one integer for each block: MLP width R, independent of N",
            d_model="2*R + 1",
            d_mlp="R",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 4*R) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
        ),
        _entry(
            name="attention_selector",
            builder="theorem_4_1.attention_selector",
            internal_bits="(R*bits((1 + Min(R - 1, 1))*odd(beta(R)) + 1) + R + 2*R*m)*d",
            embedding_bits="2*d",
            unembedding_bits="d*bits(2*m + 2)",
            theorem="4.1 (no MLP)",
            claim="R attention heads, no MLP; head h reads the subject iff the relation is h",
            d_model="R*m + m + R + 1",
            d_mlp="0",
            n_layers="1",
            n_heads="R",
            parameters="(2*V + 2*R*m + 2*R) * d",
            random_facts=FactTable.random_bijections,
            random_partial_facts=FactTable.random_functions,
        ),
        _entry(
            name="superposition",
            builder="theorem_F_1.superposition",
            internal_bits="2*M*d",
            embedding_bits="2*d",
            unembedding_bits="d*bits((1 - u)*(3*w + 2) + u*8*w)",
            theorem="F.1",
            claim="disjoint answer sets: no MLP, no query or key weights",
            d_model="M + R",
            d_mlp="0",
            embedding_fact_bits="M",
            n_layers="1",
            n_heads="1",
            parameters="(2*V + 2*M) * d",
            random_facts=FactTable.random_disjoint,
            random_partial_facts=FactTable.random_disjoint,
            needs="relations with disjoint answer sets",
        ),
        _entry(
            name="key_value",
            builder="theorem_4_3_key_value.key_value",
            internal_bits=(
                f"({_POSITIONS} + {_SELECTING} + 2*(b + k*c) + k*{_PAIRS}*(bits(b + c + 1) + 2))*d"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3(1)",
            claim="many hops: one hidden unit for each (entity, relation), embeddings of O(log N)",
            d_model="b + 2*c + p + 1",
            d_mlp=_PAIRS,
            internal_fact_bits="k*N*R*b",
            embedding_fact_bits="0",
            n_layers="k",
            n_heads="2",
            parameters=f"(2*V + k + 1 + 2*(p + b) + 2*k*(p + c) + 2*k*{_PAIRS}) * d",
            **_MANY_HOPS,
        ),
        _entry(
            name="key_value_shared",
            builder="theorem_4_3_key_value.key_value",
            internal_bits=(
                f"({_POSITIONS} + {_POINTING} + 2*(b + c)"
                f" + ({_PAIRS} + k)*(bits(Max(b + c, p) + 1) + 2 + Min(k - 1, 1)))*d"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3(1) (ours)",
            claim="key_value with one stored layer, applied k times",
            fixed={"share_layers": True},
            d_model="2*b + 2*c + 2*p + 2",
            d_mlp=f"{_PAIRS} + k",
            internal_fact_bits="N*R*b",
            embedding_fact_bits="0",
            n_layers="k",
            n_heads="2",
            parameters=f"(2*V + k + 1 + 2*(p + b) + 2*(p + c) + 2*({_PAIRS} + k)) * d",
            **_MANY_HOPS,
        ),
        _entry(
            name="key_value_rows",
            builder="theorem_4_3_key_value.key_value_rows",
            internal_bits=(
                f"({_POSITIONS} + {_SELECTING} + 2*(b + k*c))*d"
                f" + k*({_mlp(*_rows(_ONCE), bits=('bits(b + c + 2)', '1', '1', '3'))})"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3(1) (ours)",
            claim=(
                "many hops: N hidden units whose weights, all of them signs, hold the entities'"
                " rows of facts"
            ),
            d_model="b + 2*c + p + 1",
            d_mlp=_widest(_rows(_ONCE)),
            internal_fact_bits="k*N*R*b",
            embedding_fact_bits="0",
            n_layers="k",
            n_heads="2",
            parameters=f"(2*V + k + 1 + 2*(p + b) + 2*k*(p + c)) * d + k*({_mlp(*_rows(_ONCE))})",
            **_MANY_HOPS,
        ),
        _entry(
            name="key_value_rows_shared",
            builder="theorem_4_3_key_value.key_value_rows",
            internal_bits=(
                f"({_POSITIONS} + {_POINTING} + 2*(b + c))*d"
                f" + {_mlp(*_rows(_SHARED), bits=(_ROWS_THRESHOLD, '1', '1', '3'))}"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3(1) (ours)",
            claim="key_value_rows with one stored layer, applied k times",
            fixed={"share_layers": True},
            d_model="2*b + 2*c + 2*p + 2",
            d_mlp=_widest(_rows(_SHARED)),
            internal_fact_bits="N*R*b",
            embedding_fact_bits="0",
            n_layers="k",
            n_heads="2",
            parameters=f"(2*V + k + 1 + 2*(p + b) + 2*(p + c)) * d + {_mlp(*_rows(_SHARED))}",
            **_MANY_HOPS,
        ),
        _entry(
            name="precomputed",
            builder="theorem_4_3_precomputed.precomputed",
            internal_bits=(
                f"({_POSITIONS} + {_SELECTING} + 2*(R**k*m + k*R) + (R*m*tree(R, k) + k*R)*(3 +"
                " Min(R - 1, 1)))*d"
            ),
            embedding_bits="d",
            unembedding_bits=_BIT_ROW,
            theorem="4.3(2)",
            claim=(
                "many hops: embeddings hold the answers to all words; layer l folds the tree onto"
                " letter l"
            ),
            d_model="R**k*m + 2*R + p",
            d_mlp="R**k*m + R",
            embedding_fact_bits="R**k*m",
            n_layers="k",
            n_heads="2",
            parameters=(
                "(2*V + k + 1 + 2*(p + R**k*m) + 2*k*(p + R) + 2*R*m*tree(R, k) + 2*k*R) * d"
            ),
            **_MANY_HOPS,
        ),
        _entry(
            name="precomputed_depth_1",
            builder="theorem_4_3_precomputed.precomputed",
            internal_bits=(
                f"({_POSITIONS} + {_ALL_SELECTING} + 2*(R**k*m + k*R) + (R**k*m + m)*(bits(k + 2)"
                " + 2))*d"
            ),
            embedding_bits="d",
            unembedding_bits=_BIT_ROW,
            theorem="4.3(2) (ours)",
            claim="the same in one layer with k + 1 heads",
            fixed={"layers": 1},
            d_model="R**k*m + (k + 1)*R + p",
            d_mlp="R**k*m + m",
            embedding_fact_bits="R**k*m",
            n_layers="1",
            n_heads="k + 1",
            parameters="(2*V + k + 1 + 2*(p + R**k*m) + 2*k*(p + R) + 2*(R**k*m + m)) * d",
            **_MANY_HOPS,
        ),
        _entry(
            name="hybrid",
            builder="hybrid.hybrid",
            internal_bits=(
                f"({_POSITIONS} + {_SELECTING} + 2*({_HYBRID_BLOCKS} + k*R))*d +"
                f" Sum({_mlp(*_HYBRID_LAYER_H, bits=(_MEMORY_THRESHOLD, '(1 + Min(q, 1))', '3'))},"
                " (h, 1, k))"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3 (ours)",
            claim="q relations in a row memory, trees of the others in the embedding",
            d_model=f"{_HYBRID_BLOCKS} + 2*R + p",
            d_mlp=f"Max({_hybrid_1('k')}, {_hybrid_2('k - 1')})",
            internal_fact_bits="k*q*N*b",
            embedding_fact_bits="(R - q)*tree(R, k)*b",
            n_layers="k",
            n_heads="2",
            parameters=f"(2*V + k + 1 + 2*(p + {_HYBRID_BLOCKS}) + 2*k*(p + R)) * d"
            + f" + Sum({_mlp(*_HYBRID_LAYER_H)}, (h, 1, k))",
            options=(_LOOKED_UP,),
            **_MANY_HOPS,
        ),
        _entry(
            name="hybrid_shared",
            builder="hybrid.hybrid",
            internal_bits=(
                f"({_POSITIONS} + {_POINTING} + 2*({_HYBRID_BLOCKS} + R))*d"
                f" + {_mlp(_HYBRID_SHARED_1, _HYBRID_SHARED_2, bits=_HYBRID_SHARED_GRIDS)}"
            ),
            embedding_bits="2*d",
            unembedding_bits=_SIGN_ROW,
            theorem="4.3 (ours)",
            claim=(
                "hybrid with one stored layer, applied k times: each looked-up fact is stored once"
            ),
            fixed={"share_layers": True},
            d_model=f"2*{_HYBRID_BLOCKS} + 2*R + 2*p + 1",
            d_mlp=_widest([_HYBRID_SHARED_1, _HYBRID_SHARED_2]),
            internal_fact_bits="q*N*b",
            embedding_fact_bits="(R - q)*tree(R, k)*b",
            n_layers="k",
            n_heads="2",
            parameters=(
                f"(2*V + k + 1 + 2*(p + {_HYBRID_BLOCKS}) + 2*(p + R)) * d"
                f" + {_mlp(_HYBRID_SHARED_1, _HYBRID_SHARED_2)}"
            ),
            options=(_LOOKED_UP,),
            **_MANY_HOPS,
        ),
        _entry(
            name="meet_in_the_middle",
            builder="meet_in_the_middle.meet_in_the_middle",
            internal_bits=(
                f"({_POSITIONS} + {_ALL_SELECTING} + 2*(R**ceiling(k/2)*m + k*R)"
                " + (R**ceiling(k/2)*m + m)*(bits(ceiling(k/2) + 2) + 2)"
                " + R**floor(k/2)*(m + 1)*(bits(floor(k/2) + 2) + 2))*d"
            ),
            embedding_bits="d",
            unembedding_bits="d*bits(2 + (m + 1)*Min(N - 1, 1))",
            theorem="4.3 (ours)",
            claim=(
                "bijections: the embedding knows the first half of the path, the unembedding the"
                " second"
            ),
            d_model="(R**ceiling(k/2) + R**floor(k/2))*m + (k + 1)*R + p",
            d_mlp="Max(R**ceiling(k/2)*m + m, R**floor(k/2)*(m + 1))",
            embedding_fact_bits="R**ceiling(k/2)*m",
            unembedding_fact_bits="Min(k - 1, 1)*R**floor(k/2)*m",
            n_layers="2",
            n_heads="k + 1",
            parameters=(
                "(2*V + k + 1 + 2*(p + R**ceiling(k/2)*m) + 2*k*(p + R) + 2*(R**ceiling(k/2)*m +"
                " m) + 2*R**floor(k/2)*(m + 1)) * d"
            ),
            needs="bijections",
            **_MANY_HOPS | {"random_partial_facts": None},
        ),
        _entry(
            name="chain_of_thought",
            builder="theorem_4_4.chain_of_thought",
            internal_bits=(
                f"(2*(K + ceiling(K/j) + 1) + 2*(j + 1)*p + 2*({_WORDS}*m + j*R) +"
                f" {_WORDS}*m*(bits(j + 2) + 1))*d"
            ),
            embedding_bits="d",
            unembedding_bits="d*bits(3*m + 6)",
            theorem="4.4",
            claim=(
                "one layer and one set of weights for all paths of up to K hops; intermediate"
                " entities are written"
            ),
            d_model=f"{_WORDS}*m + m + (j + 1)*R + (j + 2)*p + 1",
            d_mlp=f"{_WORDS}*m",
            embedding_fact_bits=f"{_WORDS}*m",
            written_tokens="ceiling(k/j)",
            n_layers="1",
            n_heads="j + 1",
            parameters=(
                f"(2*V + K + ceiling(K/j) + 1 + 2*(p + {_WORDS}*m) + 2*j*(p + R) +"
                f" 2*{_WORDS}*m) * d"
            ),
            options=(
                Option(
                    "max_hops",
                    "K",
                    "the longest path (default 4, or -k if that is more)",
                    default=lambda R, k: max(k, 4),
                    choices=lambda R, k: [k],
                ),
                Option(
                    "hops_per_token",
                    "j",
                    "hops that a written token makes (default 1)",
                    default=lambda R, k: 1,
                    choices=lambda R, k: range(1, k + 1),
                ),
            ),
            n_specials=3,
            **_MANY_HOPS,
        ),
    ]
)


def construction(name: str) -> Construction:
    """The catalogue's entry of that name. Raises InputError with all names where there is none."""
    if name not in CATALOGUE:
        raise InputError(f"no construction is named {name!r}; there are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
