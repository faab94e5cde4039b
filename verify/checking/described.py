"""What a model folder says of itself, and whether its parts agree: docs/certificates.md, "What a
folder is".

`constructions.load` reads the same by code of its own, and what one of the two refuses the other
refuses. Of the proof only this leans on it: the files are those that the manifest lists. All else
here is a statement that would be false in a folder that is called right. It takes the standard
library alone, and reads no number of a weight.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from verify.kernel.verdict import require
from verify.reading.codes import FORMS, base_of
from verify.reading.maps import sha256
from verify.reading.stored import (
    DTYPES,
    FORMAT,
    MOST_BYTES_OF_JSON,
    MOST_LAYERS,
    read_facts,
    read_json,
    read_sets,
    read_tensors,
    read_vocabulary,
)
from verify.reading.weights import (
    is_weight_file,
    read_weights,
    require_weight_files,
    weight_files,
)
from verify.reading.wording import MOST_SHOWN, escaped, shown
from verify.symbolic.claims import Claims

OF_SETS = ["end"]
SPECIALS = (["unknown"], ["unknown", "pad", "end"], OF_SETS)
MANIFEST, NO_MODEL = "manifest.json", "manifest.json is missing: this is no model folder"
ALWAYS = {"vocabulary.txt", "certificate.json"}
BESIDE_WEIGHTS = ALWAYS | {"facts.tsv", "facts.safetensors", "codebooks.safetensors"}

IS_FORM = (
    "this is a form of a construction, and these checkers read integers in named columns alone;"
    " `python -m verify check` holds it against the construction that lies beside it"
)

Leaf = tuple[str, Callable[[Any], bool]]
COUNT: Leaf = "a count", lambda value: type(value) is int and value >= 0
SIZE: Leaf = "a positive integer", lambda value: type(value) is int and value >= 1
TEXT: Leaf = "a text", lambda value: type(value) is str
OPTION: Leaf = (
    "an integer, true, false or null",
    lambda value: value is None or type(value) in (int, bool),
)
SHA256: Leaf = (
    "64 lower-case hexadecimal digits",
    lambda value: (
        type(value) is str and len(value) == 64 and set(value) <= set("0123456789abcdef")
    ),
)
WIDTHS: Leaf = (
    "a pair of counts",
    lambda value: (
        type(value) is list and len(value) == 2 and all(type(n) is int and n >= 0 for n in value)
    ),
)
QUERIES = ["all", "stored", "sets"]
CLAIMED: Leaf = "'all', 'stored' or 'sets'", lambda value: value in QUERIES
ANY = "any key"
SCHEMA: dict[str, Any] = {
    "format": COUNT,
    "construction": TEXT,
    "builder": TEXT,
    "options": {ANY: OPTION},
    "dtype": ("one of " + ", ".join(DTYPES), lambda value: type(value) is str and value in DTYPES),
    "sizes": {
        "entities": SIZE,
        "relations": SIZE,
        "hops": SIZE,
        "positions": COUNT,
        "d_model": SIZE,
        "d_vocab": SIZE,
        "parameters": SIZE,
    },
    "architecture": {"layers": [{"heads": [WIDTHS], "d_mlp": [SIZE]}], "repeats": SIZE},
    "specials": (" or ".join(map(str, SPECIALS)), lambda value: value in SPECIALS),
    "queries": CLAIMED,
    "files": {ANY: {"bytes": COUNT, "sha256": SHA256}},
    "sha256": SHA256,
}
BLOCK: dict[str, Any] = {
    "columns": WIDTHS,
    "words": COUNT,
    "last": WIDTHS,
    "form": (f"one of {FORMS}", lambda value: base_of(value) is not None),
    "book": COUNT,
}
BLOCKS: Leaf = "a list of blocks", lambda value: type(value) is list and len(value) > 0
CLAIMS: list[tuple[str, dict[str, Any]]] = [
    ("task", {"claim": TEXT, "hops_per_token": COUNT, "queries": CLAIMED}),
    (
        "subject",
        {
            "claim": TEXT,
            "blocks": BLOCKS,
            "unknown": [("a count or null", lambda value: value is None or COUNT[1](value))],
        },
    ),
    (
        "pass",
        {
            "claim": TEXT,
            "step": SIZE,
            "left": COUNT,
            "layer": SIZE,
            "letters": [SIZE],
            "keeps": ("a list of blocks or null", lambda value: value is None or BLOCKS[1](value)),
        },
    ),
]
"""The first claim of a certificate, the second, and all others. In a schema a dict lists the keys
of an object, `ANY` stands for all of them; a list holds the schema of every item.
"""


def is_form(files: Mapping[str, Any]) -> bool:
    """Whether a manifest says that this is the folder of a form of a construction."""
    raw = files.get(MANIFEST, b"")
    if not 0 < len(raw) <= MOST_BYTES_OF_JSON:
        return False
    try:
        manifest = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return False
    return type(manifest) is dict and manifest.get("kind") == "form of a construction"


def read_manifest(files: Mapping[str, Any]) -> Any:
    """The manifest, if it is whole, fits the schema and lists all files of the folder."""
    require(MANIFEST in files, NO_MODEL)
    raw = files["manifest.json"]
    require(
        len(raw) <= MOST_BYTES_OF_JSON,
        f"manifest.json: has {len(raw)} bytes, at most {MOST_BYTES_OF_JSON} are read",
    )
    manifest = read_json(raw, "manifest.json")
    require(
        type(manifest) is dict and "format" in manifest,
        "manifest.json: is not the manifest of a model",
    )
    version = manifest["format"]
    require(
        type(version) is int and version == FORMAT,
        f"manifest.json: format {version!r}, expected {FORMAT}: save the model again",
    )
    _conform(manifest, SCHEMA, "manifest.json")
    layers = len(manifest["architecture"]["layers"])
    require(layers > 0, "manifest.json: there is no layer")
    require(
        layers <= MOST_LAYERS,
        f"manifest.json has {layers} layers, and up to {MOST_LAYERS} are read",
    )
    sets = manifest["queries"] == "sets"
    require(
        (manifest["specials"] == OF_SETS) == sets and (manifest["sizes"]["hops"] == 1 or not sets),
        f"manifest.json: the special tokens {manifest['specials']} and"
        f" {manifest['sizes']['hops']} hops do not go with {manifest['queries']!r}",
    )
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    digest = hashlib.sha256(_text(body)).hexdigest()
    require(_text(body | {"sha256": digest}) == bytes(raw), "manifest.json has changed")
    named, there = set(manifest["files"]), set(files) - {"manifest.json"}
    require(
        named == there, f"manifest.json lists {sorted(named)}, the folder holds {sorted(there)}"
    )
    others = sorted(name for name in named - BESIDE_WEIGHTS if not is_weight_file(name))
    require(not others, f"the folder holds {others}, which no model has")
    require(
        named >= ALWAYS,
        f"the folder holds no {', '.join(sorted(ALWAYS - named))}; every model has one",
    )
    require_weight_files(named)
    tables = {"facts.tsv", "facts.safetensors"} & named
    require(tables, "the folder holds no table of facts")
    require(len(tables) == 1, "the folder holds two tables of facts")
    return manifest


def _text(manifest: dict[str, Any]) -> bytes:
    """The one way in which a manifest is written."""
    return (json.dumps(manifest, sort_keys=True, indent=1) + "\n").encode()


def _conform(value: Any, schema: Any, where: str) -> None:
    """The value is as the schema says."""
    if isinstance(schema, tuple):
        expected, accepts = schema
        require(accepts(value), f"{where} is {shown(value)}, not {expected}")
    elif isinstance(schema, list):
        require(type(value) is list, f"{where} is {shown(value)}, not a list")
        for i, item in enumerate(value):
            _conform(item, schema[0], f"{where}[{i}]")
    else:
        require(type(value) is dict, f"{where} is {shown(value)}, not an object")
        keys = value.keys() if ANY in schema else schema.keys()
        require(
            value.keys() >= keys, f"{where}: the keys {sorted(keys - value.keys())} are missing"
        )
        require(
            value.keys() <= keys,
            f"{where}: the keys {shown(sorted(value.keys() - keys))} are unknown",
        )
        for key in keys:
            _conform(
                value[key],
                schema.get(ANY, schema.get(key)),
                f"{where}, {escaped(key)[:MOST_SHOWN]}",
            )


def require_sizes(files: Mapping[str, Any], manifest: Any) -> None:
    """Every file has the size that the manifest lists: before anything of it is read, as one of
    another size may have no end.
    """
    for name, entry in manifest["files"].items():
        size = len(files[name])
        if name in weight_files(files) and size != entry["bytes"]:
            read_tensors(files[name], name)  # what another tool has written is reported first
        same = size == entry["bytes"]
        require(same, f"{name}: has {size} bytes, manifest.json has {entry['bytes']}")


def require_agreement(files: Mapping[str, Any], manifest: Any) -> None:
    """Every file is as the manifest lists it, and so are the sizes; codebooks are well formed."""
    for name, entry in manifest["files"].items():
        found = sha256(files[name])
        if name in weight_files(files) and found != entry["sha256"]:
            read_tensors(files[name], name)  # what another tool has written is reported first
        require(
            found == entry["sha256"],
            f"{name}: its SHA-256 is {found}, manifest.json has {entry['sha256']}",
        )
    sizes, specials = manifest["sizes"], manifest["specials"]
    tokens = sizes["entities"] + sizes["relations"] + len(specials)
    require(
        sizes["d_vocab"] == tokens,
        f"manifest.json: d_vocab is {sizes['d_vocab']}, there are {tokens} tokens",
    )
    require(
        sizes["hops"] <= max(1, sizes["positions"]),
        f"manifest.json: {sizes['hops']} hops, {sizes['positions']} positions",
    )
    tensors = read_weights(files)
    entries = sum(tensor.size for _, tensor in tensors.values())
    require(
        sizes["parameters"] == entries,
        f"manifest.json: {sizes['parameters']} parameters, the file has {entries}",
    )
    rows = tensors["positions.weight"][1].shape[:1] if "positions.weight" in tensors else (0,)
    require(
        rows == (sizes["positions"],),
        f"manifest.json: {sizes['positions']} positions, the file has {rows[0]}",
    )
    task = next(iter(Claims(files["certificate.json"]).all), None)
    claimed = task.get("queries") if type(task) is dict else None
    require(
        claimed not in QUERIES or claimed == manifest["queries"],
        f"manifest.json: {manifest['queries']} queries are claimed, by certificate.json"
        f" {shown(claimed)}",
    )
    if "codebooks.safetensors" in files:
        _codebooks(files["codebooks.safetensors"], sizes["d_vocab"])


def require_readable(files: Mapping[str, Any], manifest: Any) -> None:
    """Names, facts and claims are written as they should be. The symbolic checker refuses the same
    by itself, as far as its proof goes; the kernel takes them as they stand.
    """
    sizes, claims = manifest["sizes"], Claims(files["certificate.json"]).all
    n, r = sizes["entities"], sizes["relations"]
    names = read_vocabulary(files["vocabulary.txt"], n, r, manifest["specials"])
    (read_sets if manifest["queries"] == "sets" else read_facts)(files, names, n, r)
    for i, claim in enumerate(claims):
        where = f"certificate.json, claim {i}"
        kind, schema = CLAIMS[min(i, 2)]
        _conform(claim, schema, where)
        said = shown(claim["claim"])
        require(claim["claim"] == kind, f"{where}: is a claim of {said}, not of {kind}")
        for block in claim.get("blocks") or claim.get("keeps") or ():
            alone = type(block) is dict and set(block) == {"columns"}
            _conform(block, {"columns": WIDTHS} if alone else BLOCK, f"{where}, block")
            start, stop = block["columns"]
            fits = start < stop <= sizes["d_model"]
            require(fits, f"{where}, block: {shown(block)}: there are {sizes['d_model']} columns")


def _codebooks(raw: Any, n_vocab: int) -> None:
    """Which tokens have a code: the tensors `0`, `1`, ..., I64, each increasing strictly within
    the vocabulary.
    """
    name = "codebooks.safetensors"
    books = read_tensors(raw, name)
    wanted = {str(i) for i in range(len(books))}
    fits = set(books) == wanted and all(
        dtype == "I64" and book.ndim == 1 for dtype, book in books.values()
    )
    require(fits, f"{name}: the tensors '0', '1', ... with I64 tokens are expected")
    for key, (_, book) in books.items():
        inside = book.size and book[0] >= 0 and book[-1] < n_vocab and (book[1:] > book[:-1]).all()
        require(
            inside,
            f"{name}: the tokens of codebook {key} must increase strictly within 0..{n_vocab - 1}",
        )
