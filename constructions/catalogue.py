"""The one table of all constructions: the command line, the tests and the table in docs/ are made
from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from constructions.entry import Construction
from constructions.entry_of_sets import ConstructionOfSets
from constructions.facts.table import FactTable
from constructions.guards.errors import InputError, InternalError
from constructions.guards.user_code import is_reference, kind_of, loaded
from constructions.option import Option
from constructions.sizes import (
    digit_selector,
    hybrid,
    key_value_grid,
    meet_in_the_middle,
    precomputed_digits,
    sparse_selector,
    theorem_4_1,
    theorem_4_3_key_value,
    theorem_4_3_precomputed,
    theorem_4_4,
    theorem_F_1,
)

_LOOKED_UP = Option(
    "looked_up",
    "q",
    "relations in the row memory, 0 to R (default R - 1)",
    default=lambda R, k: R - 1,
    choices=lambda R, k: range(R + 1),
    most=lambda R, k: R,
)
_LANE = Option(
    "lane_bits",
    "v",
    "bits of a lane, 0 to 64 (default 1)",
    default=lambda R, k: 1,
    choices=lambda R, k: (1, 3, 4, 6),
    most=lambda R, k: 64,
)
_DIGIT = Option(
    "bits_per_coordinate",
    "C",
    "bits in a coordinate, 1 to 64 (default 2)",
    default=lambda R, k: 2,
    choices=lambda R, k: (2, 3, 4),
    least=1,
    most=lambda R, k: 64,
)
_LONGEST = Option(
    "max_hops",
    "K",
    "the longest path (default 4, or -k if that is more)",
    default=lambda R, k: max(k, 4),
    choices=lambda R, k: [k],
    counts_hops=True,
    longest_path=True,
)
_STEP = Option(
    "hops_per_token",
    "j",
    "hops that a written token makes (default 1)",
    default=lambda R, k: 1,
    choices=lambda R, k: range(1, k + 1),
    counts_hops=True,
)


_GATES = Option(
    "n_gates",
    "g",
    "gates that relations open, at most R (default: as few as hold the facts)",
    default=lambda R, k: R,
    choices=lambda R, k: [R],
    most=lambda R, k: R,
    found=True,
)
_EXCESS = Option(
    "excess_bits",
    "z",
    "bits by which numbers are longer than an answer's (default: as few as the facts need)",
    default=lambda R, k: 0,
    choices=lambda R, k: [0],
    found=True,
)


def _shared_answers(facts: FactTable, lengths: Sequence[int]) -> str:
    """Of paths of one relation, where two relations share an answer, or may come to."""
    if list(lengths) != [1] or facts.keeps_disjoint_answers:
        return ""
    share = "may come to share" if facts.has_disjoint_answers else "share"
    return f"the relations {share} answers; every table is taken"


def _disjoint_answers(facts: FactTable, lengths: Sequence[int]) -> str:
    """Of paths of one relation, where each relation has answers of its own."""
    if list(lengths) != [1] or not facts.keeps_disjoint_answers:
        return ""
    return "the relations answer in disjoint sets, so that no MLP is needed"


def _longer_paths(facts: FactTable, lengths: Sequence[int]) -> str:
    """Of longer paths."""
    if list(lengths) == [1]:
        return ""
    return "one set of weights for paths of every length, whatever the facts"


def _prompt_and_written(hops: int, options: Mapping[str, int]) -> int:
    """The positions of a chain of thought: the prompt, and one for each token but END."""
    longest, step = options[_LONGEST.name], options[_STEP.name]
    return longest + -(-longest // step) + 1


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
        suits=_shared_answers,
    ),
    Construction(
        name="scalar_selector",
        builder="theorem_4_1.scalar_selector",
        sizing=theorem_4_1.scalar_selector,
        theorem="4.1 (ours)",
        claim="as selector with one integer for each block: MLP width R, independent of N",
    ),
    Construction(
        name="digit_selector",
        builder="digit_selector.digit_selector",
        sizing=digit_selector.digit_selector,
        theorem="4.1 (ours)",
        claim="between the two: digits of C bits, so that fewer coordinates hold more each",
        options=(_DIGIT,),
    ),
    Construction(
        name="attention_selector",
        builder="theorem_4_1.attention_selector",
        sizing=theorem_4_1.attention_selector,
        theorem="4.1 (no MLP)",
        claim="R attention heads, no MLP; head h reads the subject iff the relation is h",
    ),
    Construction(
        name="superposition",
        builder="theorem_F_1.superposition",
        sizing=theorem_F_1.superposition,
        theorem="F.1",
        claim="disjoint answer sets: no MLP, no query or key weights",
        tables="disjoint",
        needs="relations with disjoint answer sets",
        suits=_disjoint_answers,
    ),
    Construction(
        name="key_value",
        builder="theorem_4_3_key_value.key_value",
        sizing=theorem_4_3_key_value.key_value,
        theorem="4.3(1)",
        claim="many hops: one hidden unit for each (entity, relation), embeddings of O(log N)",
        multi_hop=True,
    ),
    Construction(
        name="key_value_shared",
        builder="theorem_4_3_key_value.key_value",
        sizing=theorem_4_3_key_value.key_value_shared,
        theorem="4.3(1) (ours)",
        claim="key_value with one stored layer, applied k times",
        fixed={"share_layers": True},
        largest_in_grid=64,
        multi_hop=True,
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
        multi_hop=True,
    ),
    Construction(
        name="key_value_rows_shared",
        builder="theorem_4_3_key_value.key_value_rows",
        sizing=theorem_4_3_key_value.key_value_rows_shared,
        theorem="4.3(1) (ours)",
        claim="key_value_rows with one stored layer, applied k times",
        fixed={"share_layers": True},
        largest_in_grid=64,
        near_bounds=((1024, 8, 2),),
        multi_hop=True,
    ),
    Construction(
        name="key_value_grid",
        builder="key_value_grid.key_value_grid",
        sizing=key_value_grid.key_value_grid,
        theorem="4.3(1) (ours)",
        claim=(
            "key_value_rows_shared in rows and lanes: of all its bits nearly none but facts, and"
            " o(N) find the state"
        ),
        largest_in_grid=16,
        near_bounds=((1024, 8, 2),),
        options=(_LANE,),
        multi_hop=True,
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
        multi_hop=True,
    ),
    Construction(
        name="precomputed_depth_1",
        builder="theorem_4_3_precomputed.precomputed",
        sizing=theorem_4_3_precomputed.precomputed_depth_1,
        theorem="4.3(2) (ours)",
        claim="the same in one layer with k + 1 heads",
        fixed={"layers": 1},
        largest_in_grid=64,
        multi_hop=True,
    ),
    Construction(
        name="precomputed_digits",
        builder="precomputed_digits.precomputed_digits",
        sizing=precomputed_digits.precomputed_digits,
        theorem="4.3(2) (ours)",
        claim="precomputed with digits of C bits: fewer coordinates, and far fewer bits inside",
        largest_in_grid=64,
        options=(_DIGIT,),
        multi_hop=True,
    ),
    Construction(
        name="hybrid",
        builder="hybrid.hybrid",
        sizing=hybrid.hybrid,
        theorem="4.3 (ours)",
        claim="q relations in a row memory, trees of the others in the embedding",
        options=(_LOOKED_UP,),
        multi_hop=True,
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
        largest_in_grid=16,
        multi_hop=True,
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
        missing=False,
        multi_hop=True,
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
        options=(_LONGEST, _STEP),
        n_specials=3,
        positions=_prompt_and_written,
        suits=_longer_paths,
        near_bounds=((1024, 4, 3), (4096, 4, 2)),
        multi_hop=True,
    ),
    Construction(
        name="sparse_selector",
        builder="sparse_selector.sparse_selector",
        sizing=sparse_selector.sparse_selector,
        theorem="4.1 (ours)",
        claim=(
            "few facts a subject: relations open gates that all share,"
            " so that d does not grow with R"
        ),
        tables="sparse",
        needs="few facts for each subject, to be small",
        stored_only=True,
        options=(_GATES, _EXCESS),
    ),
    Construction(
        name="sparse_selector_unknown",
        builder="sparse_selector.sparse_selector_unknown",
        sizing=sparse_selector.sparse_selector_unknown,
        theorem="4.1 (ours)",
        claim="sparse_selector with a second hidden layer, which tells what is not stored",
        tables="sparse",
        needs="few facts for each subject, to be small",
        options=(_GATES, _EXCESS),
    ),
)

CATALOGUE: dict[str, Construction] = {entry.name: entry for entry in _ENTRIES}
"""All constructions by name, in the order of the paper."""

OF_SETS = ConstructionOfSets(
    builder="sets_of_answers.sets_of_answers",
    theorem="ours",
    claim="relations lead to sets: all answers are written, then END; one layer",
)
"""The construction of a `SetTable`. It is not in the catalogue, whose constructions take tables of
functions and answer paths; a command of its own builds it, and `load` and `show` find it.
"""

WITH_SETS: dict[str, Construction] = {**CATALOGUE, OF_SETS.name: OF_SETS}
"""All constructions of ours by name, that of sets included."""


@cache
def construction(name: str, with_sets: bool = False) -> Construction:
    """The catalogue's entry of that name, or a construction of a user's own,
    `path/file.py:name` or `package.module:name`, whose file is run.

    Args:
        name: which.
        with_sets: whether the construction of sets is one of those that may be named.

    Raises:
        InputError: there is none, or what is named so is no `Construction`, or has a name of the
            catalogue.
        UserCodeError: the file has raised an error.
    """
    named = WITH_SETS if with_sets else CATALOGUE
    if name in named:
        return named[name]
    if not is_reference(name):
        raise InputError(
            f"no construction is named {name!r}; there are {', '.join(named)}; one of your own"
            " is path/file.py:name or package.module:name"
        )
    own = loaded(name)
    if not isinstance(own, Construction):
        raise InputError(
            f"{name} is {kind_of(own)}; a Construction is needed: from constructions import"
            " Construction; mine = Construction(builder, sizing=...)"
        )
    require_new_name(own, name)
    return own


def writing_tokens() -> list[Construction]:
    """The constructions of the catalogue whose models write intermediate entities."""
    return [entry for entry in CATALOGUE.values() if entry.longest_path is not None]


def suggested(facts: FactTable, lengths: Sequence[int]) -> tuple[Construction, str]:
    """A construction that suits a table and the lengths of its paths, in order, and why.

    Raises:
        InternalError: none does.
    """
    for entry in CATALOGUE.values():
        if why := entry.suits(facts, lengths):
            return entry, why
    raise InternalError(f"no construction is suggested for paths of {list(lengths)} relations")


def require_new_name(own: Construction, reported: str = "your construction") -> None:
    """Raise InputError if the name of a user's own construction, or of its builder, is one of the
    catalogue's.
    """
    if CATALOGUE.get(own.name) is own:
        return
    for what, name in (("is", own.name), ("has a builder that is", own.builder_name)):
        if name in CATALOGUE:
            raise InputError(
                f"{reported} {what} named {name!r}, which is the catalogue's construction of"
                f" Theorem {CATALOGUE[name].theorem}; give it another name"
            )
