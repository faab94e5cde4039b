"""ONNX: sizes, dtypes and files."""

from importlib import import_module

import pytest
import torch
from export_tools import onnx
from hand_made import built

from constructions import (
    InputError,
)
from constructions.export import to_onnx
from verify.queries.exported import MOST_ASKED, export_and_ask


@onnx
def test_an_export_asks_about_as_many_queries_whatever_the_number_of_lengths(tmp_path):
    model = built("chain_of_thought", 4, 2, hops=10)
    asked = export_and_ask(model, "onnx", tmp_path / "out")
    assert asked.right, asked.lines("onnx")
    assert asked.all_queries == sum(4 * 2**length for length in range(1, 11)) > MOST_ASKED
    share = -(-MOST_ASKED // 10)
    assert asked.queries == sum(min(4 * 2**length, share) for length in range(1, 11)) < MOST_ASKED


@onnx
def test_onnx_takes_any_batch_and_length_but_no_more_than_there_are_positions(tmp_path):
    import onnxruntime

    model = built("key_value", 5, 2)
    to_onnx(model, tmp_path / "model.onnx", margin=0)
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == (
        "tokens",
        ["batch", "length"],
        "tensor(int64)",
    )
    assert (made.name, made.shape, made.type) == (
        "logits",
        ["batch", "length", model.shape.d_vocab],
        "tensor(float)",
    )
    for batch, length in ((1, 1), (4, 2), (2, 3)):
        tokens = torch.randint(model.shape.d_vocab, (batch, length))
        (logits,) = session.run(None, {"tokens": tokens.numpy()})
        assert torch.equal(torch.from_numpy(logits), model(tokens).detach())
    with pytest.raises(Exception, match="out of data bounds"):
        session.run(None, {"tokens": torch.zeros(1, 4, dtype=torch.int64).numpy()})


@onnx
def test_onnx_refuses_a_dtype_that_would_be_computed_in_another(tmp_path):
    with pytest.raises(InputError, match=r"float16"):
        to_onnx(built("scalar_selector", dtype=torch.float16), tmp_path / "model.onnx")
    assert not any(tmp_path.iterdir())


@onnx
def test_large_weights_go_to_a_second_file(tmp_path, monkeypatch):
    monkeypatch.setattr(import_module("constructions.export.onnx_graph"), "LARGEST_FILE", 1000)
    asked = export_and_ask(built("selector", 40, 2), "onnx", tmp_path / "out")
    assert asked.right
    assert (tmp_path / "out" / "model.onnx.data").stat().st_size > 1000
