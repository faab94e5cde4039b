"""Constructions in other tools: each export is loaded by the other tool and asked every query there.

A test is skipped where its tool is not installed, unless EXPORT_TOOLS_REQUIRED is set, as in
.ci/run.
"""

import dataclasses
import json

import numpy as np
import pytest
import torch
from export_tools import DTYPES, EVERY_TOOL, itself, needs, run_by
from hand_made import built

from constructions import (
    CATALOGUE,
    InputError,
    StandardDecoder,
    change_basis,
    standard,
    widen,
)
from constructions.decoders.seeding import seed_into
from constructions.export import export
from constructions.export.scale import MOST_WRONG
from constructions.model.transformer import Transformer
from verify.queries.exported import MOST_ASKED, ask, export_and_ask


@EVERY_TOOL
@pytest.mark.parametrize("dtype", list(DTYPES))
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_query_is_answered_right_in_the_other_tool(
    name, dtype, tool, tmp_path, record_property
):
    partial = dtype == "float64" and CATALOGUE[name].missing
    model = built(name, 5, 3, hops=2, partial=partial, dtype=DTYPES[dtype])
    asked = export_and_ask(model, tool, tmp_path / "out")
    record_property("difference", asked.difference)
    assert asked.right, asked.lines(tool)
    every = sum(5 * 3**k for k in ([1, 2] if model.hops_per_token else [model.hops]))
    claimed = (model.facts.answers != -1).sum() if model.stored_only else every
    assert asked.queries == asked.all_queries == claimed == every - asked.not_claimed
    assert asked.dtype == dtype
    # its softmax alone rounds
    assert asked.allowed < (1e-3 * asked.scale if name == "attention_selector" else 1e-99)
    assert asked.difference <= asked.allowed
    assert asked.wrong_probability < MOST_WRONG
    assert asked.margin >= asked.least_margin > 15


@EVERY_TOOL
def test_a_chain_of_several_hops_a_token_is_continued_in_the_other_tool(tool, tmp_path):
    model = built("chain_of_thought", 4, 2, hops=3, partial=True, given={"hops_per_token": 2})
    asked = export_and_ask(model, tool, tmp_path / "out")
    assert asked.right
    assert asked.queries == 4 * (2 + 4 + 8)


@EVERY_TOOL
def test_a_trained_model_with_weights_of_all_kinds_has_the_same_logits_in_the_other_tool(tool):
    """Weights that are no integers, so that a term that is left out shows in every logit."""
    decoder = standard(built("hybrid", 5, 2, dtype=torch.float64))
    decoder.reset_parameters(0.3)
    tokens = torch.arange(decoder.shape.d_vocab)[:, None].roll(1) * torch.ones(
        1, 3, dtype=torch.int64
    )
    tokens[:, 1:] = torch.randint(decoder.shape.d_vocab, (len(tokens), 2))
    there = run_by(tool, decoder)(tokens)
    assert there.dtype == torch.float64
    torch.testing.assert_close(there, decoder(tokens).detach(), rtol=1e-9, atol=1e-9)


@EVERY_TOOL
def test_logits_are_the_decoders_times_a_power_of_two_and_tied_tables_stay_tied(tool):
    for model in (built("selector", 5, 2), standard(built("selector", 5, 2), tied=True)):
        tokens = torch.tensor([[s, r] for s in range(5) for r in (5, 6)])
        assert torch.equal(run_by(tool, model, margin=None)(tokens), model(tokens).detach() * 8)
        assert torch.equal(run_by(tool, model, margin=4)(tokens), model(tokens).detach() * 2)


@EVERY_TOOL
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_norms_travel_or_are_refused(norm, tool):
    model = built("selector", 5, 2, dtype=torch.float64)
    for placement in ("pre", "post"):
        decoder = standard(model, norm=norm, placement=placement, tied=placement == "post")
        decoder.reset_parameters(0.3)
        for gain in decoder.norms():
            torch.nn.init.normal_(gain.weight)
        if tool == "transformerlens":
            with pytest.raises(InputError, match="without norms"):
                run_by(tool, decoder)
            continue
        tokens = torch.randint(decoder.shape.d_vocab, (6, 2))
        torch.testing.assert_close(
            run_by(tool, decoder)(tokens), decoder(tokens).detach(), rtol=1e-9, atol=1e-9
        )


def test_asking_notices_other_facts_other_logits_and_no_numbers():
    model = built("selector", 5, 2)
    assert ask(itself(model), model, allowed=0).right
    other = ask(itself(built("selector", 5, 2, seed=2)), model, allowed=1)
    assert other.wrong > 0
    assert not other.right
    shifted = ask(lambda tokens: model(tokens).detach() + 0.25, model, allowed=0)
    assert (shifted.wrong, shifted.difference, shifted.right) == (0, 0.25, False)
    assert ask(lambda tokens: model(tokens).detach() + 0.25, model, allowed=0.5).right
    near = ask(
        itself(model), model, allowed=1.5
    )  # another order of summation may be off by 4 times half of that: 3 > 2
    assert (near.wrong, near.unknown, near.verdict, near.right) == (
        0,
        near.queries,
        "UNKNOWN",
        False,
    )
    reported = f"UNKNOWN: {near.queries} queries asked in onnx, 0 wrong, {near.queries} undecided"
    assert near.lines("onnx")[0].startswith(reported)

    def shifted_at_the_subject(tokens):
        return torch.cat([model(tokens)[:, :1] + 1, model(tokens)[:, 1:]], 1).detach()

    assert ask(shifted_at_the_subject, model, allowed=0).difference == 0, (
        "nothing is claimed of positions that do not answer"
    )
    nan = ask(lambda tokens: model(tokens).detach() * torch.nan, model, allowed=1)
    assert nan.wrong == nan.queries
    assert not nan.right
    assert json.loads(nan.as_json("onnx"))["difference"] is None
    tied = ask(lambda tokens: model(tokens).detach() * 0, model, allowed=1)
    assert tied.wrong == tied.queries


def test_asking_notices_another_dtype():
    model = built("selector", 5, 2, dtype=torch.float64)
    asked = ask(lambda tokens: model(tokens).detach().float(), model, allowed=0)
    assert (asked.wrong, asked.difference, asked.other_dtype, asked.right) == (
        0,
        0.0,
        "float32",
        False,
    )
    assert "computes in float32" in asked.lines("onnx")[0]


def test_a_chain_is_continued_with_what_the_other_tool_says(family):
    dora, end = 3, family.vocabulary.special("end")
    fed = []

    def says(token, score):
        def run(tokens):
            fed.append(tokens[:, -1])
            return family(tokens).detach().index_fill(-1, torch.tensor([token]), score)

        return run

    for token, score in ((dora, 99.0), (end, 99.0), (end, -99.0)):
        asked = ask(says(token, score), family, allowed=1)
        assert asked.wrong == asked.queries
    assert bool((fed[1] == dora).all())


def test_of_many_queries_a_sample_is_asked_and_reported():
    model = built("scalar_selector", 700, 7)
    asked = ask(itself(model), model, allowed=0)
    assert (asked.queries, asked.all_queries, asked.right) == (MOST_ASKED, 4900, True)
    assert "drawn from 4,900" in asked.lines("onnx")[0]


def not_exported():
    """Forms of a construction that have no standard decoder yet, and things that are none."""
    model = built("selector", 5, 2)
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(model.shape.d_model,) * 2))
    target = Transformer(dataclasses.replace(model.shape, d_model=30, d_vocab=20))
    yield from (
        change_basis(model, q),
        widen(model, 20, 20, 2, 2),
        widen(model, 20, 20, 2, 2, noise=1e-3, seed=0),
    )
    yield from (seed_into(target, model), widen(built("chain_of_thought"), 99, 99, 4, 2))
    yield from (
        torch.nn.Linear(2, 2),
        None,
        model.state_dict(),
        "selector",
        StandardDecoder(standard(model).shape),
    )


@EVERY_TOOL
def test_what_cannot_be_exported_is_refused_by_name_and_what_can_be_is_said(tool, tmp_path):
    for other in not_exported():
        with pytest.raises(
            InputError, match=f"a {type(other).__name__} cannot be exported: .* standard decoder"
        ):
            export(other, tool, tmp_path / "out")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=needs(tool)) for tool in ("transformerlens", "huggingface")]
)
def test_narrow_dtypes_stay_as_they_are(dtype, tool, tmp_path):
    asked = export_and_ask(built("scalar_selector", 5, 2, dtype=dtype), tool, tmp_path / "out")
    assert asked.right
    assert asked.dtype == str(dtype).removeprefix("torch.")
