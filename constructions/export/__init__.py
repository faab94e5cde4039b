"""Constructions in other tools: TransformerLens, Hugging Face transformers, ONNX.

| tool | what it gets | extra |
|---|---|---|
| `transformerlens` | a native `TransformerBridge` (4.x), with its hooks | transformerlens |
| `huggingface` | a `PreTrainedModel` for `AutoModelForCausalLM`, tokenizer | huggingface |
| `onnx` | a graph `tokens` -> `logits`, any batch and length | onnx |

An extra is installed with `pip install -c constraints.txt '.[huggingface]'`.

Every export goes through `constructions.decoders.seeding.standard`, the construction as a standard
decoder with the same logits; the other tool then computes that decoder's forward pass, in the
dtype of the model, which never changes, and all logits times a power of two, so that who samples
draws the answer (`scale`). `verify.queries.exported` asks the other tool all queries, or 4,096
over all lengths. What each tool does otherwise than its options say is in docs/export.md.

The tools are imported when they are asked for; a missing one is an InputError that names the
extra.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from constructions.guards.errors import InputError
from constructions.guards.extras import installing

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from constructions.export.huggingface_model import FactualRecallForCausalLM
    from constructions.export.runner import Runner
    from constructions.model.answering import Answering

TOOLS = {
    "transformerlens": "constructions.export.transformerlens",
    "huggingface": "constructions.export.huggingface",
    "onnx": "constructions.export.onnx_graph",
}
"""The module of each tool. It has `save(model, folder, margin)`, which returns the logit scale,
and `runner(folder)`.
"""


def to_transformerlens(model: Answering, margin: float | None = None) -> TransformerBridge:
    """The model as a TransformerLens bridge, on its device and in its dtype: see
    `transformerlens.bridge`.
    """
    bridge: TransformerBridge = tool("transformerlens").bridge(model, margin)
    return bridge


def to_huggingface(model: Answering, margin: float | None = None) -> FactualRecallForCausalLM:
    """The model as a Hugging Face `PreTrainedModel`, on its device and in its dtype: see
    `huggingface.pretrained`.
    """
    pretrained: FactualRecallForCausalLM = tool("huggingface").pretrained(model, margin)
    return pretrained


def to_onnx(model: Answering, path: str | os.PathLike[str], margin: float | None = None) -> None:
    """Write the model's forward pass as an ONNX file: see `onnx_graph.write`."""
    tool("onnx").write(model, Path(path), margin)


def export(
    model: Answering,
    to: str,
    folder: str | os.PathLike[str],
    check: Callable[[Runner, float], str | None] = lambda run, scale: None,
    margin: float | None = None,
    proof: str | None = None,
) -> None:
    """Write a folder that the other tool loads; under its name there is all of it, or nothing.

    With the tool's own files go `vocabulary.json`, the names of entities, relations and special
    tokens; `mechanism.json`, what each head and unit does, under the tool's names, where that is
    known; and a `README.md` that says what the model is, how to load it and to ask it by name,
    which facts it has, what is proven of it, and in which dtypes it answers.

    Args:
        model: a construction, or a standard decoder in which one stands.
        to: one of `TOOLS`.
        folder: a new or an empty folder.
        check: called with what the other tool makes of the files that it reads, and with the scale
            of its logits, before they get their name; what it raises leaves nothing behind, and
            what it returns is said in the `README.md` behind the proof.
        margin: the least logit margin that the export is to have; by default that at which
            sampling draws a wrong token less than once in a million: see `scale.logit_scale`.
        proof: what the `README.md` says of what was proven of the model; by default that nothing
            was while it was exported.

    Raises:
        InputError: the tool is not installed or cannot hold the model, or something is in the
            place of the folder.
    """
    from constructions.export.card import NOT_CHECKED, card
    from constructions.export.names import (
        ABOUT_NAMES,
        as_standard,
        known_steps,
        mechanism_json,
        vocabulary_json,
    )
    from constructions.files.new_folder import new_folder

    module, decoder = tool(to), as_standard(model)
    with new_folder(folder, _refuse, _require_files_alone) as part:
        scale = module.save(decoder, part, margin)
        (part / "vocabulary.json").write_text(vocabulary_json(decoder), encoding="utf-8")
        if (steps := known_steps(decoder, module.COMPONENTS)) is not None:
            (part / "mechanism.json").write_text(mechanism_json(steps), encoding="utf-8")
        shown = (NOT_CHECKED if proof is None else proof) + (
            check(module.runner(part), scale) or ""
        )
        title = module.README + ABOUT_NAMES
        about = card(decoder, title, module.ASK, module.DTYPES, scale, shown)
        (part / "README.md").write_text(about, encoding="utf-8")
        for path in part.iterdir():
            path.chmod(part.stat().st_mode & 0o666)


def tool(name: str) -> ModuleType:
    """The module of a tool.

    Raises:
        InputError: there is no such tool, or something that it needs is not installed.
    """
    if name not in TOOLS:
        raise InputError(f"no tool is named {name!r}; there are {', '.join(TOOLS)}")
    try:
        return import_module(TOOLS[name])
    except ModuleNotFoundError as error:
        raise InputError(
            f"export to {name} needs the package {error.name}: {installing(name)}"
        ) from None


def _refuse(folder: Path) -> None:
    """Raise InputError: an export takes the place of nothing but an empty folder."""
    raise InputError(
        f"{folder}: is not empty, so it stays as it is; give another name, or remove it"
    )


def _require_files_alone(folder: Path) -> None:
    """Raise InputError unless the folder may be what an export leaves that is killed."""
    if any(not path.is_file() or path.is_symlink() for path in folder.iterdir()):
        raise InputError(f"{folder}: holds folders or links, which no export has left")
