"""The manifest of a model folder: what the model is, and the size and SHA-256 of every file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from constructions.facts.vocabulary import WRITING, WRITING_SETS
from constructions.files.folders import require_folder
from constructions.guards.errors import InputError
from constructions.model.shapes import HeadShape, LayerShape, TransformerShape
from constructions.saved import schema
from constructions.saved.json_text import parse_json, shown
from constructions.saved.schema import COUNT, SHA256, SIZE, TEXT, Each, Leaf, require_schema
from constructions.saved.tensor_file import FORMAT_NAMES
from constructions.saved.weight_files import WEIGHTS as WEIGHTS
from constructions.saved.weight_files import is_weight_file, require_weight_files
from constructions.writing.certificate import FORMAT as FORMAT
from constructions.writing.certificate import QUERIES as QUERIES

NAME = "manifest.json"
VOCABULARY, CERTIFICATE = "vocabulary.txt", "certificate.json"
FACTS, PACKED_FACTS, CODEBOOKS = "facts.tsv", "facts.safetensors", "codebooks.safetensors"
ALWAYS = frozenset({WEIGHTS, VOCABULARY, CERTIFICATE})
FILES = ALWAYS | {FACTS, PACKED_FACTS, CODEBOOKS}
"""The files that every model has, and those that it may have, beside its manifest; its weights may
also be in shards: `constructions.saved.weight_files`.
"""
MOST_LAYERS = 4096
_MOST_BYTES = 100_000_000
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in FORMAT_NAMES}
SPECIALS = (["unknown"], list(WRITING), list(WRITING_SETS))
"""The special tokens: without a chain of thought, with one, and of a model that writes sets."""

Manifest = dict[str, Any]
"""A JSON object that has passed the schema."""


_OPTION = Leaf(
    "an integer, true, false or null", lambda value: value is None or type(value) in (int, bool)
)
_DTYPE = Leaf(
    f"one of {', '.join(DTYPES)}", lambda value: isinstance(value, str) and value in DTYPES
)
_QUERIES = Leaf(
    " or ".join(map(repr, QUERIES)), lambda value: isinstance(value, str) and value in QUERIES
)
_SPECIALS = Leaf(" or ".join(map(str, SPECIALS)), lambda value: value in SPECIALS)
_WIDTHS = Leaf(
    "a pair of counts [d_qk, d_v] below 10^60",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(COUNT.accepts, value)),
)
ARCHITECTURE = {"layers": [{"heads": [_WIDTHS], "d_mlp": [SIZE]}], "repeats": SIZE}
"""The schema of what `architecture` makes."""
_SCHEMA = {
    "format": COUNT,
    "construction": TEXT,
    "builder": TEXT,
    "options": Each(_OPTION),
    "dtype": _DTYPE,
    "sizes": {
        "entities": SIZE,
        "relations": SIZE,
        "hops": SIZE,
        "positions": COUNT,
        "d_model": SIZE,
        "d_vocab": SIZE,
        "parameters": SIZE,
    },
    "architecture": ARCHITECTURE,
    "specials": _SPECIALS,
    "queries": _QUERIES,
    "files": schema.FILES,
    "sha256": SHA256,
}


def canonical(manifest: Manifest) -> bytes:
    """The one way in which a manifest is written: keys in order, ASCII, one space for each level.

    Its own `sha256` is that of the same text without this key.
    """
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    return _text(body | {"sha256": hashlib.sha256(_text(body)).hexdigest()})


def _text(manifest: Manifest) -> bytes:
    """The canonical text of a manifest, with the `sha256` that it has, if it has one."""
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode("ascii")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder.

    Raises:
        InputError: there is none, it is not in the canonical form, has another version, or departs
            from the schema.
    """
    path = folder / NAME
    raw, manifest = read_object(folder)
    if not isinstance(manifest, dict) or "format" not in manifest:
        kind = manifest.get("kind") if isinstance(manifest, dict) else None
        if isinstance(kind, str):
            raise InputError(
                f"{folder}: is the folder of a {shown(kind)}, not of a construction; `verify"
                " check` proves it"
            )
        raise InputError(
            f"{path}: is not the manifest of a model: an object with the key 'format' is expected"
        )
    if type(manifest["format"]) is not int or manifest["format"] != FORMAT:
        raise InputError(
            f"{path}: is of format {shown(manifest['format'])}, and this version of the program"
            f" reads format {FORMAT}; use the version that saved the model"
        )
    try:
        require_schema(manifest, _SCHEMA)
        layers = len(manifest["architecture"]["layers"])
        if not layers:
            raise InputError("architecture.layers is []; at least one layer is expected")
        if layers > MOST_LAYERS:
            raise InputError(
                f"architecture.layers has {layers:,} layers, and up to {MOST_LAYERS:,} are read"
            )
        _require_task(manifest)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    require_sealed(manifest, raw, path)
    return manifest


def holds_sets(manifest: Manifest) -> bool:
    """Whether the model of a folder writes sets of answers."""
    return bool(manifest.get("queries") == QUERIES[-1])


def _require_task(manifest: Manifest) -> None:
    """Raise InputError unless the special tokens and the hops are those of what is claimed."""
    specials, hops, sets = manifest["specials"], manifest["sizes"]["hops"], holds_sets(manifest)
    expected = SPECIALS[-1:] if sets else SPECIALS[:-1]
    if specials not in expected:
        raise InputError(
            f"specials is {specials}; {' or '.join(map(str, expected))} is expected where queries"
            f" is {manifest['queries']!r}"
        )
    if sets and hops != 1:
        raise InputError(f"sizes.hops is {hops}; 1 is expected where queries is 'sets'")


def read_object(folder: Path) -> tuple[bytes, object]:
    """The text of the manifest of a folder of any kind, and the JSON value that it writes.

    Raises:
        InputError: there is none, or it is too long or no JSON.
    """
    path = folder / NAME
    require_folder(folder)
    if not path.is_file():
        raise InputError(f"{path}: no such file: {folder} is not the folder of a saved model")
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(f"{path}: has {size:,} bytes; at most {_MOST_BYTES:,} are read")
    raw = path.read_bytes()
    return raw, parse_json(raw, path)


def require_sealed(manifest: Manifest, raw: bytes, path: Path) -> None:
    """Take the `sha256` out of a manifest; raise InputError unless it is that of the rest, and the
    text is the canonical one.
    """
    if _text(manifest) != raw:
        raise InputError(
            f"{path}: is not written as it was saved: keys in order, ASCII, one space for each"
            " level"
        )
    if canonical(manifest) != raw:
        raise InputError(
            f"{path}: does not have the SHA-256 that it says, {manifest['sha256']}: the file has"
            " changed"
        )
    del manifest["sha256"]


def require_model_files(folder: Path, listed: Manifest) -> None:
    """Raise InputError unless the files that a manifest lists are those of a model."""
    at = folder / NAME
    for name in sorted(ALWAYS - {WEIGHTS} - listed.keys()):
        raise InputError(f"{at}: lists no {name}; every model has one")
    for name in sorted(listed):
        if not is_file_of_model(name):
            raise InputError(f"{at}: lists {shown(name)}, which is no file of a model")
    require_weight_files(listed, at)
    if (FACTS in listed) == (PACKED_FACTS in listed):
        raise InputError(
            f"{at}: lists {'both' if FACTS in listed else 'neither'} of {FACTS} and"
            f" {PACKED_FACTS}; one is expected"
        )


def is_file_of_model(name: str) -> bool:
    """Whether a model may have a file of this name, beside its manifest."""
    return name in FILES or is_weight_file(name)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def architecture(shape: TransformerShape) -> dict[str, Any]:
    """The layers of a transformer, as the manifest has them."""
    layers = [
        {"heads": [[head.d_qk, head.d_v] for head in layer.heads], "d_mlp": list(layer.d_mlp)}
        for layer in shape.layers
    ]
    return {"layers": layers, "repeats": shape.repeats}


def shape_of(manifest: Manifest) -> TransformerShape:
    """The shape of the transformer that a manifest describes."""
    return shape_with(manifest["sizes"], manifest["architecture"])


def shape_with(sizes: dict[str, Any], written: dict[str, Any]) -> TransformerShape:
    """The shape of a transformer of these sizes whose layers `architecture` has written."""
    return TransformerShape(
        d_vocab=sizes["d_vocab"],
        d_model=sizes["d_model"],
        layers=tuple(
            LayerShape(
                tuple(HeadShape(*widths) for widths in layer["heads"]), tuple(layer["d_mlp"])
            )
            for layer in written["layers"]
        ),
        n_positions=sizes["positions"],
        repeats=written["repeats"],
    )
