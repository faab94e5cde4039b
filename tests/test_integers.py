"""Every integer argument takes every kind of integer, and no truth value, fraction or text."""

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
import torch
from integer_calls import CALLS, ELSEWHERE, FACTS

import bounds
import constructions
from constructions import (
    CATALOGUE,
    Codebook,
    FactTable,
    InputError,
)
from constructions.guards.integers import declares_integers, takes_integers, whole
from constructions.model.shapes import LayerShape
from constructions.saved.builders import builder_named


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
        FactTable.path_star,
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
        "Update",
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
