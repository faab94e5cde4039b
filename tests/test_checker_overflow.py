"""Whether a module overflows or rounds: bounded column by column, so that right models of many
hops are found exact.
"""

import math
import random
from unittest import mock

import numpy as np
import pytest
import torch
from hand_made import files_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import all_queries

from constructions import CATALOGUE, DoesNotFit, FactTable, key_value, selector
from constructions.following.largest import largest_number
from verify.cells.cell import Cell
from verify.cells.verifying import build, run_cell
from verify.checking import check as checking
from verify.checking import described
from verify.checking.check import check_files
from verify.symbolic import passes, proof, reading, rounding
from verify.symbolic.values import Sizes

MEMORIES = ["key_value", "key_value_shared", "key_value_rows", "key_value_rows_shared"]
MANY_HOPS = [name for name, entry in CATALOGUE.items() if entry.multi_hop]


def noted_of(files):
    """What a proof has noted of sums, with its bound on all numbers of a forward pass, and what it
    has found.
    """
    noted = []

    class Noted(rounding.Rounding):
        def reason(self, model, tokens):
            noted.append((self.peak, rounding.largest_bits(model, tokens, self.highest)))
            return super().reason(model, tokens)

    with mock.patch.object(proof, "Rounding", Noted):
        found = proof.prove(files, described.read_manifest(files))
    return *noted[0], found


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_of_many_hops_are_found_exact(name):
    """Hops, sizes and facts are other ones in each run."""
    seed = random.getrandbits(32)
    rng = np.random.default_rng(seed)
    for hops in rng.integers(5, 40, size=3).tolist():
        n, r = int(rng.integers(2, 20)), int(rng.integers(1, 4))
        facts = FactTable.random_bijections(n, r, seed)
        try:
            model = build(CATALOGUE[name], facts, hops)
        except DoesNotFit:  # the builder's own bound leaves float64
            continue
        found = check_files(files_of(model), "symbolic")
        reported = f"seed {seed}: {name} N={n} R={r} k={hops}: {found}"
        assert (found.verdict, found.exact, found.rounds) == (
            "PASS",
            str(model.embedding.weight.dtype)[6:],
            "",
        ), reported


@pytest.mark.parametrize(
    ("name", "n", "r", "k"),
    [("key_value_rows_shared", 16, 2, 7), ("key_value_rows", 16, 2, 8), ("key_value", 16, 2, 10)],
)
def test_where_one_scale_for_all_columns_was_too_coarse(name, n, r, k, monkeypatch):
    """The control: with one scale the bound leaves float32, though weights and
    numbers are small.
    """
    files = files_of(CATALOGUE[name].build(FactTable.random_bijections(n, r, seed=0), k))
    assert check_files(files, "symbolic").exact == "float32"
    small = Sizes.small

    def one_scale(sizes):
        few = small(sizes)
        scale = int(few.scale[few.sizes > 0].max(initial=0))
        return Sizes(-(-few.sizes >> np.clip(scale - few.scale, 0, 62)), scale)

    monkeypatch.setattr(Sizes, "small", one_scale)
    monkeypatch.setitem(rounding.FINITE, "float32", 120)  # as it was then
    found = check_files(files, "symbolic")
    assert (found.verdict, found.exact) == ("PASS", None)
    assert "numbers of a forward pass may reach" in found.rounds


@settings(max_examples=15)
@given(
    st.sampled_from(MANY_HOPS),
    st.integers(2, 6),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_no_number_of_a_forward_pass_is_larger_than_its_bound(name, n, r, k, seed):
    """All positions of all queries, in float64; and the bound is not the builder's, which is
    computed otherwise.
    """
    facts = FactTable.random_bijections(n, r, seed)
    model = CATALOGUE[name].build(facts, k, dtype=torch.float64)
    _, bits, found = noted_of(files_of(model))
    assert found.verdict == "PASS"
    subjects, paths = (part[:: max(1, len(part) // 50)] for part in all_queries(facts, k))
    tokens, _ = model.training_examples(subjects, paths)
    trace = model.trace(tokens)
    assert max(x.abs().max().item() for x in trace.residual.values()) < 2.0**bits
    assert bits <= math.log2(largest_number(model)) + 2


# ---------------------------------------------------------------- controls: what does round, or
# overflows


@pytest.mark.parametrize(
    "name", ["selector", "key_value", "key_value_rows", "precomputed", "chain_of_thought"]
)
def test_enlarged_weights_are_exact_below_the_limit_of_the_dtype_and_not_at_it(name):
    """Rows of the unembedding, enlarged until a sum really passes 2^24."""
    entry = CATALOGUE[name]
    facts = FactTable.random_bijections(6, 2, seed=0)
    model = entry.build(facts, 2 if entry.multi_hop else 1)
    peak, _, found = noted_of(files_of(model))
    assert found.exact == "float32"
    below = 2 ** (24 - peak.bit_length())
    with torch.no_grad():
        model.unembedding.weight *= below
        found = check_files(files_of(model), "symbolic")
        assert (found.verdict, found.exact, found.rounds) == ("PASS", "float32", "")
        model.unembedding.weight *= 2
    found = check_files(files_of(model), "symbolic")
    assert (found.verdict, found.exact) == ("PASS", None)
    assert found.rounds.startswith("sums may reach ")
    assert found.rounds.endswith("and float32 is exact below 2^24")


def test_a_model_that_overflows_at_a_position_of_the_prompt_is_not_called_exact(monkeypatch):
    """The builder refuses it; made all the same, it answers with no number."""
    facts = FactTable.random_bijections(16, 2, seed=0)
    with pytest.raises(DoesNotFit, match="at positions of the prompt numbers may reach"):
        key_value(facts, 10, dtype=torch.float16)
    monkeypatch.setattr(
        "constructions.writing.position_reading._require_no_overflow", lambda model: None
    )
    model = key_value(facts, 10, dtype=torch.float16)
    found = check_files(files_of(model), "symbolic")
    assert (found.verdict, found.exact) == ("PASS", None)
    assert found.rounds.startswith("numbers of a forward pass may reach 2^")
    tokens, _ = model.training_examples(np.array([0]), np.zeros((1, 10), np.int64))
    assert model(tokens)[0, -1].isnan().any()


def test_a_right_model_of_which_exactness_is_not_proven_is_unknown_with_the_reason(monkeypatch):
    cell = Cell("key_value_rows_shared", 4, 2, 3)
    assert run_cell(cell).verdict == "PASS"
    monkeypatch.setitem(rounding.FINITE, "float32", 5)
    monkeypatch.setattr(checking, "MOST_WORK", -1)  # the symbolic checker alone
    result = run_cell(cell)
    assert (result.verdict, result.wrong, result.proof.proven.verdict) == ("UNKNOWN", 0, "PASS")
    assert result.reason.startswith("no rounding is claimed (at least 2 in real arithmetic")
    assert "numbers of a forward pass may reach 2^" in result.reason
    assert len(result.reason) < 400


def test_a_model_whose_proof_stops_is_unknown_and_a_refuted_one_fails(monkeypatch):
    cell = Cell("selector", 4, 2)
    with monkeypatch.context() as patch:
        patch.setattr(passes, "MOST_CASES", 1)
        patch.setattr(checking, "MOST_WORK", -1)  # the symbolic checker alone
        patch.setattr(checking, "MOST_WORK_ALONE", -1)
        result = run_cell(cell)
    assert (result.verdict, result.wrong, result.proof.proven.verdict) == ("UNKNOWN", 0, "UNKNOWN")
    monkeypatch.setattr(described, "FORMAT", 1)
    result = run_cell(cell)
    assert (result.verdict, result.proof.proven.verdict) == ("FAIL", "FAIL")


# ---------------------------------------------------------------- what a folder can make the
# checker hold


def test_a_table_that_is_larger_than_the_weights_is_undecided(monkeypatch):
    files = files_of(selector(FactTable.random_bijections(4, 3, seed=0)))
    monkeypatch.setattr(reading, "LEAST_ROOM", 14)  # of 3 x 5 numbers, beside thousands of weights
    monkeypatch.setattr(reading, "stored_numbers", lambda tensors: 0)
    found = check_files(files, "symbolic")
    assert (found.verdict, found.reason) == (
        "UNKNOWN",
        "the table of facts takes 15 numbers, and 14 may be held",
    )
