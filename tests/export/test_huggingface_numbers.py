"""Scale, dtype and arithmetic of an export in Hugging Face transformers, and compiling it."""

import copy
import json
import re
from importlib import import_module

import numpy as np
import pytest
import torch
from export_tools import FAMILY, hugging_face
from hand_made import built
from huggingface_questions import MODEL, loaded, named, questions

from constructions import (
    CATALOGUE,
    FactTable,
    InputError,
    chain_of_thought,
    save,
    selector,
)
from constructions.export import export, to_huggingface
from constructions.export.scale import MOST_WRONG
from verify.queries.exported import ask

pytestmark = hugging_face


@pytest.mark.parametrize("n", [2, 300, 10_000])
def test_a_sampler_draws_a_wrong_token_less_than_once_in_a_million(n):
    facts = FactTable.random_bijections(n, 2, seed=0)
    exported = to_huggingface(selector(facts))
    scale = exported.config.logit_scale
    tokens, wanted = selector(facts).training_examples(
        np.arange(min(n, 50)), np.zeros((min(n, 50), 1), dtype=np.int64)
    )
    logits = exported(tokens).logits[:, -1].double()
    own = logits.log_softmax(-1).gather(-1, wanted).exp()
    assert (1 - own).max() < MOST_WRONG
    assert scale == 2.0 ** round(np.log2(scale))
    assert torch.equal(logits[:, : 2 + n + 1].float(), selector(facts)(tokens)[:, -1] * scale)
    if n > 2:  # half of it would not do
        assert 1 - (logits / 2).softmax(-1).gather(-1, wanted).min() > MOST_WRONG


def test_the_pipeline_samples_so_a_margin_of_2_over_many_tokens_is_too_small(tmp_path, rng):
    from transformers import pipeline

    native = selector(named(FactTable.random_bijections(3000, 1, seed=0)))
    export(native, "huggingface", tmp_path / "out", margin=0)
    model, tokenizer = loaded(tmp_path / "out")
    ask = pipeline("text-generation", model=model, tokenizer=tokenizer, top_k=0, temperature=1.0)
    asked, wanted = questions(native, 60, rng)
    texts = ["\t".join(tokenizer.convert_ids_to_tokens(question)) for question in asked]
    right = sum(
        tokenizer(made[0]["generated_text"])["input_ids"] == [*question, *answer]
        for made, question, answer in zip(ask(texts, batch_size=60), asked, wanted, strict=True)
    )
    assert right < 50


def test_the_margin_is_an_option_stated_in_config_and_card(tmp_path, monkeypatch, capsys):
    from verify.__main__ import main

    monkeypatch.chdir(tmp_path)
    save(selector(FactTable.from_triples(FAMILY)), "model")
    for given, scale, margin in (
        ([], 8, 16),
        (["--margin", "0"], 1, 2),
        (["--margin", "5"], 4, 8),
    ):
        out = f"out{scale}"
        assert (
            main(["export", "model", "--to", "huggingface", out, *given, "--json", "found.json"])
            == 0
        )
        assert f"logits times {scale}: smallest margin {margin};" in capsys.readouterr().out
        assert json.loads((tmp_path / out / "config.json").read_text())["logit_scale"] == scale
        about = (tmp_path / out / "README.md").read_text()
        assert (
            f"times {scale}, a power of two" if scale > 1 else "the construction's own"
        ) in about
        reported = json.loads((tmp_path / "found.json").read_text())
        assert (reported["scale"], reported["margin"], reported["least_margin"] <= margin) == (
            scale,
            margin,
            True,
        )
    for bad in ("-1", "nan", "inf", "x"):
        with pytest.raises(SystemExit):
            main(["export", "model", "--to", "huggingface", "other", f"--margin={bad}"])


def test_a_scale_that_overflows_the_dtype_is_refused():
    model = built("scalar_selector", 5, 2, dtype=torch.float16)
    assert to_huggingface(model).config.logit_scale == 16
    with pytest.raises(InputError, match=r"may exceed what torch\.float16 holds"):
        to_huggingface(model, margin=1e5)
    with pytest.raises(InputError, match="margin of an export"):
        to_huggingface(model, margin=-1.0)


def test_a_margin_that_is_smaller_than_asked_for_is_noticed():
    model = selector(FactTable.from_triples(FAMILY))
    for least, right in ((8, True), (8.01, False)):
        asked = ask(lambda tokens: model(tokens).detach() * 4, model, scale=4, least_margin=least)
        assert (asked.wrong, asked.difference, asked.margin, asked.right) == (0, 0, 8, right)
    assert (
        "smallest margin 8, below the 8.01 asked for (--margin)" in asked.lines("huggingface")[1]
    )
    assert "FAIL" in asked.lines("huggingface")[0]


def test_float64_logits_survive_the_rounding_to_float32_of_generate_and_of_the_loss(
    rng, monkeypatch
):
    """Logits of 10^9 with margins of 32: float32 has no room for both, and `generate` computes in
    it.
    """
    native = CATALOGUE["scalar_selector"].build(
        FactTable.random_bijections(7000, 1, 0), dtype=torch.float64
    )
    exported = to_huggingface(native)
    asked, wanted = (torch.tensor(part) for part in questions(native, 200, rng))
    rounded = exported(asked).logits[:, -1].float()
    assert (rounded.argmax(-1) != wanted[:, 0]).sum() > 20, (
        "the control: the logits themselves do not survive it"
    )
    for options in ({}, {"do_sample": True}, {"num_beams": 2}):
        assert torch.equal(exported.generate(asked, **options), torch.cat([asked, wanted], 1))
    sequences = torch.cat([asked, wanted], 1)
    assert exported(sequences, labels=sequences).loss < MOST_WRONG
    monkeypatch.setattr(import_module(MODEL), "_below_the_largest", lambda logits: logits)
    assert not torch.equal(exported.generate(asked), sequences), (
        "generate no longer rounds logits to float32"
    )


NARROWER = [torch.float16, torch.bfloat16]
CHANGES = {
    "half": lambda model, dtype: model.to(dtype),
    "back": lambda model, dtype: model.to(dtype).float(),
    "one table": lambda model, dtype: model.decoder.positions.to(dtype),
    "saved": lambda model, dtype: model.to(dtype),
}


@pytest.mark.parametrize("dtype", NARROWER)
@pytest.mark.parametrize("change", list(CHANGES))
def test_weights_that_are_no_longer_what_was_exported_are_noticed(change, dtype, tmp_path):
    exported = to_huggingface(chain_of_thought(FactTable.from_triples(FAMILY), 2))
    tokens = torch.tensor([[0, 4, 4]])
    CHANGES[change](exported, dtype)
    if change == "saved":
        exported.save_pretrained(tmp_path)
        exported = type(exported).from_pretrained(tmp_path, dtype=torch.float32)
    for call in (lambda: exported(tokens), lambda: exported.generate(tokens)):
        with pytest.raises(
            InputError,
            match=rf"exported in float32.*{str(dtype).removeprefix('torch.')}.*allow_other_dtype",
        ):
            call()


@pytest.mark.parametrize("dtype", NARROWER)
def test_loading_in_a_narrower_dtype_is_refused_unless_the_config_allows_it(dtype, tmp_path):
    exported = to_huggingface(selector(FactTable.from_triples(FAMILY)))
    exported.save_pretrained(tmp_path)
    tokens = torch.tensor([[0, 4]])
    narrow = type(exported).from_pretrained(tmp_path, dtype=dtype)
    with pytest.raises(InputError, match="exported in float32"):
        narrow(tokens)
    narrow.save_pretrained(tmp_path / "again")
    with pytest.raises(InputError, match="have been"):
        type(exported).from_pretrained(tmp_path / "again", dtype=torch.float32)(tokens)
    allowed = type(exported).from_pretrained(tmp_path, dtype=dtype, allow_other_dtype=True)
    assert allowed(tokens).logits.dtype == dtype
    for wider in (torch.float32, torch.float64):
        same = type(exported).from_pretrained(tmp_path, dtype=wider)
        assert torch.equal(same(tokens).logits.float(), exported(tokens).logits)
    assert torch.equal(exported.double().float()(tokens).logits, same(tokens).logits.float())


def test_a_narrow_export_may_be_widened_but_not_narrowed_otherwise():
    exported = to_huggingface(built("scalar_selector", 5, 2, dtype=torch.bfloat16))
    tokens = torch.tensor([[0, 5]])
    expected = exported(tokens).logits
    assert torch.equal(exported.float()(tokens).logits, expected.float())
    with pytest.raises(InputError, match="exported in bfloat16"):
        exported.half()(tokens)


def test_arithmetic_that_rounds_is_noticed(single):
    tokens = torch.tensor([[0, 4]])
    expected = single(tokens).logits
    compiled = torch.compile(single, fullgraph=True, backend="eager")
    compiled(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(InputError, match="multiplied in bfloat16"):
            single(tokens)
        with pytest.raises(Exception, match=r"multiplied in bfloat16|require_exported_arithmetic"):
            compiled(tokens)  # the compiler tells where it stopped, and not always why
        assert torch.equal(copy.deepcopy(single).double()(tokens).logits.float(), expected)
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(InputError, match="tf32"):
            single(tokens)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(single(tokens).logits, expected)


MASKED = {
    "chain": ([[0, 4, 4, 1], [7, 0, 5, 7]], [[1, 1, 1, 1], [0, 1, 1, 1]]),
    "single": ([[7, 0, 5], [0, 4, 1]], [[0, 1, 1], [1, 1, 1]]),
}


def test_masks_labels_and_cache_are_compiled_as_one_graph(chain):
    tokens, mask = map(torch.tensor, MASKED["chain"])
    compiled = torch.compile(chain, fullgraph=True, backend="eager")
    assert torch.equal(compiled(tokens, mask, use_cache=True).logits, chain(tokens, mask).logits)
    assert torch.equal(compiled(tokens).logits, chain(tokens).logits)
    assert torch.equal(
        compiled(tokens, mask, labels=tokens).loss, chain(tokens, mask, labels=tokens).loss
    )


@pytest.mark.parametrize(("which", "strict"), [("chain", False), ("single", True)])
def test_masks_are_exported_as_an_input(which, strict, request):
    model = request.getfixturevalue(which)
    tokens, mask = map(torch.tensor, MASKED[which])
    batch = torch.export.Dim("batch")
    wide = (tokens.repeat(3, 1), mask.repeat(3, 1))
    program = torch.export.export(
        model, wide, strict=strict, dynamic_shapes=({0: batch}, {0: batch})
    ).module()
    for given in (mask, torch.ones_like(mask)):
        assert torch.equal(program(tokens, given).logits, model(tokens, given).logits)
    assert not torch.equal(
        program(tokens, mask).logits, program(tokens, torch.ones_like(mask)).logits
    )


def test_the_readme_of_an_export_states_the_scale_once(tmp_path):
    export(selector(FactTable.from_triples(FAMILY)), "huggingface", tmp_path / "out")
    assert len(re.findall("power of two", (tmp_path / "out" / "README.md").read_text())) == 1
