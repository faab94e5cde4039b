"""TransformerLens 4.x: a native bridge, in which every activation has a hook.

The bridge has biases (all 0 here), scores divided by `sqrt(d_head)`, learned positions, one width
for all heads and one for all MLPs, each of one hidden layer: a `StandardDecoder` is that without
biases, so its weights are copied.

One size is not: where `d_vocab = d_model`, `enable_compatibility_mode` cannot tell which axis of
the square unembedding is the vocabulary, takes the wrong one, and centers every logit by another
amount. The stream then gets one coordinate more, which is 0 throughout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from constructions.decoders.standard_decoder import StandardDecoder, StandardShape
from constructions.export.names import ComponentNames, as_standard, known_steps
from constructions.export.runner import Runner
from constructions.export.scale import logit_scale
from constructions.forms.mechanism import note_steps
from constructions.guards.errors import InputError
from constructions.model.answering import Answering
from constructions.saved.tensor_file import write_tensors

CONFIG, WEIGHTS = "config.json", "weights.safetensors"
COMPONENTS = ComponentNames(
    heads="blocks.{block}.attn.hook_z",
    attention="blocks.{block}.hook_attn_out",
    units="blocks.{block}.mlp.hook_post",
    mlp="blocks.{block}.hook_mlp_out",
)
README = """# Facts in a transformer, for TransformerLens 4.x

```python
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformer_lens.model_bridge import TransformerBridge

config = json.loads(Path("config.json").read_text())
# the dtype of a config is ignored, that of boot_native is not
dtype = getattr(torch, config.pop("dtype"))
bridge = TransformerBridge.boot_native(config, dtype=dtype, device="cpu")
bridge.load_state_dict(load_file("weights.safetensors"), strict=True)
logits, cache = bridge.run_with_cache(torch.zeros(1, config["n_ctx"], dtype=torch.int64))
names = json.loads(Path("vocabulary.json").read_text())["names"]
```
"""
ASK = """tokens = [names.index(name) for name in {names!r}]
for _ in range({steps}): tokens.append(int(bridge(torch.tensor([tokens]))[0, -1].argmax()))
print(*[names[token] for token in tokens], sep="\\t")
"""
DTYPES = """In a narrower one answers may be wrong, and nothing notices it: load it in the dtype of
its `config.json`.
"""


def bridge(model: Answering, margin: float | None = None) -> TransformerBridge:
    """The model as a bridge, on the model's device and in its dtype, with the same logits times a
    power of two.

    Args:
        model: a construction, or a standard decoder in which one stands.
        margin: the least logit margin; see `scale.logit_scale`.

    `d_model` is the decoder's, or one more where that would equal `d_vocab`.

    Raises:
        InputError: the model has norms, or is no construction and no standard decoder.
    """
    decoder = as_standard(model)
    made = bridge_of(decoder, logit_scale(decoder, decoder.shape.d_vocab, margin))
    if (steps := known_steps(decoder, COMPONENTS)) is not None:
        note_steps(made, steps)
    return made


def bridge_of(decoder: StandardDecoder, scale: float = 1.0) -> TransformerBridge:
    """Any standard decoder without norms as a bridge, its logits times the scale.

    Raises:
        InputError: it has norms.
    """
    weight = decoder.embedding.weight
    booted = _booted(_config(decoder.shape), weight.dtype, weight.device)
    booted.load_state_dict(_weights(decoder, scale), strict=True)
    return booted


def save(model: Answering, folder: Path, margin: float | None = None) -> float:
    """Write `config.json` and `weights.safetensors`, and return the logit scale. Raises as
    `bridge`.
    """
    decoder = as_standard(model)
    scale = logit_scale(decoder, decoder.shape.d_vocab, margin)
    config = _config(decoder.shape) | {
        "dtype": str(decoder.embedding.weight.dtype).removeprefix("torch.")
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
    weights = _weights(decoder, scale)
    write_tensors(
        folder / WEIGHTS, {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    )
    return scale


def load(folder: Path) -> TransformerBridge:
    """The bridge of a folder, on the CPU."""
    config = json.loads((folder / CONFIG).read_text())
    booted = _booted(config, getattr(torch, config.pop("dtype")), torch.device("cpu"))
    booted.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    return booted


def runner(folder: Path) -> Runner:
    """The folder's bridge as a function of tokens."""
    booted = load(folder)

    @torch.no_grad()
    def run(tokens: Tensor) -> Tensor:
        logits: Tensor = booted(tokens)
        return logits

    return run


def _booted(config: dict[str, Any], dtype: torch.dtype, device: torch.device) -> TransformerBridge:
    """A bridge of these sizes, whose weights are still to be loaded."""
    return TransformerBridge.boot_native(
        TransformerBridgeConfig(**config), dtype=dtype, device=device
    )


def _spare_coordinates(shape: StandardShape) -> int:
    """How many coordinates, all 0, the stream gets beside its own, so that no matrix is read
    along the wrong axis.
    """
    return 1 if shape.d_vocab == shape.d_model else 0


def _config(shape: StandardShape) -> dict[str, Any]:
    """The sizes of a decoder under TransformerLens's names. Raises InputError if it has norms."""
    if shape.norm is not None:
        raise InputError(
            f"export to TransformerLens takes decoders without norms; this one has {shape.norm},"
            " and TransformerLens computes norms in float32, whatever the dtype"
        )
    return {
        "d_model": shape.d_model + _spare_coordinates(shape),
        "d_head": shape.d_head,
        "n_heads": shape.n_heads,
        "n_layers": shape.n_layers,
        "n_ctx": shape.n_positions,
        "d_vocab": shape.d_vocab,
        "d_mlp": shape.d_mlp,
        "act_fn": "relu",
        "normalization_type": None,
        "attention_dir": "causal",
        "init_weights": False,
    }


def _weights(decoder: StandardDecoder, scale: float) -> dict[str, Tensor]:
    """The decoder's weights under the bridge's names, logits times the scale; and its biases, all
    0.
    """
    spare = _spare_coordinates(decoder.shape)

    def reading(weight: Tensor) -> Tensor:
        """What reads the stream, with zeros for the spare coordinate."""
        return nn.functional.pad(weight, (0, spare)) if spare else weight

    def writing(weight: Tensor) -> Tensor:
        """What writes into the stream, likewise."""
        return nn.functional.pad(weight, (0, 0, 0, spare)) if spare else weight

    weights = {
        "embed.weight": reading(decoder.embedding.weight),
        "pos_embed.weight": reading(decoder.positions.weight),
    }
    biased = {"unembed": reading(decoder.unembedding.weight * scale)}
    for i, block in enumerate(decoder.block_sequence()):
        attention, mlp = block.attention, block.mlp
        named = {
            "attn.q": reading(attention.query.weight),
            "attn.k": reading(attention.key.weight),
            "attn.v": reading(attention.value.weight),
            "attn.o": writing(attention.output.weight),
            "mlp.in": reading(mlp.matrix(0)),
            "mlp.out": writing(mlp.matrix(1)),
        }
        biased |= {f"blocks.{i}.{name}": weight for name, weight in named.items()}
    weights |= {f"{name}.weight": weight for name, weight in biased.items()}
    weights |= {f"{name}.bias": weight.new_zeros(len(weight)) for name, weight in biased.items()}
    return {name: weight.detach() for name, weight in weights.items()}
