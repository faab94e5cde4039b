"""Evidence is stored as strict JSON, and what is read back equals it in every bit."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiers import few

from constructions import CATALOGUE, FactTable, InputError, selector
from verify.attacking import jobs as attacks
from verify.attacking.attack import Tally
from verify.cells import jobs as cells
from verify.cells.cell import FORM_NAMES, Cell
from verify.cells.evidence import Ended
from verify.cells.results import CellResult
from verify.cells.verifying import run_cell, verify_facts
from verify.kernel.verdict import Verdict as Proven
from verify.queries.answers import Recall
from verify.runner.stored import decode, encode


def same(one, other):
    """Whether two values are equal in type and in every bit; NaN is NaN, and 0 is not -0."""
    if type(one) is not type(other):
        return False
    if dataclasses.is_dataclass(one):
        names = [f.name for f in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return one.hex() == other.hex()
    return one == other


def returned(value):
    """What is read back of a value's JSON text, which is strict, and of one line."""
    text = json.dumps(encode(value), allow_nan=False)
    assert "\n" not in text
    return decode(type(value), json.loads(text, parse_constant=pytest.fail))


TEXTS = st.text(st.characters(exclude_categories=()))  # lone surrogates too
PLAIN = {
    bool: st.booleans(),
    str: TEXTS,
    int: st.integers() | st.integers().map(lambda n: n * 2**20_000),
    float: st.floats() | st.sampled_from([math.inf, -math.inf, math.nan, -0.0]),
    Fraction: st.fractions(),
    type(None): st.none(),
}


def values(kind):
    """Values of a type; of a dataclass without what is not stored."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind) if f.compare]
        return st.builds(kind, **{name: values(hints[name]) for name in names})
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is not ...:
        return st.tuples(*map(values, inner))
    if origin in (tuple, list):
        return st.lists(values(inner[0]), max_size=3).map(origin)
    if origin is Mapping:
        return st.dictionaries(TEXTS, values(inner[1]), max_size=3)
    return st.one_of(map(values, inner))


@given(values(CellResult) | values(Tally))
def test_every_evidence_returns_in_every_bit(evidence):
    assert same(returned(evidence), evidence)


def multi_hop(name, **others):
    return Cell(name, 5, 3, 2 if CATALOGUE[name].multi_hop else 1, **others)


@pytest.mark.parametrize("by", ["both", "proof"])
@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_found_of_each_construction_returns(name, by):
    found = run_cell(multi_hop(name), by=by)
    assert found.proof is not None
    assert same(returned(found), found)
    assert str(returned(found)) == str(found)


@pytest.mark.parametrize("form", few(FORM_NAMES, "basis", "standard"))
@pytest.mark.parametrize("name", few(CATALOGUE, "selector", "chain_of_thought"))
def test_what_is_found_of_each_form_returns(name, form):
    found = run_cell(multi_hop(name, form=form))
    assert same(returned(found), found)


@pytest.mark.parametrize(
    "cell",
    [
        Cell("selector", 5, 3, 2),
        Cell("selector", 2**40, 2**40),
        Cell("meet_in_the_middle", 4, 2, 2, facts="partial"),
        Cell("chain_of_thought", 3, 2, 2, options=(("max_hops", 3), ("hops_per_token", 2))),
        Cell("selector", 5, 3, dtype="float16"),
        Cell("nobody's", 5, 3),
    ],
    ids=str,
)
def test_what_is_found_of_cells_that_end_otherwise_returns(cell):
    found = run_cell(cell)
    assert same(returned(found), found)


# ------------------------------------------------------------------ what is refused


def test_a_construction_that_was_handed_over_is_refused_in_a_sentence():
    found, _ = verify_facts(CATALOGUE["selector"], FactTable.random_bijections(4, 2, seed=0))
    with pytest.raises(InputError, match="CellResult cannot be stored: cell: given is Construct"):
        encode(found)


@dataclass(frozen=True)
class Example:
    """Every type that is stored, once; `label` is no part of the value."""

    truth: bool = True
    number: int = 1
    share: float = 0.5
    exact: Fraction = Fraction(1, 3)
    word: Literal["a", "b"] = "a"
    some: tuple[int, ...] = (1, 2)
    pair: tuple[str, int] = ("x", 1)
    many: list[float] = field(default_factory=lambda: [1.0])
    named: Mapping[str, int] = field(default_factory=lambda: {"one": 1})
    either: Recall | str = "why"
    perhaps: int | str | None = None
    wide: Literal["a"] | Literal["z"] | None = "z"
    label: Any = field(default=None, compare=False)


WRONG = {
    "truth": [1, 0, "true", None],
    "number": [True, 1.0, "1", None, 2**53, "0x1", "0x_1", "1x0", "0X20000000000000"],
    "share": [1, True, "0.5", "Infinity", "NaN", None],
    "exact": [1, "1/3", [1, 0], [2, 6], [1, -3], [1], [1, 3, 1], [True, 3]],
    "word": ["c", None, 1, ["a"]],
    "some": [1, None, {"0": 1}, [1, "2"], [[1]]],
    "pair": [["x"], ["x", 1, 1], [1, "x"], "x1"],
    "many": [[1], [None], {}, None],
    "named": [[["one", 1]], {"one": 1.0}, None],
    "either": ["why", None, {}, {"int": 1}, {"str": 1}, {"str": "a", "Recall": {}}],
    "perhaps": [1, "a", {"NoneType": None}, {"bool": True}],
    "wide": ["b", 1],
}


def test_the_example_returns_and_has_a_wrong_value_of_each_field():
    assert same(returned(Example()), Example())
    assert WRONG.keys() == {f.name for f in dataclasses.fields(Example)} - {"label"}


@pytest.mark.parametrize("name", WRONG)
def test_data_of_another_type_is_refused_with_its_place(name):
    for wrong in WRONG[name]:
        with pytest.raises(InputError, match=f"no stored Example: {name}"):
            decode(Example, {**encode(Example()), name: wrong})


VALUES = {
    "truth": [1, None],
    "number": [True, 1.0, "1"],
    "share": [1, True],
    "exact": [1, 0.5],
    "word": ["c", True],
    "some": [[1, 2], (1, True)],
    "pair": [("x", 1, 1), ["x", 1]],
    "many": [(1.0,), [1]],
    "named": [{1: 1}, {"one": True}, [1]],
    "either": [None, 1],
    "perhaps": [1.0, True],
    "wide": ["y"],
    "label": ["anything"],
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_another_type_than_declared_is_refused_when_it_is_written(name):
    for wrong in VALUES[name]:
        with pytest.raises(InputError, match=f"Example cannot be stored: {name}"):
            encode(replace(Example(), **{name: wrong}))


def test_fields_that_are_missing_or_more_are_refused():
    data = encode(Ended("why"))
    with pytest.raises(InputError, match="Ended has other fields: 'more'"):
        decode(Ended, {**data, "more": 1})
    del data["why"]
    with pytest.raises(InputError, match="Ended has other fields: 'why'"):
        decode(Ended, data)
    with pytest.raises(InputError, match="not of the type dict"):
        decode(Ended, [1])


def test_an_integer_of_any_size_and_a_fraction_of_many_digits_return():
    huge = 7**10_000
    proven = Proven("PASS", queries=huge, margin=Fraction(huge, 3), real_margin=Fraction(1, huge))
    assert returned(proven) == proven
    assert json.loads(json.dumps(encode(Recall(queries=2**53 - 1))))["queries"] == 2**53 - 1
    assert encode(Recall(queries=-(2**53)))["queries"] == "-0x20000000000000"


@dataclass(frozen=True)
class Unstorable:
    what: set


def test_a_type_that_is_not_stored_is_named():
    with pytest.raises(InputError, match="there is no way to store set"):
        encode(Unstorable({1}))
    with pytest.raises(InputError, match="there is no way to store"):
        encode(selector(FactTable.random_bijections(2, 1, seed=0)))


# ------------------------------------------------------------------ what a job is described by


def test_a_cell_and_attacks_are_known_again_by_what_describes_them():
    cell = Cell("hybrid", 5, 3, 2, "partial", (("looked_up", 1),), 7, "float64", "full", "basis")
    said = json.loads(json.dumps(cells.describe(cell)))
    assert cells.described(said) == cell
    made = attacks.Attacks("", "digest", "flips", 3, 2, 50, "own.py:mine")
    said = json.loads(json.dumps(attacks.describe(made)))
    assert attacks.described(said) == made


@pytest.mark.parametrize("module", [cells, attacks], ids=["cells", "attacks"])
def test_what_describes_no_job_is_refused(module):
    for said in ({}, {"options": []}, {"options": {}, "odd": 1}, {"kind": "flips"}):
        with pytest.raises(InputError, match="described by"):
            module.described(said)
