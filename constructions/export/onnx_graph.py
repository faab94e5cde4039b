"""ONNX: the forward pass of `constructions.decoders.standard_decoder.StandardDecoder`, operator by
operator, for any batch and length.

The graph is written here rather than traced by torch.onnx.export, which takes seconds for each
block and needs onnxscript. `tokens`, int64 (batch, length), to `logits`, (batch, length, d_vocab),
in the dtype of the weights: float32 or float64.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import DTypeLike
from onnx import helper, numpy_helper
from torch import Tensor, nn

from constructions.decoders.standard_decoder import Block
from constructions.decoders.standard_model import StandardModel
from constructions.export.names import ComponentNames, as_standard, distinct_names
from constructions.export.runner import Runner
from constructions.export.scale import logit_scale
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.model.parts import Attention

FILE = "model.onnx"
OPSET, IR_VERSION = 18, 8
"""Of the same release of ONNX; the newest that the onnx package writes may be newer than what a
runtime reads.
"""

COMPONENTS = ComponentNames(
    heads="blocks.{block}.attention.heads",
    attention="blocks.{block}.attention.output",
    units="blocks.{block}.mlp.hidden",
    mlp="blocks.{block}.mlp.out",
)
"""Names of values in the graph."""

LARGEST_FILE = 2**31 - 2**20
"""Above so many bytes, which is all that a file of this format can hold, the weights go to a
second file.
"""

NAMES = "names"
"""Under this key the metadata of the file has the names of all tokens, as a JSON list."""
README = """# Facts in a transformer, as an ONNX graph

```python
import json

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
# (batch, length) to (batch, length, tokens)
(logits,) = session.run(None, {"tokens": np.zeros((1, 1), dtype=np.int64)})
names = json.loads(session.get_modelmeta().custom_metadata_map["names"])
```
"""
ASK = """tokens = [names.index(name) for name in {names!r}]
for _ in range({steps}): tokens += [session.run(None, {{"tokens": [tokens]}})[0][0, -1].argmax()]
print(*[names[token] for token in tokens], sep="\\t")
"""
DTYPES = """The graph states it for every runtime; one that computes in another may answer wrong.
"""


def write(model: Answering, path: Path, margin: float | None = None) -> float:
    """Write the graph, weights included, the unembedding times a power of two.

    Args:
        model: a construction, or a standard decoder in which one stands.
        path: of the file.
        margin: the least logit margin; see `scale.logit_scale`.

    Returns:
        The scale of the logits.

    Raises:
        InputError: the model's dtype is not float32 or float64, the only ones that are computed as
            they stand everywhere.
    """
    decoder = as_standard(model)
    if (dtype := str(decoder.embedding.weight.dtype)) not in ("torch.float32", "torch.float64"):
        raise InputError(
            f"export to ONNX takes float32 and float64; this model is {dtype}, and would be"
            " computed in another"
        )
    scale = logit_scale(decoder, decoder.shape.d_vocab, margin)
    made = _Graph(decoder, scale).model()
    stored = sum(len(tensor.raw_data) for tensor in made.graph.initializer)
    path.unlink(missing_ok=True)
    onnx.save(
        made, path, save_as_external_data=stored > LARGEST_FILE, location=f"{path.name}.data"
    )
    onnx.checker.check_model(path, full_check=True)
    return scale


def save(model: Answering, folder: Path, margin: float | None = None) -> float:
    """Write `model.onnx`: see `write`."""
    return write(model, folder / FILE, margin)


def runner(folder: Path) -> Runner:
    """The folder's graph in onnxruntime, on the CPU, as a function of tokens."""
    session = onnxruntime.InferenceSession(folder / FILE, providers=["CPUExecutionProvider"])

    def run(tokens: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"tokens": tokens.numpy()})[0])

    return run


class _Graph:
    """A graph that grows node by node; values are known by their names."""

    def __init__(self, decoder: StandardModel, scale: float):
        self.decoder, self.scale = decoder, scale
        self.dtype = decoder.embedding.weight.detach().cpu().numpy().dtype
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        """The whole decoder."""
        shape, kind = self.decoder.shape, helper.np_dtype_to_tensor_dtype(self.dtype)
        self._stream()
        graph = helper.make_graph(
            self.nodes,
            self.decoder.construction,
            [helper.make_tensor_value_info("tokens", onnx.TensorProto.INT64, ["batch", "length"])],
            [helper.make_tensor_value_info("logits", kind, ["batch", "length", shape.d_vocab])],
            list(self.tensors.values()),
        )
        opset = helper.make_opsetid("", OPSET)
        made = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="constructions"
        )
        names = json.dumps(distinct_names(self.decoder), ensure_ascii=False)
        helper.set_model_props(made, {NAMES: names})
        return made

    def _stream(self) -> None:
        """All nodes, from `tokens` to `logits`: the blocks, and what is before and after them."""
        decoder = self.decoder
        length = self.add("Squeeze", self.add("Shape", "tokens", start=1, end=2), name="length")
        places = self.add("Range", self.constant(0), length, self.constant(1), name="places")
        row = self.add("Unsqueeze", places, self.constant([1]), name="place_of_query")
        self.add("Less", row, places, name="is_later")
        x = self.add(
            "Gather",
            self.weight("embedding", decoder.embedding.weight),
            "tokens",
            name="tokens_embedded",
        )
        rows = self.add(
            "Gather",
            self.weight("positions", decoder.positions.weight),
            places,
            name="places_embedded",
        )
        x = self.add("Add", x, rows, name="stream")
        for i, block in enumerate(decoder.block_sequence()):
            x = self._block(block, x, f"blocks.{i}")
        self.linear(
            self._norm(decoder.final_norm, x, "final_norm"),
            decoder.unembedding.weight * self.scale,
            "logits",
        )

    def _block(self, block: Block, x: str, name: str) -> str:
        """As `Block.forward`: norms before or after each part."""
        pre, mlp, attention = block.pre, block.mlp, f"{name}.attention"
        read = self._norm(block.attention_norm, x, f"{attention}_norm") if pre else x
        x = self.add(
            "Add", x, self._attention(block.attention, read, attention), name=f"{name}.mid"
        )
        x = x if pre else self._norm(block.attention_norm, x, f"{attention}_norm")
        read = self._norm(block.mlp_norm, x, f"{name}.mlp_norm") if pre else x
        hidden = self.add(
            "Relu", self.linear(read, mlp.matrix(0), f"{name}.mlp.in"), name=f"{name}.mlp.hidden"
        )
        x = self.add(
            "Add", x, self.linear(hidden, mlp.matrix(1), f"{name}.mlp.out"), name=f"{name}.post"
        )
        return x if pre else self._norm(block.mlp_norm, x, f"{name}.mlp_norm")

    def _attention(self, attention: Attention, x: str, name: str) -> str:
        """What the heads of a block add, as `Attention.forward`."""
        n_heads, d_head = len(attention.heads), attention.heads[0].d_v
        split, join = (
            self.constant([0, 0, n_heads, d_head]),
            self.constant([0, 0, n_heads * d_head]),
        )
        by_head = []
        for part, weight, axes in (
            ("query", attention.query, [0, 2, 1, 3]),
            ("key", attention.key, [0, 2, 3, 1]),
            ("value", attention.value, [0, 2, 1, 3]),
        ):
            channels = self.linear(x, weight.weight, f"{name}.{part}")
            by_head.append(self.add("Transpose", self.add("Reshape", channels, split), perm=axes))
        query, key, value = by_head
        scores = self.add(
            "Div", self.add("MatMul", query, key), self.constant(math.sqrt(d_head), self.dtype)
        )
        hidden = self.add("Where", "is_later", self.constant(-np.inf, self.dtype), scores)
        pattern = self.add("Softmax", hidden, axis=-1, name=f"{name}.pattern")
        mixed = self.add("Transpose", self.add("MatMul", pattern, value), perm=[0, 2, 1, 3])
        joined = self.add("Reshape", mixed, join, name=f"{name}.heads")
        return self.linear(joined, attention.output.weight, f"{name}.output")

    def _norm(self, norm: nn.Module, x: str, name: str) -> str:
        """RMSNorm and LayerNorm in the dtype of the stream, from their formulas; Identity is
        nothing.
        """
        if isinstance(norm, nn.Identity):
            return x
        if not isinstance(norm, nn.RMSNorm | nn.LayerNorm):
            raise InputError(
                f"a norm is a {type(norm).__name__}; RMSNorm, LayerNorm or Identity is expected"
            )
        eps = np.finfo(self.dtype).eps if norm.eps is None else norm.eps
        if isinstance(norm, nn.LayerNorm):
            x = self.add("Sub", x, self.add("ReduceMean", x, self.constant([-1])))
        mean = self.add("ReduceMean", self.add("Mul", x, x), self.constant([-1]))
        root = self.add("Sqrt", self.add("Add", mean, self.constant(eps, self.dtype)))
        scaled = self.add(
            "Mul", self.add("Div", x, root), self.weight(f"{name}.weight", norm.weight)
        )
        if isinstance(norm, nn.LayerNorm):
            return self.add("Add", scaled, self.weight(f"{name}.bias", norm.bias), name=name)
        return scaled

    def linear(self, x: str, weight: Tensor, name: str) -> str:
        """`x W^T`; the file has W^T."""
        return self.add("MatMul", x, self.weight(f"{name}.weight", weight.T), name=name)

    def weight(self, name: str, values: Tensor) -> str:
        """A tensor of the model."""
        self.tensors[name] = numpy_helper.from_array(
            values.detach().cpu().contiguous().numpy(), name
        )
        return name

    def constant(self, value: object, dtype: DTypeLike = np.int64) -> str:
        """A number or a list of numbers; the same one is stored once."""
        name = f"{value}"
        self.tensors[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: object) -> str:
        """One more node; its only output has its name."""
        name = name or f"{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name
