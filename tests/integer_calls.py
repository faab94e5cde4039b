"""Each public function with integer arguments, something to call, and integers to give it."""

import dataclasses

import torch

import constructions
from bounds import (
    average_error,
    counting,
    dimension,
    functions,
    imperfect,
    reading,
    separation,
    sets_of_answers,
    sizes,
    theorem_4_2,
)
from bounds import plans as plans
from constructions import (
    CATALOGUE,
    Bits,
    Codebook,
    Digits,
    FactTable,
    Holds,
    NoisePrompts,
    OneLayerShape,
    Option,
    SetTable,
    Space,
    StandardDecoder,
    StandardShape,
    Vocabulary,
)
from constructions.decoders.seeding import seed_into
from constructions.learning.beginnings import drawn
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.sizes.sets_of_answers import SetSizes
from constructions.theorems.theorem_4_1 import attention_margin

FACTS = FactTable.random_bijections(4, 3, seed=1)
DECODER = {
    "d_vocab": 20,
    "d_model": 40,
    "n_layers": 3,
    "n_heads": 3,
    "d_head": 16,
    "d_mlp": 40,
    "n_positions": 4,
}
ONE_LAYER = {
    "n_entities": 4,
    "n_relations": 3,
    "n_answers": 4,
    "d_model": 5,
    "d_mlp": 6,
    "n_hidden_layers": 2,
}


def seeded(first_block, slack):
    torch.manual_seed(0)
    target = StandardDecoder(StandardShape(**DECODER, norm="rmsnorm"))
    return seed_into(
        target, constructions.selector(FACTS), first_block=first_block, slack=slack
    ).state_dict()


def weights(build):
    return lambda *args, **options: (build(FACTS, *args, **options).state_dict(), build.__name__)


def held_words(words):
    """The length of the words of which a slot holds the codes."""
    held = Holds(Space(code=(4,))["code"], words, Bits(Codebook.of(FACTS))).words
    return type(held), held


def written_digits(**sizes):
    """The digits of a code, and of which type its base is."""
    code = Digits(Codebook.of(FACTS), **sizes)
    return type(code.base), code.rows(code.codebook.tokens).tolist()


def shape_fields(kind):
    return lambda **sizes: [(type(size), size) for size in dataclasses.astuple(kind(**sizes))]


def widened(**sizes):
    return constructions.widen(constructions.selector(FACTS), noise=0.001, **sizes).state_dict()


def read(**sizes):
    return constructions.read_among_noise(constructions.selector(FACTS), **sizes).state_dict()


def trained(**given):
    found = constructions.fit(OneLayerShape(**ONE_LAYER), FACTS, seeds=[2], **given)
    return found.models[0].state_dict(), found.checked.tolist()


CALLS = {
    # builders, by all of their integer options
    constructions.digit_selector: (weights(constructions.digit_selector), {"bits_per_coordinate": 3}),
    constructions.attention_selector: (weights(constructions.attention_selector), {"beta": 3}),
    constructions.sparse_selector: (
        weights(constructions.sparse_selector), {"n_gates": 3, "excess_bits": 2, "seed": 1},
    ),
    constructions.sparse_selector_unknown: (
        weights(constructions.sparse_selector_unknown), {"n_gates": 3, "excess_bits": 2, "seed": 1},
    ),
    constructions.key_value: (weights(constructions.key_value), {"hops": 2}),
    constructions.key_value_rows: (weights(constructions.key_value_rows), {"hops": 2}),
    constructions.key_value_grid: (weights(constructions.key_value_grid), {"hops": 2, "lane_bits": 1}),
    constructions.precomputed: (weights(constructions.precomputed), {"hops": 2, "layers": 1}),
    constructions.precomputed_digits: (
        weights(constructions.precomputed_digits), {"hops": 2, "bits_per_coordinate": 3}
    ),
    constructions.hybrid: (weights(constructions.hybrid), {"hops": 2, "looked_up": 1}),
    constructions.meet_in_the_middle: (weights(constructions.meet_in_the_middle), {"hops": 2}),
    constructions.chain_of_thought: (weights(constructions.chain_of_thought), {"max_hops": 3, "hops_per_token": 2}),
    # tables, codes, shapes
    FactTable.random_bijections: (FactTable.random_bijections, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_functions: (FactTable.random_functions, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_disjoint: (FactTable.random_disjoint, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_worlds: (FactTable.random_worlds, {"worlds": 3, "size": 30, "relations": 3, "seed": 5}),
    SetTable.random: (SetTable.random, {"entities": 100, "relations": 3, "most": 4, "seed": 5}),
    SetTable: (lambda **sizes: SetTable([[0, 0, 0]], **sizes), {"entities": 4, "relations": 2}),
    SetSizes: (
        shape_fields(SetSizes),
        {"entities": 4, "relations": 2, "places": 3, "most": 2, "answers": 3},
    ),
    FactTable.path_star: (FactTable.path_star, {"degree": 9, "length": 4, "seed": 5}),
    FactTable.with_spare_entities: (
        lambda **sizes: FACTS.with_spare_entities(**sizes).entity_names,
        {"count": 5, "answers": 2},
    ),
    constructions.changed_answers: (
        lambda hops: constructions.changed_answers(FACTS, FACTS.with_spare_entities(1), hops).queries,
        {"hops": 2},
    ),
    FactTable.dataset: (
        lambda **sizes: [part.tolist() for part in FACTS.dataset(**sizes)],
        {"hops": 2, "hops_per_token": 1, "longest": 3},
    ),
    constructions.torch_dataset: (
        lambda **sizes: [part.tolist() for part in constructions.torch_dataset(FACTS, **sizes)[:]],
        {"hops": 2, "hops_per_token": 1, "longest": 3},
    ),
    Codebook.of: (lambda relation: Codebook.of(FACTS, relation=relation).tokens.tolist(), {"relation": 1}),
    Vocabulary: (shape_fields(Vocabulary), {"n_entities": 4, "n_relations": 2}),
    HeadShape: (shape_fields(HeadShape), {"d_qk": 4, "d_v": 2}),
    TransformerShape: (
        lambda **sizes: shape_fields(TransformerShape)(layers=(), **sizes),
        {"d_vocab": 4, "d_model": 2, "n_positions": 3, "repeats": 2},
    ),
    LayerShape: (lambda d_mlp: shape_fields(LayerShape)(d_mlp=(d_mlp,)), {"d_mlp": 3}),
    Holds: (held_words, {"words": 1}),
    Digits: (written_digits, {"base": 3, "digits": 2}),
    StandardShape: (shape_fields(StandardShape), DECODER),
    OneLayerShape: (shape_fields(OneLayerShape), ONE_LAYER),
    constructions.round_weights: (
        lambda **bits: constructions.round_weights(drawn(OneLayerShape(**ONE_LAYER), 0), **bits).state_dict(),
        {"bits": 6, "bias_bits": 9},
    ),
    constructions.fit: (trained, {"steps": 3, "warm_up": 1, "batch": 5, "every": 2}),
    Option: (shape_fields(lambda least: Option("n", "n", "", min, range, least)), {"least": 3}),
    # seeds and forms
    seed_into: (seeded, {"first_block": 1, "slack": 21}),
    constructions.widen: (widened, {"d_model": 30, "d_mlp": 20, "n_heads": 3, "n_layers": 2, "seed": 3}),
    NoisePrompts: (
        lambda **sizes: shape_fields(lambda **given: NoisePrompts(Vocabulary(4, 2), **given))(**sizes)[-2:],
        {"noise_tokens": 5, "length": 7},
    ),
    constructions.read_among_noise: (read, {"prompt_length": 9, "noise_tokens": 4}),
    attention_margin: (attention_margin, {"n_relations": 3, "beta": 3}),
    # bounds and formulas
    theorem_4_2.global_bound: (theorem_4_2.global_bound, bits := {"n_entities": 100, "n_relations": 3, "hops": 2, "embedding_bits": 5}),
    theorem_4_2.sharpened_global_bound: (theorem_4_2.sharpened_global_bound, bits),
    theorem_4_2.disjoint_trees_bound: (theorem_4_2.disjoint_trees_bound, bits),
    theorem_4_2.shared_leaves_bound: (theorem_4_2.shared_leaves_bound, bits),
    theorem_4_2.fact_aware_unembedding_bound: (theorem_4_2.fact_aware_unembedding_bound, bits | {"unembedding_bits": 5}),
    dimension.row_bound: (dimension.row_bound, {"n_entities": 100, "n_relations": 3, "hops": 2}),
    dimension.least_dimension: (
        dimension.least_dimension,
        {"n_entities": 100, "n_relations": 3, "coordinate_bits": 2, "hops": 2},
    ),
    dimension.least_dimension_beside: (
        dimension.least_dimension_beside,
        {"n_entities": 100, "n_relations": 3, "coordinate_bits": 2, "other_bits": 5, "hops": 2},
    ),
    reading.reading_bound: (reading.reading_bound, {"n_entities": 100, "n_relations": 3, "hops": 2, "d_model": 20, "entry_bits": 2}),
    functions.functions_bound: (
        lambda **given: functions.functions_bound(n_answers=[8, 9], **given),
        {"n_subjects": 100, "wrong": 5},
    ),
    imperfect.recall_bound: (imperfect.recall_bound, {"n_entities": 100, "n_relations": 3, "wrong": 5}),
    imperfect.imperfect_global_bound: (
        lambda **given: imperfect.imperfect_global_bound(**given, wrong_share=0.01), bits,
    ),
    imperfect.imperfect_sharpened_global_bound: (
        lambda **given: imperfect.imperfect_sharpened_global_bound(**given, wrong_share=0.01), bits,
    ),
    imperfect.imperfect_shared_leaves_bound: (
        lambda **given: imperfect.imperfect_shared_leaves_bound(**given, wrong_share=0.01), bits,
    ),
    average_error.average_global_bound: (
        lambda **given: average_error.average_global_bound(**given, wrong_share=0.01), bits,
    ),
    average_error.average_shared_leaves_bound: (
        lambda **given: average_error.average_shared_leaves_bound(**given, wrong_share=0.01), bits,
    ),
    sets_of_answers.sets_bound: (
        lambda **given: sets_of_answers.sets_bound(sizes=[[2, 3]], **given),
        {"n_entities": 100, "embedding_bits": 5, "answers": 50},
    ),
    sets_of_answers.tables_of_sets: (
        lambda **given: sets_of_answers.tables_of_sets(sizes=[2, 3], **given), {"answers": 100},
    ),
    theorem_4_2.every_bound: (theorem_4_2.every_bound, bits | {"unembedding_bits": 5}),
    theorem_4_2.information_limit: (theorem_4_2.information_limit, {"n_entities": 100, "n_relations": 3}),
    dimension.row_bound: (dimension.row_bound, tree := {"n_entities": 100, "n_relations": 3, "hops": 2}),
    dimension.least_dimension: (dimension.least_dimension, tree | {"coordinate_bits": 2}),
    dimension.least_dimension_beside: (dimension.least_dimension_beside, tree | {"coordinate_bits": 2, "other_bits": 5}),
    plans.require_listable: (plans.require_listable, {"n_relations": 3, "hops": 2}),
    plans.plans: (lambda **sizes: list(plans.plans(**sizes)), {"n_entities": 100, "n_relations": 3, "hops": 2}),
    separation.smallest_separation: (separation.smallest_separation, {"n_relations": 4, "hops": 3}),
    sizes.predicted: (lambda hops: sizes.predicted(CATALOGUE["key_value"], FACTS, hops), {"hops": 2}),
    sizes.table_values: (lambda hops: sizes.table_values(CATALOGUE["key_value"], FACTS, hops), {"hops": 2}),
    sizes.predicted_for_bijections: (
        lambda **given: sizes.predicted_for_bijections(CATALOGUE["key_value"], **given),
        {"n_entities": 100, "n_relations": 3, "hops": 100},
    ),
    sizes.bijection_values: (
        lambda **given: sizes.bijection_values(CATALOGUE["key_value"], **given),
        {"n_entities": 100, "n_relations": 3, "hops": 100},
    ),
    counting.count_tables: (counting.count_tables, {"n_entities": 3, "n_relations": 2, "hops": 2}),
    counting.disjoint_trees_family: (
        lambda **given: counting.disjoint_trees_family(**given).claimed,
        {"n_entities": 7, "n_relations": 2, "hops": 2, "roots": 1},
    ),
    counting.shared_leaves_family: (
        lambda **given: counting.shared_leaves_family(**given).claimed,
        {"n_entities": 5, "n_relations": 2, "hops": 2, "roots": 1},
    ),
    counting.fact_aware_family: (
        lambda **given: counting.fact_aware_family(**given).claimed,
        {"n_entities": 14, "n_relations": 2, "i": 0, "j": 1, "roots": 4, "targets": 2},
    ),
}  # fmt: skip
"""Each public function with integer arguments: something to call, and values for all of its
integers.
"""

ELSEWHERE = {"add_noise", "normalize", "standard", "save"} | {
    *("argmax", "capped_tree", "require_tree", "rounded_down", "whole_sizes"),
    *("Sizing", "Symbols", "require_exact", "sizing_at"),
    *("require_countable", "largest_term", "log2_served", "log2_served_on_average", "power"),
}
"""Their integers are read by functions of the table: `widen`, `seed_into`, the bounds; or computed
by formulas and builders; or tested where a folder is written (`tests/test_shards.py`).
"""
