"""The manifest of the folder of a form (`constructions.saved.form_folder`): what it says of the
form's shape, and of the place of its construction in a decoder.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from constructions.decoders.model_form import ModelForm
from constructions.decoders.standard_decoder import NORMS, PLACEMENTS
from constructions.decoders.standard_model import StandardModel
from constructions.guards.errors import InputError
from constructions.saved import manifest as manifests
from constructions.saved import schema
from constructions.saved.agreement import require_listed
from constructions.saved.manifest import DTYPES, FILES, MOST_LAYERS, Manifest
from constructions.saved.schema import COUNT, SIZE, Leaf, require_schema
from constructions.saved.tensor_file import format_name

KIND, VERSION = "form of a construction", 1
WEIGHTS, SOURCE, BASIS = "form.safetensors", "source.json", "basis"
Form = ModelForm | StandardModel

_TRUTH = Leaf("true or false", lambda value: type(value) is bool)
_COMMON = {
    "kind": Leaf(repr(KIND), lambda value: value == KIND),
    "version": Leaf(f"{VERSION}", lambda value: type(value) is int and value == VERSION),
    "dtype": Leaf(f"one of {', '.join(DTYPES)}", lambda value: value in list(DTYPES)),
    "files": schema.FILES,
    "sha256": schema.SHA256,
}
_TRANSFORMER = {
    "sizes": {"d_vocab": SIZE, "d_model": SIZE, "positions": COUNT},
    "architecture": manifests.ARCHITECTURE,
    "basis": _TRUTH,
}
_DECODER = {
    "shape": {
        **dict.fromkeys(("d_vocab", "d_model", "n_heads", "d_head", "d_mlp"), SIZE),
        "n_positions": SIZE,
        "n_layers": Leaf(
            f"an integer from 1 to {MOST_LAYERS}",
            lambda value: type(value) is int and 1 <= value <= MOST_LAYERS,
        ),
        "norm": Leaf(
            f"null or one of {', '.join(NORMS)}", lambda v: v is None or v in list(NORMS)
        ),
        "placement": Leaf(f"one of {', '.join(PLACEMENTS)}", lambda v: v in list(PLACEMENTS)),
        "tied": _TRUTH,
    },
    "place": {
        "slack": Leaf(
            "null, or an integer from -1000 to 1000",
            lambda value: value is None or (type(value) is int and abs(value) <= 1000),
        ),
        "first_block": COUNT,
        "stream_scale": SIZE,
        "logit_scale": SIZE,
        "rest_gain": Leaf(
            "a positive number as float.hex writes it",
            lambda value: isinstance(value, str) and _number(value) > 0,
        ),
    },
}


def _common(form: Form) -> dict[str, Any]:
    """What the manifest of any form says."""
    dtype = form.embedding.weight.dtype
    format_name(dtype)
    return {"kind": KIND, "version": VERSION, "dtype": str(dtype).removeprefix("torch.")}


def of_transformer(form: ModelForm) -> dict[str, Any]:
    """The manifest of a transformer, its files aside."""
    shape = form.shape
    return _common(form) | {
        "sizes": {
            "d_vocab": shape.d_vocab,
            "d_model": shape.d_model,
            "positions": shape.n_positions,
        },
        "architecture": manifests.architecture(shape),
        "basis": not torch.equal(form.basis.cpu(), first_coordinates(form)),
    }


def first_coordinates(form: ModelForm) -> Tensor:
    """The basis of a form that has none of its own."""
    return torch.eye(
        form.shape.d_model, form.source.shape.d_model, dtype=form.basis.dtype, device="cpu"
    )


def of_decoder(form: StandardModel) -> dict[str, Any]:
    """The manifest of a standard decoder, its files aside."""
    return _common(form) | {
        "shape": asdict(form.shape),
        "place": {
            "slack": form.slack,
            "first_block": form.embedding_map.first_block,
            "stream_scale": form.stream_scale,
            "logit_scale": form.logit_scale,
            "rest_gain": float(form.rest_gain).hex(),
        },
    }


def placed(place: dict[str, Any]) -> dict[str, Any]:
    """The place of a construction, as `seeded_again` takes it."""
    return place | {"rest_gain": _number(place["rest_gain"])}


def _number(text: str) -> float:
    """What `float.hex` has written; NaN for anything else."""
    try:
        number = float.fromhex(text)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) and number.hex() == text else math.nan


def read_form_manifest(folder: Path) -> Manifest:
    """The manifest of such a folder. Raises InputError where it is none."""
    path = folder / manifests.NAME
    raw, manifest = manifests.read_object(folder)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError(f"{path}: is not the manifest of a {KIND}")
    try:
        require_schema(manifest, _COMMON | (_DECODER if "place" in manifest else _TRANSFORMER))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    manifests.require_sealed(manifest, raw, path)
    return manifest


def require_form_files(folder: Path, listed: Manifest) -> None:
    """Raise InputError unless the folder has the files of a form, as they are listed."""
    if not {WEIGHTS, SOURCE} <= listed.keys() <= FILES | {WEIGHTS, SOURCE}:
        raise InputError(
            f"{folder / manifests.NAME}: lists {', '.join(sorted(listed))}; {WEIGHTS}, {SOURCE}"
            " and the files of a construction are expected"
        )
    require_listed(folder, listed)
