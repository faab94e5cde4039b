"""The one table of all constructions: the command line, the tests and the table in docs/ are made
from it.
"""

from __future__ import annotations

from typing import Any

from constructions.entry import Construction, Option
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError
from constructions.sizes import (
    hybrid,
    meet_in_the_middle,
    theorem_4_1,
    theorem_4_3_key_value,
    theorem_4_3_precomputed,
    theorem_4_4,
    theorem_F_1,
)

_MANY_HOPS: dict[str, Any] = {
    "multi_hop": True,
    "random_facts": FactTable.random_bijections,
    "random_partial_facts": FactTable.random_functions,
}
_LOOKED_UP = Option(
    "looked_up",
    "q",
    "relations in the row memory, 0 to R (default R - 1)",
    default=lambda R, k: R - 1,
    choices=lambda R, k: range(R + 1),
)
_ENTRIES = (
    Construction(
        name="selector",
        builder="theorem_4_1.selector",
        sizing=theorem_4_1.selector,
        theorem="4.1",
        claim=(
            "embeddings stack the answers' codes;"
            " an MLP of one hidden layer masks all but the queried block"
        ),
        random_facts=FactTable.random_bijections,
        random_partial_facts=FactTable.random_functions,
    ),
    Construction(
        name="scalar_selector",
        builder="theorem_4_1.scalar_selector",
        sizing=theorem_4_1.scalar_selector,
        theorem="4.1 (ours)",
        claim="as selector with one integer for each block: MLP width R, independent of N",
        random_facts=FactTable.random_bijections,
        random_partial_facts=FactTable.random_functions,
    ),
    Construction(
        name="attention_selector",
        builder="theorem_4_1.attention_selector",
        sizing=theorem_4_1.attention_selector,
        theorem="4.1 (no MLP)",
        claim="R attention heads, no MLP; head h reads the subject iff the relation is h",
        random_facts=FactTable.random_bijections,
        random_partial_facts=FactTable.random_functions,
    ),
    Construction(
        name="superposition",
        builder="theorem_F_1.superposition",
        sizing=theorem_F_1.superposition,
        theorem="F.1",
        claim="disjoint answer sets: no MLP, no query or key weights",
        random_facts=FactTable.random_disjoint,
        random_partial_facts=FactTable.random_disjoint,
        needs="relations with disjoint answer sets",
    ),
    Construction(
        name="key_value",
        builder="theorem_4_3_key_value.key_value",
        sizing=theorem_4_3_key_value.key_value,
        theorem="4.3(1)",
        claim="many hops: one hidden unit for each (entity, relation), embeddings of O(log N)",
        **_MANY_HOPS,
    ),
    Construction(
        name="key_value_shared",
        builder="theorem_4_3_key_value.key_value",
        sizing=theorem_4_3_key_value.key_value_shared,
        theorem="4.3(1) (ours)",
        claim="key_value with one stored layer, applied k times",
        fixed={"share_layers": True},
        **_MANY_HOPS,
    ),
    Construction(
        name="key_value_rows",
        builder="theorem_4_3_key_value.key_value_rows",
        sizing=theorem_4_3_key_value.key_value_rows,
        theorem="4.3(1) (ours)",
        claim=(
            "many hops: N hidden units whose weights, all of them signs, hold the entities'"
            " rows of facts"
        ),
        **_MANY_HOPS,
    ),
    Construction(
        name="key_value_rows_shared",
        builder="theorem_4_3_key_value.key_value_rows",
        sizing=theorem_4_3_key_value.key_value_rows_shared,
        theorem="4.3(1) (ours)",
        claim="key_value_rows with one stored layer, applied k times",
        fixed={"share_layers": True},
        **_MANY_HOPS,
    ),
    Construction(
        name="precomputed",
        builder="theorem_4_3_precomputed.precomputed",
        sizing=theorem_4_3_precomputed.precomputed,
        theorem="4.3(2)",
        claim=(
            "many hops: embeddings hold the answers to all words;"
            " layer l folds the tree onto letter l"
        ),
        **_MANY_HOPS,
    ),
    Construction(
        name="precomputed_depth_1",
        builder="theorem_4_3_precomputed.precomputed",
        sizing=theorem_4_3_precomputed.precomputed_depth_1,
        theorem="4.3(2) (ours)",
        claim="the same in one layer with k + 1 heads",
        fixed={"layers": 1},
        **_MANY_HOPS,
    ),
    Construction(
        name="hybrid",
        builder="hybrid.hybrid",
        sizing=hybrid.hybrid,
        theorem="4.3 (ours)",
        claim="q relations in a row memory, trees of the others in the embedding",
        options=(_LOOKED_UP,),
        **_MANY_HOPS,
    ),
    Construction(
        name="hybrid_shared",
        builder="hybrid.hybrid",
        sizing=hybrid.hybrid_shared,
        theorem="4.3 (ours)",
        claim=(
            "hybrid with one stored layer, applied k times: each looked-up fact is stored once"
        ),
        fixed={"share_layers": True},
        options=(_LOOKED_UP,),
        **_MANY_HOPS,
    ),
    Construction(
        name="meet_in_the_middle",
        builder="meet_in_the_middle.meet_in_the_middle",
        sizing=meet_in_the_middle.meet_in_the_middle,
        theorem="4.3 (ours)",
        claim=(
            "bijections: the embedding knows the first half of the path,"
            " the unembedding the second"
        ),
        needs="bijections",
        **_MANY_HOPS | {"random_partial_facts": None},
    ),
    Construction(
        name="chain_of_thought",
        builder="theorem_4_4.chain_of_thought",
        sizing=theorem_4_4.chain_of_thought,
        theorem="4.4",
        claim=(
            "one layer and one set of weights for all paths of up to K hops;"
            " intermediate entities are written"
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
)

CATALOGUE: dict[str, Construction] = {entry.name: entry for entry in _ENTRIES}


def construction(name: str) -> Construction:
    """The catalogue's entry of that name. Raises InputError with all names where there is none."""
    if name not in CATALOGUE:
        raise InputError(f"no construction is named {name!r}; there are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]
