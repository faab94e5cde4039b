"""Wrong accounts of a model's bits, written out here, are caught."""

from dataclasses import replace
from fractions import Fraction

import pytest
from accounts import measured_equals_formula

from bounds.capacity import EMBEDDING, UNEMBEDDING, Capacity, TensorBits
from bounds.grids import Grid, grid_of
from constructions import FactTable, selector
from verify.queries import capacity as module
from verify.queries.capacity import capacity, format_of


def inside(counted):
    """B_T of other tensors than those beside the embedding and the unembedding."""
    return property(
        lambda found: (
            sum(cost.bits for name, cost in found.tensors.items() if counted(name))
            + found.description
        )
    )


def otherwise(change):
    """`capacity`, but for the fields that `change` gives of what is found and of the model."""
    return lambda model, within=None: replace(
        right := capacity(model, within), **change(right, model)
    )


def on_another_grid(change):
    """`grid_of`, but for the fields that `change` gives of the grid."""
    return lambda pieces: replace(right := grid_of(pieces), **change(right))


def without_zeros(found, model):
    return {
        "tensors": {
            name: replace(found.tensors[name], entries=int((parameter != 0).sum()))
            for name, parameter in model.named_parameters()
        }
    }


BESIDE = (EMBEDDING, UNEMBEDDING)
WRONG = {
    "positions are forgotten": (
        Capacity,
        "internal_bits",
        inside(lambda name: name.startswith("layers")),
    ),
    "attention is forgotten": (
        Capacity,
        "internal_bits",
        inside(lambda name: "attention" not in name and name not in BESIDE),
    ),
    "MLPs are forgotten": (
        Capacity,
        "internal_bits",
        inside(lambda name: "mlp" not in name and name not in BESIDE),
    ),
    "the unembedding is internal": (
        Capacity,
        "internal_bits",
        inside(lambda name: name != EMBEDDING),
    ),
    "the embedding is internal": (
        Capacity,
        "internal_bits",
        inside(lambda name: name != UNEMBEDDING),
    ),
    "a bit for each entry": (TensorBits, "bits", property(lambda cost: cost.entries)),
    "the whole embedding for a row of it": (
        Capacity,
        "embedding_bits",
        property(lambda found: found.tensors[EMBEDDING].bits),
    ),
    "rows of the unembedding like those of the embedding": (
        Capacity,
        "unembedding_bits",
        Capacity.embedding_bits,
    ),
    "a width is one bit short": (
        Grid,
        "width",
        property(lambda grid: max(grid.steps.bit_length() - 1, 0)),
    ),
    "a grid has the spacing of integers": (
        module,
        "grid_of",
        on_another_grid(lambda grid: {"steps": grid.steps << max(grid.spacing, 0)}),
    ),
    "steps are counted from zero": (
        module,
        "grid_of",
        on_another_grid(
            lambda grid: {"steps": grid.steps + int(grid.low / Fraction(2) ** grid.spacing)}
        ),
    ),
    "zeros are free": (module, "capacity", otherwise(without_zeros)),
    "the last tensors are forgotten": (
        module,
        "capacity",
        otherwise(lambda found, _: {"tensors": dict(list(found.tensors.items())[:-2])}),
    ),
    "a format is described in the model too": (
        module,
        "capacity",
        otherwise(lambda _, model: {"description": module.description_bits(format_of(model))}),
    ),
    "every model is in another format": (
        module,
        "capacity",
        otherwise(lambda *_: {"outside": "elsewhere"}),
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_account_is_caught(wrong, monkeypatch):
    monkeypatch.setattr(*WRONG[wrong])
    with pytest.raises((AssertionError, KeyError)):
        accounts_for_everything()


def test_the_right_account_holds():
    accounts_for_everything()
    assert isinstance(capacity(selector(FactTable([[0, 1]]))), Capacity)


def accounts_for_everything():
    for name in ("selector", "key_value", "key_value_rows_shared", "chain_of_thought"):
        measured_equals_formula(name, FactTable.random_bijections(9, 3), 1, {})
