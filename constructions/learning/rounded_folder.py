"""The folder of a rounded trained model: its weights on their grids, the facts that it answers,
and the claim that it answers all of them right, strictly, in exact arithmetic.

| file | holds |
|---|---|
| `weights.safetensors` | all of `state_dict()`, F32 |
| `vocabulary.txt` | a name on each line: entities, relations |
| `facts.tsv`, or `facts.safetensors` | the facts, as in the folder of a construction |
| `certificate.json` | the claim, the number of facts, step and bits of each tensor |
| `manifest.json` | the kind of the folder, sizes, SHA-256 and size of every file |

It is another kind than the folder of a construction (`constructions.saved.folder`): each is
refused where the other is expected. `verify check FOLDER` proves the claim from the files
(`verify.rounded`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from constructions.facts.table import FactTable
from constructions.files.new_folder import new_folder
from constructions.files.undisturbed import undisturbed
from constructions.guards.errors import InputError
from constructions.guards.memory import require_memory
from constructions.learning.one_layer import OneLayer, OneLayerShape
from constructions.learning.rounding import MOST_BITS, grid_of, require_exact_kind
from constructions.saved import manifest as manifests
from constructions.saved import schema
from constructions.saved.agreement import require_contents, require_listed
from constructions.saved.manifest import (
    ALWAYS,
    CERTIFICATE,
    FACTS,
    PACKED_FACTS,
    WEIGHTS,
    Manifest,
)
from constructions.saved.reading import read_facts
from constructions.saved.replacing import require_left, require_unchanged, write_manifest
from constructions.saved.schema import SIZE, Leaf, require_schema
from constructions.saved.tensor_file import Declared, read_header, write_tensors
from constructions.saved.written_facts import write_facts

KIND, VERSION = "rounded trained model", 1
CLAIM = "every stored fact is answered right, strictly, in exact arithmetic"
_SCHEMA = {
    "kind": Leaf(repr(KIND), lambda value: value == KIND),
    "version": Leaf(f"{VERSION}", lambda value: type(value) is int and value == VERSION),
    "sizes": {
        "entities": SIZE,
        "relations": SIZE,
        "answers": SIZE,
        "d_model": SIZE,
        "d_mlp": SIZE,
        "hidden_layers": SIZE,
    },
    "tied": Leaf("true or false", lambda value: type(value) is bool),
    "files": schema.FILES,
    "sha256": schema.SHA256,
}


def save_rounded(model: OneLayer, facts: FactTable, folder: str | os.PathLike[str]) -> None:
    """Write a model that is on a grid, as `round_weights` returns it, with the facts that it
    answers. Nothing is run: whether the claim holds is what `verify check` decides.

    Under the folder's name there is at every moment what was there before, or this model whole;
    and only such a folder is ever replaced, as `constructions.save` does it.

    Raises:
        InputError: the model is of another kind, not in float32, or on no grid of 24 bits; the
            table has other sizes, no fact, or an answer without a logit; something else is in the
            place of the folder, or it cannot be written.
    """
    require_exact_kind(model)
    weights = {
        name: tensor.detach().cpu().contiguous() + 0.0  # no negative zero
        for name, tensor in model.state_dict().items()
    }
    for name, tensor in weights.items():
        if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise InputError(f"{name} must hold finite numbers in float32; it is {tensor.dtype}")
    grids = {name: grid_of(tensor) for name, tensor in weights.items()}
    for name, grid in grids.items():
        if grid.bits > MOST_BITS:
            raise InputError(
                f"{name} needs integers of {grid.bits} bits, at most {MOST_BITS} are written; give"
                " what round_weights(model) returns"
            )
    shape = model.shape
    _require_facts(facts, shape)
    certificate = {
        "claim": CLAIM,
        "facts": facts.n_facts,
        "grid": {name: grid._asdict() for name, grid in grids.items()},
    }
    with new_folder(folder, _require_replaceable, _require_left_over) as part:
        write_tensors(part / WEIGHTS, weights)
        write_facts(part, facts)
        text = json.dumps(certificate, sort_keys=True, indent=1) + "\n"
        (part / CERTIFICATE).write_bytes(text.encode())
        write_manifest(part, _description(shape))


def load_rounded(folder: str | os.PathLike[str]) -> tuple[OneLayer, FactTable]:
    """The model of a folder and its facts, on torch's default device. That they are right is
    proven by `verify check`, not here.

    Raises:
        InputError: the folder is not as `save_rounded` leaves it; the message names the file.
        DoesNotFit: the weights need more memory than the machine has.
    """
    path = Path(folder)
    try:
        return undisturbed(path, lambda: _loaded(path))
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def is_rounded(folder: str | os.PathLike[str]) -> bool:
    """Whether the manifest of a folder says that it is that of a rounded trained model; no more is
    looked at.
    """
    try:
        _, manifest = manifests.read_object(Path(folder))
    except (InputError, OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == KIND


def _loaded(folder: Path) -> tuple[OneLayer, FactTable]:
    """Both, after everything in the folder has been held against the manifest."""
    manifest = _read_manifest(folder)
    _require_files(folder, manifest["files"])
    require_contents(folder, manifest)
    sizes = manifest["sizes"]
    facts = read_facts(folder, {**manifest, "specials": []})
    try:
        shape = OneLayerShape(
            sizes["entities"],
            sizes["relations"],
            sizes["answers"],
            sizes["d_model"],
            sizes["d_mlp"],
            sizes["hidden_layers"],
            tied=manifest["tied"],
        )
        _require_facts(facts, shape)
        with torch.device("meta"):
            empty = OneLayer(shape, torch.float32)
    except InputError as error:
        raise InputError(f"{folder / manifests.NAME}: {error}") from None
    wanted = {name: Declared("F32", tuple(w.shape)) for name, w in empty.state_dict().items()}
    found = read_header(folder / WEIGHTS)
    if found != wanted:
        wrong = sorted(name for name in found | wanted if found.get(name) != wanted.get(name))
        raise InputError(
            f"{folder / WEIGHTS}: tensor {wrong[0]!r}: found {found.get(wrong[0])}; expected"
            f" {wanted.get(wrong[0])}"
        )
    require_memory(4 * sum(w.numel() for w in empty.state_dict().values()), f"{folder}: weights")
    model = OneLayer(shape, torch.float32)
    with torch.no_grad(), safe_open(folder / WEIGHTS, framework="pt") as file:
        for name, tensor in model.state_dict().items():
            tensor.copy_(file.get_tensor(name))
    return model, facts


def _description(shape: OneLayerShape) -> dict[str, Any]:
    """The part of the manifest that follows from the shape."""
    return {
        "kind": KIND,
        "version": VERSION,
        "sizes": {
            "entities": shape.n_entities,
            "relations": shape.n_relations,
            "answers": shape.n_answers,
            "d_model": shape.d_model,
            "d_mlp": shape.d_mlp,
            "hidden_layers": shape.n_hidden_layers,
        },
        "tied": shape.tied,
    }


def _require_facts(facts: FactTable, shape: OneLayerShape) -> None:
    """Raise InputError unless the model of this shape has a logit for each answer of the table."""
    sizes = facts.n_entities, facts.n_relations
    if sizes != (shape.n_entities, shape.n_relations):
        raise InputError(
            f"the table has {sizes[0]:,} entities and {sizes[1]:,} relations; the model was made"
            f" for {shape.n_entities:,} and {shape.n_relations:,}"
        )
    if not facts.n_facts or int(facts.answers.max()) >= shape.n_answers:
        raise InputError(
            f"the table has {facts.n_facts:,} facts, the largest answer is"
            f" {int(facts.answers.max())}; facts with answers below {shape.n_answers} are expected"
        )


def _read_manifest(folder: Path) -> Manifest:
    """The manifest of such a folder. Raises InputError where it is none."""
    path = folder / manifests.NAME
    raw, manifest = manifests.read_object(folder)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError(f"{path}: is not the manifest of a {KIND}")
    try:
        require_schema(manifest, _SCHEMA)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    manifests.require_sealed(manifest, raw, path)
    return manifest


def _require_files(folder: Path, listed: Manifest) -> None:
    """Raise InputError unless the folder has the files of such a model, as they are listed."""
    named = listed.keys()
    tables = named & {FACTS, PACKED_FACTS}
    if named - tables != ALWAYS or len(tables) != 1:
        found, always = (", ".join(sorted(names)) for names in (named, ALWAYS))
        raise InputError(
            f"{folder / manifests.NAME}: lists {found}; {always} and one of {FACTS} and"
            f" {PACKED_FACTS} are expected"
        )
    require_listed(folder, listed)


def _require_replaceable(folder: Path) -> None:
    """Raise InputError unless the folder is such a model, byte for byte as it was saved."""
    require_unchanged(folder, KIND, _read_manifest, _require_files)


def _require_left_over(folder: Path) -> None:
    """Raise InputError unless it is what a save of such a model leaves that is killed."""
    require_left(folder, _require_replaceable, ALWAYS | {FACTS, PACKED_FACTS})
