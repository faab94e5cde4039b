"""What tests of exports share: which tools are there, and how one is run."""

import os
import re
import tempfile
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch

from constructions.export import TOOLS, export
from constructions.guards.extras import installing

PACKAGES = {
    "transformerlens": "transformer_lens",
    "huggingface": "transformers",
    "onnx": "onnxruntime",
}
FAMILY = [
    ("Alice", "mother", "Beth"),
    ("Beth", "mother", "Carla"),
    ("Alice", "best friend", "Dora"),
]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def needs(tool):
    missing = find_spec(PACKAGES[tool]) is None and "EXPORT_TOOLS_REQUIRED" not in os.environ
    return pytest.mark.skipif(
        missing, reason=f"{PACKAGES[tool]} is not installed: {installing(tool)}"
    )


EVERY_TOOL = pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=needs(tool)) for tool in TOOLS]
)
lens, hugging_face, onnx = (needs(tool) for tool in TOOLS)


def itself(model):
    """The model as if another tool ran it."""
    return lambda tokens: model(tokens).detach()


def readme_code(folder):
    return re.search(r"^```python\n(.*?)^```", (folder / "README.md").read_text(), re.M | re.S)[1]


def run_by(tool, model, margin=0):
    """The model as the other tool runs it, from the files that it has read; the logits of the
    model's own tokens.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        export(model, tool, folder, lambda run, scale: found.append(run), margin)
    return lambda tokens: found[0](tokens)[..., : model.shape.d_vocab]


def booted(shape, **others):
    module = import_module("constructions.export.transformerlens")
    return module.TransformerBridge.boot_native(
        module.TransformerBridgeConfig(**module._config(shape) | others), device="cpu"
    )
