"""Every integer argument takes every kind of integer, and no truth value, fraction or text."""

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch

import bounds
import constructions
from bounds import (
    average_error,
    counting,
    dimension,
    functions,
    imperfect,
    separation,
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
    InputError,
    NoisePrompts,
    OneLayerShape,
    Option,
    Space,
    StandardDecoder,
    StandardShape,
    Vocabulary,
)
from constructions.decoders.seeding import seed_into
from constructions.guards.integers import declares_integers, takes_integers, whole
from constructions.learning.beginnings import drawn
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.saved.builders import builder_named
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


class Index:
    """An integer of a type that nobody knows."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


KINDS = [int, np.int8, np.int64, np.uint16, np.array, torch.tensor, Index]
NOT_INTEGERS = [
    True,
    np.True_,
    torch.tensor(True),
    2.5,
    2.0,
    np.float64(2),
    "2",
    None,
    [2],
    np.array([2, 3]),
]


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
    constructions.precomputed: (weights(constructions.precomputed), {"hops": 2, "layers": 1}),
    constructions.hybrid: (weights(constructions.hybrid), {"hops": 2, "looked_up": 1}),
    constructions.meet_in_the_middle: (weights(constructions.meet_in_the_middle), {"hops": 2}),
    constructions.chain_of_thought: (weights(constructions.chain_of_thought), {"max_hops": 3, "hops_per_token": 2}),
    # tables, codes, shapes
    FactTable.random_bijections: (FactTable.random_bijections, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_functions: (FactTable.random_functions, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_disjoint: (FactTable.random_disjoint, {"entities": 100, "relations": 3, "seed": 5}),
    FactTable.random_worlds: (FactTable.random_worlds, {"worlds": 3, "size": 30, "relations": 3, "seed": 5}),
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

ELSEWHERE = {"add_noise", "normalize", "standard"} | {
    *("argmax", "capped_tree", "require_tree", "rounded_down", "whole_sizes"),
    *("Sizing", "Symbols", "require_exact", "sizing_at"),
    *("require_countable", "largest_term", "log2_served", "log2_served_on_average", "power"),
}
"""Their integers are read by functions of the table: `widen`, `seed_into`, the bounds; or computed
by formulas and builders.
"""


def public_functions():
    """What the library plans: the names of `constructions`, the builders, and the functions of
    `bounds`.
    """
    yield from (getattr(constructions, name) for name in constructions.__all__)
    yield from (builder_named(entry.builder_name) for entry in CATALOGUE.values())
    for info in pkgutil.iter_modules(bounds.__path__):
        module = importlib.import_module(f"bounds.{info.name}")
        for name, value in vars(module).items():
            if (
                inspect.isfunction(value)
                and value.__module__ == module.__name__
                and not name.startswith("_")
            ):
                yield value
    yield from (
        FactTable.random_bijections,
        FactTable.random_functions,
        FactTable.random_disjoint,
        FactTable.random_worlds,
        FactTable.dataset,
        Codebook.of,
    )


def takes_an_integer(function):
    if dataclasses.is_dataclass(function):
        return any(declares_integers(field.type) for field in dataclasses.fields(function))
    if inspect.isclass(function):
        return False
    parameters = inspect.signature(function).parameters.values() if callable(function) else ()
    return any(declares_integers(parameter.annotation) for parameter in parameters)


def test_every_public_function_with_an_integer_argument_is_in_the_table():
    results = {
        "Bound",
        "Costs",
        "Fitted",
        "Sizes",
        "TensorBits",
        "Budget",
        "Construction",
        "Option",
        "Step",
        "Enclosure",
    }
    # see the steps below
    within = {"log2", "log2_factorial", "log2_falling", "natural_bits", "signed_bits"}
    for function in public_functions():
        name = getattr(function, "__name__", "")
        if takes_an_integer(function) and name not in results | within | ELSEWHERE:
            assert function in CALLS, f"{function} takes integers"


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)
def test_every_kind_of_integer_gives_the_same(function):
    call, given = CALLS[function]
    wanted = call(**given)
    for kind in KINDS[1:]:
        same(
            call(**{name: kind(value) if value < 128 else value for name, value in given.items()}),
            wanted,
        )


def same(found, wanted):
    if isinstance(wanted, dict) and all(
        isinstance(value, torch.Tensor) for value in wanted.values()
    ):
        assert all(torch.equal(found[name], value) for name, value in wanted.items())
    elif isinstance(wanted, tuple) and isinstance(wanted[0], dict):
        same(found[0], wanted[0])
    else:
        assert found == wanted


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)
def test_what_is_no_integer_is_refused_by_name(function):
    call, given = CALLS[function]
    for name in given:
        for value in NOT_INTEGERS:
            if value is None and may_be_none(function, name):
                continue
            with pytest.raises(InputError, match=f"{name} must be an integer"):
                call(**given | {name: value})


def may_be_none(function, name):
    """Where None stands for a default."""
    if function in (LayerShape, Codebook.of):
        return function == Codebook.of
    fields = (
        {f.name: f.type for f in dataclasses.fields(function)}
        if dataclasses.is_dataclass(function)
        else {}
    )
    annotations = fields or {
        n: p.annotation for n, p in inspect.signature(function).parameters.items()
    }
    return "None" in str(annotations[name])


STEPS = [
    ("logarithms", "log2"),
    ("logarithms", "log2_factorial"),
    ("grids", "natural_bits"),
    ("grids", "signed_bits"),
]


@pytest.mark.parametrize(("module", "name"), STEPS)
def test_steps_of_the_bounds_and_of_the_accounting_as_well(module, name):
    step = getattr(importlib.import_module(f"bounds.{module}"), name)
    assert step(np.int64(2000)) == step(2000) == step(Index(2000))
    with pytest.raises(InputError, match="must be an integer"):
        step(2.5)


def test_options_by_name_are_integers_too():
    entry = CATALOGUE["hybrid"]
    given = entry.build(FACTS, np.int64(2), {"looked_up": np.int64(2)})
    assert given.recipe == entry.build(FACTS, 2, {"looked_up": 2}).recipe
    assert type(given.recipe.options["looked_up"]) is int
    with pytest.raises(InputError, match=r"looked_up must be an integer; got 1\.5"):
        entry.build(FACTS, 2, {"looked_up": 1.5})
    with pytest.raises(InputError, match="looked_up must be an integer"):
        entry.settings(3, 2, {"looked_up": "1"})


@pytest.mark.parametrize("flag", ["yes", None, 2, 1.0, [True]])
def test_a_flag_is_a_truth_value(flag):
    with pytest.raises(InputError, match="share_layers must be True or False"):
        constructions.key_value(FACTS, 2, share_layers=flag)
    assert (
        constructions.key_value(FACTS, 2, share_layers=np.True_).recipe.options["share_layers"]
        is True
    )


def test_a_range_is_reported_with_both_ends():
    assert whole("seed", np.uint64(2**63), 0, 2**64) == 2**63
    for value, least, most, message in (
        (-1, 0, None, "seed must be an integer of at least 0; got -1"),
        (9, 0, 8, "seed must be an integer from 0 to 8; got 9"),
        (1.5, None, None, "seed must be an integer; got 1.5"),
        (-(10**5000), 0, None, "seed must be an integer of at least 0; got -1.00e+5000"),
    ):
        with pytest.raises(InputError) as error:
            whole("seed", value, least, most)
        assert str(error.value) == message


def test_a_wrong_call_is_reported_by_python():
    @takes_integers
    def function(n: "int"):
        return n

    with pytest.raises(TypeError, match="function"):
        function(m=1)


def test_more_hops_than_python_writes_out_are_reported_all_the_same():
    with pytest.raises(InputError, match=r"3\^1\.00e\+5000 paths of 1\.00e\+5000 hops"):
        FACTS.n_queries(10**5000)
